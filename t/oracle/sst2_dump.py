#!/usr/bin/env python3
"""Compares sst2-dump with Hugging Face datasets.

    BUILD=build REAL_DATA=../shared/data python t/oracle/sst2_dump.py

Prints TAP. Two references, both offline: the reading of the tables as the loading script of glue/sst2 does it (csv.DictReader
without quoting, idx counted, label -1 where there is no column), and datasets' own csv loader with quoting off. The rows
that sst2-dump writes are read by datasets' json loader, whose features must then be those of glue/sst2. The user's CSV is
compared with datasets' csv loader (pandas, RFC 4180 quoting) on random tables.
"""
import csv
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
folder = tempfile.TemporaryDirectory()
os.environ["HF_HOME"] = folder.name

import datasets

datasets.disable_progress_bars()
ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
DATA = pathlib.Path(os.environ.get("REAL_DATA", ROOT / ".." / "shared" / "data")).resolve()
count = failed = 0


def ok(condition, name, detail=""):
    global count, failed
    count += 1
    failed += not condition
    print(f"{'ok' if condition else 'not ok'} {count} - {name}")
    if not condition and detail:
        print(f"# {detail}")


def dump(*arguments):
    return subprocess.run([BUILD / "bin" / "sst2-dump", *map(str, arguments)], check=True, capture_output=True).stdout


def rows_of(text):
    return [json.loads(line) for line in text.decode("utf-8").splitlines()]


def first_difference(a, b):
    for n, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return f"row {n}: {x} and {y}"
    return f"{len(a)} and {len(b)} rows"


def as_the_loading_script(path):
    with open(path, encoding="utf8") as file:
        for n, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)):
            yield {"idx": n, "sentence": row["sentence"], "label": int(row["label"]) if "label" in row else -1}


def load(kind, path, **options):
    return datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=folder.name, **options)


def compare_split(split, table):
    text = dump("--split", split, table.parent)
    ours = rows_of(text)
    theirs = list(as_the_loading_script(table))
    ok(ours == theirs, f"{split}: {len(theirs)} rows as the loading script of glue/sst2 reads them", first_difference(ours, theirs))
    ok(all(list(row) == ["idx", "sentence", "label"] for row in ours), f"{split}: the members' order")
    loaded = load("csv", table, delimiter="\t", quoting=csv.QUOTE_NONE, keep_default_na=False)
    ok(loaded["sentence"][:] == [row["sentence"] for row in ours], f"{split}: sentences as datasets' csv loader reads them")
    if "label" in loaded.column_names:
        ok(loaded["label"][:] == [row["label"] for row in ours], f"{split}: labels as datasets' csv loader reads them")
    path = pathlib.Path(folder.name) / f"{split}.ndjson"
    path.write_bytes(text)
    back = load("json", path)
    features = {name: feature.dtype for name, feature in back.features.items()}
    ok(features == {"idx": "int64", "sentence": "string", "label": "int64"}, f"{split}: datasets reads the rows", features)
    ok(list(back) == ours, f"{split}: and reads them as they are")


def compare_csv(seed):
    """A random table with what makes CSV hard, through Python's writer."""
    random.seed(seed)
    pieces = ["word", " ", ",", ";", '"', '""', "\n", "\t", "\u00e9", "\U0001f3ac", "'", "\\", "x"]
    table = [
        ("".join(random.choices(pieces, k=random.randrange(1, 12))) + "end", random.choice(["negative", "positive"]))
        for _ in range(300)
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=random.choice(["\n", "\r\n"]), quoting=random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer.writerow(["id", "review", "verdict"])
    for n, (review, verdict) in enumerate(table):
        writer.writerow([n, review, verdict])
    path = pathlib.Path(folder.name) / f"random-{seed}.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    ours = rows_of(dump("--text-column", "review", "--label-column", "verdict", path))
    loaded = load("csv", path)
    got = [(row["sentence"], row["label_text"]) for row in ours]
    ok(got == list(zip(loaded["review"], loaded["verdict"])), f"random CSV {seed}: as datasets' csv loader reads it",
       first_difference(got, list(zip(loaded["review"], loaded["verdict"]))))
    ok(got == table and [row["label"] for row in ours] == [int(v == "positive") for _, v in table], f"random CSV {seed}: what was written")


if (DATA / "SST-2" / "train.tsv").exists():
    for split, name in ("train", "train.tsv"), ("validation", "dev.tsv"), ("test", "test.tsv"):
        compare_split(split, DATA / "SST-2" / name)
else:
    print(f"# no {DATA / 'SST-2'}")
for split in "train", "validation", "test":
    compare_split(split, ROOT / "testdata" / "mini" / f"{split}.tsv")
for seed in range(20):
    compare_csv(seed)
print(f"1..{count}")
folder.cleanup()
sys.exit(failed > 0)
