#!/usr/bin/env python3
"""Compares wp-tokenize --train-vocab with Hugging Face's BertWordPieceTokenizer.train, token for token and in order.

    BUILD=build python t/oracle/vocabulary.py [mini] [torture] [sst2] [imdb]

Prints TAP; without arguments all parts; parts whose data under $REAL_DATA is absent are skipped.

The library numbers the pieces "##" + character in the order of a hash table with a random seed, and of two equally frequent
pairs the one with the lower ids is merged first: two runs of it give two vocabularies. So it is told our order of the
single characters, as special tokens, which leaves it nothing to chance; then nothing may differ. A second check lets it have
its own order: the special tokens and characters must be the same, and how many of the other tokens are is printed.
"""
import itertools
import lzma
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "true"
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]

try:
    from tokenizers import BertWordPieceTokenizer
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

sys.path.append(str(ROOT / "testdata" / "gen"))
import torture  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
REAL_DATA = pathlib.Path(os.environ.get("REAL_DATA", ROOT / ".." / "shared" / "data"))
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

tests = failed = 0


def ok(good, name):
    global tests, failed
    tests += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {tests} - {name}")
    sys.stdout.flush()


def skip(name, reason):
    global tests
    tests += 1
    print(f"ok {tests} - {name} # SKIP {reason}")


def ours(path, size, cased, frequency, alphabet):
    command = [BUILD / "bin" / "wp-tokenize", "-q", "--input-format", "text", "--train-vocab", str(size),
               "--min-frequency", str(frequency), "--limit-alphabet", str(alphabet), path]
    text = subprocess.run(command + (["--cased"] if cased else []), check=True, stdout=subprocess.PIPE).stdout.decode()
    return text.split("\n")[:-1]


def library(path, size, cased, frequency, alphabet, specials):
    t = BertWordPieceTokenizer(lowercase=not cased, strip_accents=not cased)
    t.train([str(path)], vocab_size=size, min_frequency=frequency, limit_alphabet=alphabet, special_tokens=specials,
            show_progress=False)
    vocabulary = t.get_vocab()
    return sorted(vocabulary, key=vocabulary.get)


def first_tokens(tokens):
    """How many specials and single characters a vocabulary begins with."""
    n = len(SPECIALS)
    while n < len(tokens) and (len(tokens[n]) == 1 or tokens[n].startswith("##") and len(tokens[n]) == 3):
        n += 1
    return n


def compare(name, path, size, cased=False, frequency=2, alphabet=1000):
    what = f"{name}, {size} tokens{', cased' if cased else ''}"
    began = time.time()
    mine = ours(path, size, cased, frequency, alphabet)
    between = time.time()
    first = first_tokens(mine)
    theirs = library(path, size, cased, frequency, alphabet, mine[:first])
    ended = time.time()
    place = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b), min(len(mine), len(theirs)))
    ok(mine == theirs, f"{what}: {len(mine)} tokens, the same ({between - began:.1f} s, library {ended - between:.1f} s)")
    if mine != theirs:
        print(f"#   ours {len(mine)} tokens, theirs {len(theirs)}; from {place}: {mine[place:place + 5]} {theirs[place:place + 5]}")
    free = library(path, size, cased, frequency, alphabet, SPECIALS)
    shared = len(set(free[first:]) & set(mine[first:]))
    ok(first_tokens(free) == first and sorted(free[:first]) == sorted(mine[:first]),
       f"{what}: the library in its own order: the same {first} first tokens; {shared} of {len(mine) - first} others")


def lines_of(path, column):
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8", newline="\n") as table:
        next(table)
        return [line.rstrip("\n").split("\t")[column] for line in table]


def write(folder, name, lines):
    path = pathlib.Path(folder) / name
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    return path


def main():
    parts = sys.argv[1:] or ["mini", "torture", "sst2", "imdb"]
    with tempfile.TemporaryDirectory() as folder:
        if "mini" in parts:
            mini = write(folder, "mini", lines_of(ROOT / "testdata" / "mini" / "train.tsv", 0))
            compare("mini", mini, 600)
            compare("mini, min-frequency 5", mini, 4000, frequency=5)
            compare("mini, everything", mini, 20000, frequency=1)
            compare("mini, twelve characters", mini, 300, alphabet=12)
        if "torture" in parts:
            rows = itertools.chain(torture.long_rows(), torture.string_rows(20000, 1))
            odd = write(folder, "odd", [text.replace("\n", " ") for text in rows])
            for cased in False, True:
                compare("odd strings", odd, 12000, cased, alphabet=0x110000)
        if "sst2" in parts:
            path = REAL_DATA / "SST-2" / "train.tsv"
            if path.exists():
                compare("SST-2", write(folder, "sst2", lines_of(path, 0)), 8000)
            else:
                skip("SST-2", "its data is absent")
        if "imdb" in parts:
            path = REAL_DATA / "imdb" / "train.tsv.xz"
            if path.exists():
                reviews = write(folder, "imdb", lines_of(path, 3)[:5000])
                compare("5,000 reviews of IMDb", reviews, 8192)
                compare("5,000 reviews of IMDb", reviews, 20000, cased=True)
            else:
                skip("IMDb", "its data is absent")
    print(f"1..{tests}")
    sys.exit(1 if failed else 0)


main()
