#!/usr/bin/env python3
"""Makes the demo's WordPiece vocabulary from the training sentences of testdata/mini.

    python3 testdata/gen/demo_vocab.py testdata/mini/train.tsv > testdata/demo/vocab.txt

Special tokens; every printable ASCII character, alone and inside a word; words that occur at least twice; endings that at
least eight different words share. It is no trained vocabulary, only one that fits a small corpus. Standard library alone.
"""
import collections
import re
import sys

with open(sys.argv[1], encoding="utf-8") as table:
    sentences = [line.rsplit("\t", 1)[0] for line in list(table)[1:]]
words = collections.Counter(word for s in sentences for word in re.findall(r"[a-z0-9]+|[^\sa-z0-9]", s.lower()))

endings = collections.Counter()
for word in words:
    if word.isalpha():
        endings.update(word[-n:] for n in (2, 3, 4, 5) if len(word) >= n + 3)

characters = [chr(c) for c in range(0x21, 0x7F) if not chr(c).isupper()]
tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
tokens += characters
tokens += ["##" + c for c in characters if c.isalnum()]
tokens += [word for word, n in sorted(words.items(), key=lambda item: (-item[1], item[0])) if n >= 2 and len(word) > 1]
tokens += ["##" + end for end, n in sorted(endings.items(), key=lambda item: (-item[1], item[0])) if n >= 8]
assert len(set(tokens)) == len(tokens)
sys.stdout.write("".join(token + "\n" for token in tokens))
