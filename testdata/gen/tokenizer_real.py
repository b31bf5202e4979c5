#!/usr/bin/env python3
"""Prints SHA-256 sums of what Hugging Face's BertTokenizerFast makes of real data that cannot lie here.

usage: REAL_DATA=FOLDER tokenizer_real.py > testdata/tokenizer/real.sha256     (needs transformers)

Hashed are lines `"input_ids":[...],"offsets":[[b,e],...]}` as wp-tokenize ends its rows, not truncated: all of SST-2, and
the first 2,000 reviews of IMDb's test file, uncased and cased, with BERT's uncased vocabulary.
"""
import hashlib
import itertools
import json
import lzma
import os
import pathlib
import shutil
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
from transformers import BertTokenizerFast

DATA = pathlib.Path(os.environ["REAL_DATA"])


def column(lines, name):
    header = next(lines).rstrip("\n").split("\t")
    for line in lines:
        yield line.rstrip("\n").split("\t")[header.index(name)]


def sst2(part):
    return column(open(DATA / "SST-2" / f"{part}.tsv", encoding="utf-8", newline="\n"), "sentence")


def imdb():
    lines = lzma.open(DATA / "imdb" / "test.tsv.xz", "rt", encoding="utf-8", newline="\n")
    return itertools.islice(column(lines, "text"), 2000)


def main():
    for lower in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(DATA / "bert-base-uncased-vocab.txt", os.path.join(folder, "vocab.txt"))
            with open(os.path.join(folder, "tokenizer_config.json"), "w") as config:
                json.dump({"do_lower_case": lower}, config)
            t = BertTokenizerFast.from_pretrained(folder)
        for name, texts in (("train", sst2("train")), ("dev", sst2("dev")), ("test", sst2("test")), ("imdb", imdb())):
            digest = hashlib.sha256()
            for text in texts:
                e = t(text, return_offsets_mapping=True)
                places = list(itertools.accumulate((len(c.encode()) for c in text), initial=0))
                offsets = [[places[b], places[end]] for b, end in e["offset_mapping"]]
                line = f'"input_ids":{json.dumps(e["input_ids"], separators=(",", ":"))},' \
                       f'"offsets":{json.dumps(offsets, separators=(",", ":"))}}}\n'
                digest.update(line.encode())
            print(f"{digest.hexdigest()}  {'uncased' if lower else 'cased'}-{name}")


main()
