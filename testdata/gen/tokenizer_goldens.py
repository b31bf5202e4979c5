#!/usr/bin/env python3
"""Writes testdata/tokenizer/: a self-made vocabulary, odd sentences, and what Hugging Face makes of them.

usage: tokenizer_goldens.py [FOLDER]      (default testdata/tokenizer; needs tokenizers and transformers)

    vocab.txt           words and word ends of testdata/mini, letters and signs of several scripts
    sentences.ndjson    the rows: {"sentence": ...}
    SETTING.ndjson      the rows as `wp-tokenize --output-format ndjson --offsets --max-len 512` has to print them
    pairs.ndjson        {"sentence": ..., "second": ...}
    pairs-LEN.ndjson    those with --pair second --max-len LEN
"""
import collections
import itertools
import json
import os
import pathlib
import re
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import torture
from transformers import BertTokenizerFast

TESTDATA = pathlib.Path(__file__).resolve().parents[1]
SETTINGS = {
    "uncased": (dict(do_lower_case=True), None),
    "cased": (dict(do_lower_case=False), None),
    "uncased-accents": (dict(do_lower_case=True, strip_accents=False), 300),
    "cased-stripped": (dict(do_lower_case=False, strip_accents=True), 300),
    "uncased-no-cjk": (dict(do_lower_case=True, tokenize_chinese_chars=False), 300),
}


def mini_sentences(name):
    with open(TESTDATA / "mini" / name, encoding="utf-8", newline="\n") as lines:
        return [line.rstrip("\n").split("\t")[0] for line in itertools.islice(lines, 1, None)]


def vocabulary():
    words = collections.Counter(w for s in mini_sentences("train.tsv") for w in re.findall(r"[a-z]+", s.lower()))
    common = [w for w, n in words.most_common() if n > 1 and len(w) > 1]
    ends = collections.Counter(w[-k:] for w in words for k in (2, 3, 4) if len(w) > k + 1)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    others = ("\u00e9\u00e0\u00fc\u00f1\u00e7\u00df\u00e6\u00f8\u0131\u0142\u03b1\u03c3\u03c9\u03a9"
              "\u0430\u0431\u0438\u0439\u0435\u0451\u05d0\u05e9\u0627\u0644\u0915\u093f\u0e01"
              "\u3042\u30ab\u30ac\u1112\u1161\u11ab\ud55c\u0300\u0301\u0307\u0308\u0327\u302e\u08d4\u1f60\u20ac\u2211")
    cjk = "\u4e2d\u6587\u65e5\u672c\u3400\U00020000\u8c48"
    signs = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u2014\u2018\u2019\u201c\u201d\u00a1\u00bf\u3001\u3002\uff01"
    tokens = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += list(signs) + list(letters + upper + others + cjk)
    tokens += common[:1200] + [w.capitalize() for w in common[:200]]
    tokens += ["na\u00efve", "naive", "caf\u00e9", "cafe", "\u043c\u0438\u0440"]
    tokens += ["##" + c for c in letters + upper + others + cjk]
    tokens += ["##" + e for e, n in ends.most_common(400)]
    return list(dict.fromkeys(tokens))


def sentences():
    rows = mini_sentences("validation.tsv")[:150]
    rows += ["", " ", "[SEP]", "a[MASK]b [CLS]", "[mask] [SEP [SEP]] [[UNK]]", "it's can't ... --"]
    rows += ["\u0000", "\ufffd", "x\ufffdy"]
    rows += [s for s in torture.long_rows() if len(s) <= 210]
    rows += [s[:40] for s in torture.string_rows(1700, 2)]
    return rows


def byte_offsets(text, encoding):
    places = list(itertools.accumulate((len(c.encode()) for c in text), initial=0))
    return [[places[b], places[e]] for b, e in encoding]


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def write(path, lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")


def tokenizer(folder, **settings):
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as config:
        json.dump(dict(settings, model_max_length=512), config)
    return BertTokenizerFast.from_pretrained(folder)


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else TESTDATA / "tokenizer")
    out.mkdir(exist_ok=True)
    write(out / "vocab.txt", vocabulary())
    rows = sentences()
    sources = [json.dumps({"sentence": s}) for s in rows]
    write(out / "sentences.ndjson", sources)
    texts = mini_sentences("validation.tsv")[:60]
    pairs = [(a, " ".join(b.split()[:k + 1])) for k, (a, b) in enumerate(zip(texts, reversed(texts)))]
    write(out / "pairs.ndjson", [json.dumps({"sentence": a, "second": b}) for a, b in pairs])
    with tempfile.TemporaryDirectory() as folder:
        write(pathlib.Path(folder) / "vocab.txt", vocabulary())
        for name, (settings, limit) in SETTINGS.items():
            t = tokenizer(folder, **settings)
            lines = []
            for text, source in list(zip(rows, sources))[-(limit or 0):]:
                e = t(text, return_offsets_mapping=True, truncation=True, max_length=512)
                offsets = byte_offsets(text, e["offset_mapping"])
                lines.append(f'{source[:-1]},"input_ids":{compact(e["input_ids"])},"offsets":{compact(offsets)}}}')
            write(out / f"{name}.ndjson", lines)
        t = tokenizer(folder, do_lower_case=True)
        for length in (12, 20, 33):
            lines = []
            for a, b in pairs:
                e = t(a, b, truncation="longest_first", max_length=length)
                source = json.dumps({"sentence": a, "second": b})
                lines.append(f'{source[:-1]},"input_ids":{compact(e["input_ids"])},'
                             f'"token_type_ids":{compact(e["token_type_ids"])}}}')
            write(out / f"pairs-{length}.ndjson", lines)


main()
