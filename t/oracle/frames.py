"""Compares the frames that our reader and writer handle with the reference implementation of safetensors.

    BUILD=build python t/oracle/frames.py

Prints TAP; makes BUILD/t/helper/frames where it is not there. (The file is not called safetensors.py, because every
script in this folder would import it instead of the package.)

1. Random frames of our writer, some without tensors: the library reads the same tensors.
2. Random frames of the library's writers: our reader, and our mapping of files, finds the same bytes.
3. Headers damaged at random: what we accept the library accepts, and it finds the same.
"""
import hashlib
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

try:
    import numpy
    import safetensors
    import safetensors.numpy
    import safetensors.torch
    import torch
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
FRAMES = os.path.join(BUILD, "t", "helper", "frames")
NUMPY_DTYPES = {"BOOL", "U8", "I8", "U16", "I16", "F16", "U32", "I32", "F32", "U64", "I64", "F64"}
TORCH_DTYPES = [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float16, torch.bool]


count = failed = 0


def check(good, name, note=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    if not good:
        print(f"# {note}")


def ours(verb, data=b"", *arguments):
    done = subprocess.run([FRAMES, verb, *arguments], input=data, capture_output=True)
    return done.returncode, done.stdout, done.stderr.decode()


def split(stream):
    """The frames of a stream, with their metadata, which the library's load drops."""
    while stream:
        n = struct.unpack("<Q", stream[:8])[0]
        header = json.loads(stream[8 : 8 + n])
        metadata = header.pop("__metadata__", {})
        size = 8 + n + max((t["data_offsets"][1] for t in header.values()), default=0)
        yield metadata, stream[:size]
        stream = stream[size:]


def theirs(frame):
    """What the library finds in a frame, as `frames list` says it."""
    return {
        name: {"dtype": t["dtype"], "shape": t["shape"], "sha256": hashlib.sha256(t["data"]).hexdigest()}
        for name, t in safetensors.deserialize(frame)
    }


def check_our_writer(frames=600):
    _, stream, _ = ours("random", b"", "1", str(frames))
    _, listing, _ = ours("list", stream)
    found = [json.loads(line) for line in listing.splitlines()]
    split_frames = list(split(stream))
    check(len(found) == len(split_frames) == frames, f"{frames} frames written")
    loaded = empty = 0
    wrong = []
    for (metadata, frame), our in zip(split_frames, found):
        if metadata != our["metadata"] or theirs(frame) != our["tensors"]:
            wrong.append(our)
        empty += not our["tensors"]
        if all(t["dtype"] in NUMPY_DTYPES for t in our["tensors"].values()):
            arrays = safetensors.numpy.load(frame)
            sums = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}
            if sums != {name: t["sha256"] for name, t in our["tensors"].items()}:
                wrong.append(our)
            loaded += 1
    check(not wrong, f"the library reads all: {empty} without tensors, {loaded} also through numpy.load", wrong[:1])


def library_frame(rng):
    names = rng.sample(["a", "b.weight", "\u00e9\u20ac", "q\"\\", "\n", "", "\U0001f600", "z" * 200], rng.randrange(9))
    # {} without tensors is left out: the library (0.8.0) writes {},"__metadata__":{}} for it and cannot read that.
    metadata = rng.choice([None, {} if names else None, {"kind": "x"}, {"k": "v", "\u20ac": "a\nb"}])
    shapes = [[rng.randrange(5) for _ in range(rng.randrange(5))] for _ in names]
    if rng.random() < 0.5:
        dtypes = [rng.choice([numpy.bool_, "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8"]) for _ in names]
        arrays = {}
        for name, shape, dtype in zip(names, shapes, dtypes):
            count = int(numpy.prod(shape, dtype=int))
            raw = rng.randbytes(count * numpy.dtype(dtype).itemsize)
            raw = bytes(b & 1 for b in raw) if dtype is numpy.bool_ else raw
            arrays[name] = numpy.frombuffer(raw, dtype).reshape(shape)
        return safetensors.numpy.save(arrays, metadata), metadata or {}
    tensors = {n: torch.rand(s).to(rng.choice(TORCH_DTYPES)) for n, s in zip(names, shapes)}
    return safetensors.torch.save(tensors, metadata), metadata or {}


def check_our_reader(frames=600, mapped=100):
    rng = random.Random(2)
    torch.manual_seed(2)
    made = [library_frame(rng) for _ in range(frames)]
    stream = b"".join(frame for frame, _ in made)
    code, listing, error = ours("list", stream)
    found = [json.loads(line) for line in listing.splitlines()]
    check(code == 0 and len(found) == frames, f"{frames} frames of the library read", error)
    wrong = [our for (frame, metadata), our in zip(made, found) if our != {"metadata": metadata, "tensors": theirs(frame)}]
    check(not wrong, "with the same tensors and metadata", wrong[:1])
    _, copy, error = ours("copy", stream)
    again = [frame for _, frame in split(copy)]
    same = len(again) == frames and all(theirs(a) == theirs(b) for (a, _), b in zip(made, again))
    check(same, "written again, the library reads the same", error)
    wrong = []
    with tempfile.NamedTemporaryFile() as file:
        for (frame, _), our in zip(made[:mapped], found):
            replace(file, frame)
            code, listing, error = ours("map", b"", file.name)
            if code or json.loads(listing) != our:
                wrong.append(error)
    check(not wrong, f"{mapped} of them mapped from a file", wrong[:1])


def replace(file, data):
    file.seek(0)
    file.truncate()
    file.write(data)
    file.flush()


def damage(rng, frame):
    n = struct.unpack("<Q", frame[:8])[0]
    text = bytearray(frame[8 : 8 + n])
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(text))
        kind = rng.randrange(4)
        if kind == 0:
            text[at] = rng.choice(b'0123456789[]{},:"F')
        elif kind == 1:
            del text[at]
        elif kind == 2:
            text[at:at] = rng.choice([b"1", b"0", b" ", b"-", b".0", b'"a":{},', b"\\u0061", b"\xff"])
        else:
            text[at : at + 1] = text[at : at + rng.randrange(1, 30)]
        if not text:
            text = bytearray(b"{")
    return struct.pack("<Q", len(text)) + bytes(text) + frame[8 + n :]


def check_damage(rounds=1500):
    rng = random.Random(3)
    accepted = refused = 0
    wrong, stricter = [], {}
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(rounds):
            frame = damage(rng, library_frame(rng)[0])
            replace(file, frame)
            code, listing, error = ours("map", b"", file.name)
            if code not in (0, 1) or (code == 1 and not error.startswith("frames: ")):
                wrong.append((code, error))
            try:
                reference = theirs(frame)
            except safetensors.SafetensorError:
                reference = None
            if code == 0:
                accepted += 1
                if json.loads(listing)["tensors"] != reference:
                    wrong.append((frame, listing))
            elif reference is None:
                refused += 1
            else:
                reason = error.split(": ", 2)[2].strip()
                stricter[reason] = stricter.get(reason, 0) + 1
    only_we = sum(stricter.values())
    name = f"{rounds} damaged headers: both accept {accepted}, both refuse {refused}, only we refuse {only_we}"
    check(not wrong, name, wrong[:1])
    for reason, times in sorted(stricter.items(), key=lambda r: -r[1]):
        print(f"# only we refuse, {times} times: {reason}")


if __name__ == "__main__":
    print("# safetensors", safetensors.__version__)
    if not os.path.exists(FRAMES):
        subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={BUILD}", FRAMES], check=True, stdout=subprocess.DEVNULL)
    check_our_writer()
    check_our_reader()
    check_damage()
    print(f"1..{count}")
    sys.exit(failed > 0)
