"""What is measured: the groups, their contenders, how many rows each gets and how long that should take.

Names of contenders are read by goals.py: "ours f32", "PyTorch f32, sorted" and so on.
"""
import os
import pathlib

import ours
import prepare
import theirs
from cells import QUICK, Group, NotBuilt, digest

THREADS = int(os.environ.get("BENCH_THREADS") or len(os.sched_getaffinity(0)))
RUNS = int(os.environ.get("BENCH_RUNS") or (1 if QUICK else 5))
SIZES = (os.environ.get("BENCH_SIZES") or ("tiny" if QUICK else "tiny MiniLM base")).split()
PARTS = (os.environ.get("BENCH_PARTS") or "tokenise start infer latency train memory scaling accuracy").split()
STUDENTS = (os.environ.get("BENCH_STUDENTS") or "").split()
TYPES = ("f32", "bf16", "int8")

# Sentences a second that one would expect of two cores at 200 GFLOP/s (milliseconds for a row); only to say beforehand
# how long the bench will take.
TRAIN = {"tiny": dict(ours=5000, b8=500, b32=600, sorted=1500),
         "MiniLM": dict(ours=200, b8=40, b32=40, sorted=110),
         "base": dict(ours=25, b8=6.5, b32=6, sorted=16)}
INFER = {"tiny": dict(ours=9000, torch=2500, onnxruntime=3500, ctranslate2=3500, ms=1),
         "MiniLM": dict(ours=330, torch=150, onnxruntime=170, ctranslate2=200, ms=8),
         "base": dict(ours=42, torch=22, onnxruntime=25, ctranslate2=30, ms=55)}
# Rows: of a training run of ours (steps between records, records), of a peer's with mixed and with sorted batches, of an
# inference run, how often ours takes them in one run, and how many single rows.
ROWS = {"tiny": dict(ours=(30, 11), mixed=1280, sorted=3200, infer=872, repeat=4, single=200),
        "MiniLM": dict(ours=(5, 9), mixed=320, sorted=640, infer=448, repeat=2, single=40),
        "base": dict(ours=(2, 4), mixed=128, sorted=256, infer=128, repeat=2, single=12)}
if QUICK:
    ROWS = {size: dict(ours=(1, 3), mixed=64, sorted=64, infer=32, repeat=1, single=3) for size in ROWS}


def has_bf16():
    """Whether the processor multiplies bf16; without, a peer's bf16 is slower than its f32 by far and proves nothing."""
    if os.environ.get("BENCH_BF16"):
        return True
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            words = set(file.read().split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


class Absent(ours.Contender):
    limit = 1

    def __init__(self, reason):
        self.reason = reason

    def run(self):
        raise NotBuilt(self.reason)


def bf16_peer(make):
    return make() if has_bf16() else Absent("this processor has no bf16 instructions")


def peers_wanted():
    return bool(theirs.versions())


def limit_of(size, order):
    """Rounds of a peer at most. Mixed batches are how users run it, hardly ever the best: no goal but one hangs on them."""
    if size == "tiny":
        return RUNS
    return {"MiniLM": 3, "base": 2}[size] if order == "mixed" else {"MiniLM": RUNS, "base": 3}[size]


def tokenise(text):
    size = (256 << 10) if QUICK else (32 << 20)
    small = min(size, 2 << 20)
    several = sorted({1, THREADS})
    group = {f"ours, {n} thread{'s' * (n > 1)}": ours.Tokenise(text, n, size) for n in several}
    if peers_wanted():
        group.update({f"tokenizers, {n} thread{'s' * (n > 1)}": theirs.Tokenise(text, n, small) for n in several})
    return group


def start(size):
    group = {"ours f32": ours.Start(size, THREADS, repeat=1 if QUICK else 5)}
    if peers_wanted():
        group["PyTorch"] = theirs.Start("torch", size, limit=2)
        group["ONNX Runtime"] = theirs.Start("onnxruntime", size, limit=3)
    return group


def infer(size):
    rows, rates = ROWS[size], INFER[size]

    def sample():
        return prepare.sample("dev", rows["infer"], "mixed")
    group = {f"ours {w}": ours.Batches(size, w, THREADS, sample, rows["repeat"],
                                        rows["infer"] * rows["repeat"] / rates["ours"]) for w in TYPES}
    if not peers_wanted():
        return group
    for order in "mixed", "sorted":
        def batches(kind, precision, order=order):
            return theirs.Batches(kind, size, precision, THREADS, order, rows["infer"],
                                  rates[kind] * (2 if order == "sorted" else 1), limit_of(size, order))
        group[f"PyTorch f32, {order}"] = batches("torch", "f32")
        group[f"PyTorch bf16, {order}"] = bf16_peer(lambda: batches("torch", "bf16"))
        for name, kind in ("ONNX Runtime", "onnxruntime"), ("CTranslate2", "ctranslate2"):
            group[f"{name} f32, {order}"] = batches(kind, "f32")
            group[f"{name} int8, {order}"] = batches(kind, "int8")
    return group


def latency(size):
    count, ms = ROWS[size]["single"], INFER[size]["ms"]

    def sample():
        return prepare.rows_of_length(20)
    group = {f"ours {w}": ours.Latency(size, w, THREADS, sample, count, ms) for w in TYPES}
    if not peers_wanted():
        return group
    for name, kind, types in (("PyTorch", "torch", ("f32", "bf16")), ("ONNX Runtime", "onnxruntime", ("f32", "int8")),
                              ("CTranslate2", "ctranslate2", ("f32", "int8"))):
        for precision in types:
            def make(kind=kind, precision=precision):
                return theirs.Latency(kind, size, precision, THREADS, count, ms)
            group[f"{name} {precision}"] = bf16_peer(make) if precision == "bf16" else make()
    return group


def train(size):
    rows, rates = ROWS[size], TRAIN[size]
    batch = 8 if QUICK else 32
    group = {f"ours {p}": ours.Train(size, p, THREADS, *rows["ours"], batch, rates["ours"]) for p in ("f32", "bf16")}
    if not peers_wanted():
        return group

    def peer(precision, batch, order, rate):
        return theirs.Train(size, precision, THREADS, batch, order, rows[order], rate, limit_of(size, order))
    group["PyTorch f32, batch 8"] = peer("f32", 8, "mixed", rates["b8"])
    group["PyTorch f32, batch 32"] = peer("f32", 32, "mixed", rates["b32"])
    group["PyTorch f32, sorted"] = peer("f32", 32, "sorted", rates["sorted"])
    group["PyTorch bf16, sorted"] = bf16_peer(lambda: peer("bf16", 32, "sorted", rates["sorted"]))
    return group


def scaling_size():
    return "MiniLM" if "MiniLM" in SIZES else SIZES[0]


def scaling_threads():
    """The tools at 1, 2, 4, ... threads; more threads than processors show nothing."""
    size, several, n = scaling_size(), [], 1
    while n < THREADS:
        several.append(n)
        n *= 2
    group, rows = {}, ROWS[size]
    batch = 8 if QUICK else 32
    for n in several + [THREADS]:
        rate = n / THREADS
        group[f"train, {n}"] = ours.Train(size, "f32", n, *rows["ours"], batch, TRAIN[size]["ours"] * rate)
        group[f"infer, {n}"] = ours.Batches(size, "f32", n, lambda: prepare.sample("dev", rows["infer"], "mixed"), 1,
                                            rows["infer"] / INFER[size]["ours"] / rate)
    return group


def scaling_rows():
    size = SIZES[0]
    several = (100, 200) if QUICK else (1000, 10000, 100000)
    if size == "base":
        several = several[:1]
    return {f"{n}": ours.WholeRun(size, THREADS, n, INFER[size]["ours"]) for n in several}


def accuracy(student):
    return {f"ours {w}": ours.Accuracy(student, w, THREADS) for w in TYPES}


def binaries():
    return digest(*((ours.BIN / tool).read_bytes() for tool in ("wp-tokenize", "bert-train", "bert-infer")))


def groups():
    """Yields (part, group): small things first, so that something stands early."""
    scripts = [path.read_bytes() for path in sorted(pathlib.Path(__file__).parent.iterdir())
               if path.name in ("ours.py", "theirs.py", "peers.py", "prepare.py", "meter.c")]
    common = [binaries(), digest(*scripts), theirs.versions(), THREADS, QUICK, ours.GEMM, str(prepare.real()), has_bf16()]

    def make(name, contenders, runs=RUNS, *settings):
        return Group(name, contenders, runs, digest(common, name, list(settings)))
    if "tokenise" in PARTS:
        for text in ("sst2", "imdb", "scripts") if prepare.real() else ("sst2", "scripts"):
            yield make(f"tokenise-{text}", tokenise(text))
    for size in SIZES:
        settings = ROWS[size]
        if "start" in PARTS:
            yield make(f"start-{size}", start(size))
        if "infer" in PARTS:
            yield make(f"infer-{size}", infer(size), RUNS, settings)
        if "latency" in PARTS:
            yield make(f"latency-{size}", latency(size), RUNS, settings)
        if "train" in PARTS:
            yield make(f"train-{size}", train(size), RUNS, settings)
    if "scaling" in PARTS:
        yield make("scaling-threads", scaling_threads(), min(RUNS, 3), scaling_size())
        yield make("scaling-rows", scaling_rows(), min(RUNS, 3), SIZES[0])
    if "accuracy" in PARTS:
        for student in STUDENTS:
            name = os.path.basename(os.path.normpath(student))
            yield make(f"accuracy-{name}", accuracy(student), 1, os.path.abspath(student))
