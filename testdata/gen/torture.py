#!/usr/bin/env python3
"""Prints sentences that are hard on a BERT tokenizer, as NDJSON: every code point in three contexts, and odd strings.

usage: torture.py [--strings N] [--seed S] > torture.ndjson

Code points: each but the surrogates stands once alone, once between letters (aXb), and once before four combining marks
of different classes and a letter, so that canonical reordering has something to do. 64 share a row, apart by spaces.
Strings: drawn from pools of scripts, marks, controls, spaces, punctuation, special tokens and long words.
No data is copied from anywhere; a seed gives the same rows again on any Python.
"""
import argparse
import json
import random
import sys

MARKS = "\u0315\u0316\u0334\u0345"
POOLS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789",
    " \t\n\r\u000b\u000c\u0085\u00a0\u2003\u2028\u3000", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "\u0000\u0001\u001f\u007f\u0080\u009f\u00ad\u200b\u200d\u200e\ufeff\ufffd\ue000\U000f0000",
    "\u00e9\u00c9\u00f1\u00c5\u00dc\u0130\u0131\u01c5\u1e9e\u00df\u017f"
    "\u212a\u2126\u03a3\u03c3\u03c2\ufb01\u1fb3\u01f0",
    "\u0300\u0301\u0308\u0327\u0328\u0334\u0345\u0360\u0315\u05b0\u064b\u0e38\u3099\u302a",
    "\u302e\u302f\U0001d165\U0001d166\U0001d16d\u08d4\u0903\u093e\U00011442\u20dd\u1ab0\u0488",
    "\u4e2d\u6587\u65e5\u672c\u3400\U00020000\U0002a700\U0002f800\uf900\u3042\u30ab\u30ac\u304c\uff71\uff9e",
    "\ud55c\uad6d\uc5b4\u1112\u1161\u11ab\uac00", "\u0430\u0439\u0451\u0401\u0419\u0490",
    "\u05d0\u05e9\u05c1\u0627\u0622\u0644",
    "\u0915\u093c\u0958\u09cb\u0bca\u0dde\u0f43\u0f73\u0f76\u1026\U0001d15e\U0001d160\u0344\u0340\u037e\u2260\u226e",
    "\u2014\u2018\u201c\u3001\uff01\u00a1\u00bf\u00b7\u2e43\u166d\u1734\U000111c9\u0964",
    "\u20ac\u00a3\u2211\u2192\U0001f600\U0001f468\u200d\U0001f1e9\u2620\ufe0f",
    ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[unused1]", "[SEP", "[MASK]]", "[[SEP]", "[sep]", "[Mask]"],
]


def code_point_rows():
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for context in ("{}", "a{}b", "A{}" + MARKS + "b"):
        for i in range(0, len(points), 64):
            yield " ".join(context.format(chr(c)) for c in points[i:i + 64])


def pick(rng, items):
    return items[int(rng.random() * len(items))]


def string_rows(n, seed):
    rng = random.Random(seed)  # only random() is used: it is the same on every Python
    for _ in range(n):
        pools = [pick(rng, POOLS) for _ in range(1 + int(rng.random() * 4))]
        length = int(rng.random() ** 2 * 80)
        yield "".join(pick(rng, pick(rng, pools)) for _ in range(length))


def long_rows():
    for unit in ("a", "A", "\u00e9", "e\u0301", "\u4e2d", "\ud55c", "\u0130", "\U0001f600", "a\u0000", "b\u302e\u0316",
                 "\u0301", "ab"):
        for n in (1, 49, 50, 51, 99, 100, 101, 102, 200, 1000):
            yield unit * n
            yield "x " + unit * n + ", y"
    yield ""
    yield " " * 1000
    yield "[SEP]" * 100
    yield "[" * 1000
    yield "-" * 1000
    yield "a\u0316\u0301\u0315" * 300 + "\u302e" + "\u0316\u0301\u0334" * 2000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strings", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for rows in (code_point_rows(), long_rows(), string_rows(args.strings, args.seed)):
        for text in rows:
            sys.stdout.write(json.dumps({"sentence": text}) + "\n")


if __name__ == "__main__":
    main()
