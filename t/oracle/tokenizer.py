#!/usr/bin/env python3
"""Compares wp-tokenize with Hugging Face's fast BERT tokenizer: ids and byte offsets, each token of each row.

    BUILD=build python t/oracle/tokenizer.py [torture] [pieces] [added] [pairs] [cases] [sst2] [imdb]

Prints TAP; without arguments all parts; parts whose data under $REAL_DATA is absent are skipped. Nothing may differ.

    torture  every code point in three contexts and 20,000 odd strings (testdata/gen/torture.py), with a vocabulary that
             holds every code point as a piece, so that each normalised character shows: all settings; with the BERT
             vocabulary where it is there
    pieces   random small vocabularies over a small alphabet: greedy matching and [UNK]
    added    tokenizer.json with added tokens: special or not, normalized, single_word, lstrip, rstrip
    pairs    two texts, truncation at many lengths (longest_first)
    cases    wordpiece-cases.json: published test cases
    sst2     all sentences; imdb: all 100,000 reviews, not truncated; both uncased and cased
"""
import importlib.util
import itertools
import json
import lzma
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "true"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]

try:
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertTokenizerFast
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
REAL_DATA = pathlib.Path(os.environ.get("REAL_DATA", ROOT / ".." / "shared" / "data"))
VOCABULARY = REAL_DATA / "bert-base-uncased-vocab.txt"
WP_TOKENIZE = BUILD / "bin" / "wp-tokenize"
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHUNK = 2000

spec = importlib.util.spec_from_file_location("torture", ROOT / "testdata" / "gen" / "torture.py")
torture = importlib.util.module_from_spec(spec)
spec.loader.exec_module(torture)

tests = failed = 0


def report(name, rows, tokens, differences, seconds):
    global tests, failed
    tests += 1
    print(f"{'ok' if not differences else 'not ok'} {tests} - {name}: {rows} rows, {tokens} tokens, "
          f"{len(differences)} differences ({seconds:.0f} s)")
    failed += bool(differences)
    for text, got, want in differences[:3]:
        print(f"#   text {text[:200]!r}\n#   got  {got[:40]}\n#   want {want[:40]}")
    sys.stdout.flush()


def skip(name, reason):
    global tests
    tests += 1
    print(f"ok {tests} - {name} # SKIP {reason}")


def byte_places(text):
    """The byte at which each character begins, and the length."""
    return list(itertools.accumulate((len(c.encode()) for c in text), initial=0))


def expected(text, encoding, second=None):
    """ids and byte offsets of a reference encoding; offsets of a pair's second text count in that text."""
    if text.isascii() and (second is None or second.isascii()):
        return encoding.ids, [list(o) for o in encoding.offsets]
    places = [byte_places(text), byte_places(second or "")]
    return encoding.ids, [[places[q or 0][b], places[q or 0][e]]
                          for (b, e), q in zip(encoding.offsets, encoding.sequence_ids)]


def folder(directory, tokens, **config):
    path = pathlib.Path(directory) / "model"
    path.mkdir(exist_ok=True)
    (path / "vocab.txt").write_text("".join(t + "\n" for t in tokens), encoding="utf-8", newline="")
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path


def ours(model, rows, *options):
    """Yields (input_ids, offsets) for each row; rows are written to the tool as they are asked for."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as source:
        for row in rows:
            source.write(json.dumps(row if isinstance(row, dict) else {"sentence": row}) + "\n")
        source.seek(0)
        command = [WP_TOKENIZE, "-q", "-m", model, "--input-format", "ndjson", "--output-format", "ndjson", "--offsets",
                   *options]
        process = subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE, encoding="utf-8")
        for line in process.stdout:
            row = json.loads(line)
            yield row["input_ids"], row["offsets"]
        if process.wait() != 0:
            sys.exit(f"wp-tokenize exited with {process.returncode}")


def compare(name, model, reference, texts):
    """reference: a tokenizers.Tokenizer that adds [CLS] and [SEP]."""
    started, rows, tokens, differences = time.time(), 0, 0, []
    texts, copy = itertools.tee(texts)
    mine = ours(model, copy, "--max-len", "100000000")
    while chunk := list(itertools.islice(texts, CHUNK)):
        for text, encoding in zip(chunk, reference.encode_batch(chunk)):
            got, want = next(mine), expected(text, encoding)
            rows += 1
            tokens += len(want[0])
            if got[0] != want[0] or got[1] != want[1]:
                differences.append((text, list(zip(*got)), list(zip(*want))))
    assert next(mine, None) is None
    report(name, rows, tokens, differences, time.time() - started)


def bert_reference(vocabulary):
    """What BertTokenizerFast builds, from a dict; its normalizer can be changed afterwards."""
    t = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.add_special_tokens(SPECIALS)
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])])
    return t


def fast_tokenizer(path):
    t = BertTokenizerFast.from_pretrained(path).backend_tokenizer
    t.no_truncation()
    t.no_padding()
    return t


def torture_texts(strings):
    return itertools.chain(torture.code_point_rows(), torture.long_rows(), torture.string_rows(strings, 1))


SETTINGS = [dict(do_lower_case=lower, strip_accents=strip, tokenize_chinese_chars=cjk)
            for lower in (True, False) for strip in (None, not lower) for cjk in (True, False)]  # None means: as lower


def setting_name(s):
    strip = {None: "default", True: "on", False: "off"}[s["strip_accents"]]
    return f"{'uncased' if s['do_lower_case'] else 'cased'}, strip_accents {strip}, " \
           f"CJK spacing {'on' if s['tokenize_chinese_chars'] else 'off'}"


def part_torture(directory):
    letters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and chr(c) not in "\0\n\r"]
    tokens = SPECIALS + letters + ["##" + c for c in letters if c != "#"]
    reference = bert_reference({t: i for i, t in enumerate(tokens)})
    for s in SETTINGS:
        reference.normalizer = normalizers.BertNormalizer(
            clean_text=True, handle_chinese_chars=s["tokenize_chinese_chars"], strip_accents=s["strip_accents"],
            lowercase=s["do_lower_case"])
        compare(f"torture, every code point a piece, {setting_name(s)}", folder(directory, tokens, **s), reference,
                torture_texts(20000))
    if not VOCABULARY.exists():
        skip("torture, BERT vocabulary", f"no {VOCABULARY}")
        return
    bert = VOCABULARY.read_text(encoding="utf-8").split("\n")[:-1]
    for s in SETTINGS[0], SETTINGS[4]:  # uncased and cased
        path = folder(directory, bert, **s)
        compare(f"torture, BERT vocabulary, {setting_name(s)}", path, fast_tokenizer(path), torture_texts(20000))


def part_pieces(directory):
    rng = random.Random(7)
    for round_ in range(12):
        alphabet = ["ab", "abc", "abcd\u00e9\u4e2d", "xyz\u0439"][round_ % 4]
        pieces = {"".join(rng.choices(alphabet, k=rng.randint(1, 6))) for _ in range(rng.choice([5, 20, 60]))}
        suffixes = {"##" + "".join(rng.choices(alphabet, k=rng.randint(1, 6))) for _ in range(rng.choice([5, 20, 60]))}
        tokens = SPECIALS + sorted(pieces) + sorted(suffixes) + ["##", "#"]
        rng.shuffle(tokens)
        path = folder(directory, tokens, do_lower_case=False, strip_accents=False, tokenize_chinese_chars=False)
        texts = [" ".join("".join(rng.choices(alphabet, k=rng.randint(1, 14))) for _ in range(20)) for _ in range(300)]
        compare(f"random pieces {round_ + 1}", path, fast_tokenizer(path), texts)


def random_added(rng):
    content = rng.choice(["foo", "Foo", "foo bar", "<x>", "<x", "x>", "[new]", "\u00e9t\u00e9", "\u4e2d\u6587", "FO",
                          "oo", "##a", "a", "  z", "\u0130"])
    special = rng.random() < 0.5
    return AddedToken(content, special=special, single_word=rng.random() < 0.4, lstrip=rng.random() < 0.4,
                      rstrip=rng.random() < 0.4, normalized=rng.random() < (0.3 if special else 0.6))


def part_added(directory):
    rng = random.Random(11)
    letters = "abcdefghijklmnopqrstuvwxyz\u4e2d\u6587\u00e9#<>[]"
    tokens = SPECIALS + list(letters) + ["##" + c for c in letters if c not in "#<>[]"]
    parts = ["foo", "Foo", "FOO", " ", "  ", "\t", "bar", "<x>", "<x", ">", "[new]", "[SEP]", "\u00c9t\u00e9",
             "\u4e2d\u6587", "\u0130", "_", "-", "z", "\u200d", "e\u0301te\u0301", "x", "a", "\u00a0"]
    for round_ in range(40):
        reference = bert_reference({t: i for i, t in enumerate(tokens)})
        reference.normalizer = normalizers.BertNormalizer(
            clean_text=rng.random() < 0.8, handle_chinese_chars=rng.random() < 0.5,
            strip_accents=rng.choice([None, True, False]), lowercase=rng.random() < 0.5)
        added = [random_added(rng) for _ in range(rng.randint(1, 4))]
        reference.add_tokens([a for a in added if not a.special])
        reference.add_special_tokens([a for a in added if a.special])
        path = pathlib.Path(directory) / f"added{round_}"
        path.mkdir()
        reference.save(str(path / "tokenizer.json"))
        texts = ["".join(rng.choices(parts, k=rng.randint(0, 12))) for _ in range(500)]
        compare(f"added tokens {round_ + 1}: {[a.content for a in added]}", path,
                Tokenizer.from_file(str(path / "tokenizer.json")), texts)


def part_pairs(directory):
    started, rows, tokens, differences = time.time(), 0, 0, []
    rng = random.Random(3)
    letters = list("abcdefghij\u00e9")
    path = folder(directory, SPECIALS + letters + ["##" + c for c in letters], do_lower_case=False, strip_accents=False)
    reference = fast_tokenizer(path)
    for length in (3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 40, 1000):
        pairs = [tuple(" ".join(rng.choices(letters, k=rng.choice([0, 1, 2, 3, 5, 8, 13, 14]))) for _ in "ab")
                 for _ in range(300)]
        reference.enable_truncation(length, strategy="longest_first")
        wants = [expected(a, e, b) for (a, b), e in zip(pairs, reference.encode_batch(pairs))]
        mine = ours(path, [{"sentence": a, "other": {"text": b}} for a, b in pairs], "--pair", "other.text",
                    "--max-len", str(length))
        singles = [expected(a, reference.encode(a)) for a, _ in pairs]
        mine_singles = ours(path, [a for a, _ in pairs], "--max-len", str(length))
        for text, want, got in itertools.chain(zip(pairs, wants, mine), zip(pairs, singles, mine_singles)):
            rows += 1
            tokens += len(want[0])
            if got[0] != want[0] or got[1] != want[1]:
                differences.append((f"max-len {length}: {text}", list(zip(*got)), list(zip(*want))))
    report("pairs and truncation", rows, tokens, differences, time.time() - started)


class Cases:
    """Published cases: each is compared with the reference, and with what was published."""

    def __init__(self, directory):
        self.directory, self.rows, self.tokens, self.differences = pathlib.Path(directory), 0, 0, []
        letters = [chr(c) for c in range(0x21, 0x3000) if chr(c) not in "\u2028\u2029\u0085"]
        letters += [chr(c) for c in range(0x4E00, 0x9FFF)]
        self.every = SPECIALS + letters + ["##" + c for c in letters if c != "#"]

    def run(self, texts, vocabulary=None, lower=True, strip=None, cjk=True, clean=True):
        """ids, tokens and offsets (in characters) of one or two texts."""
        texts = [texts] if isinstance(texts, str) else texts
        vocabulary = list(dict.fromkeys(vocabulary or self.every))
        vocabulary += [t for t in SPECIALS if t not in vocabulary]
        reference = bert_reference({t: i for i, t in enumerate(vocabulary)})
        reference.normalizer = normalizers.BertNormalizer(clean_text=clean, handle_chinese_chars=cjk,
                                                          strip_accents=strip, lowercase=lower)
        path = self.directory / f"case{self.rows}"
        path.mkdir()
        reference.save(str(path / "tokenizer.json"))
        encoding = reference.encode(*texts)
        row = {"sentence": texts[0], **({"second": texts[1]} if len(texts) > 1 else {})}
        ids, offsets = next(ours(path, [row], *(["--pair", "second"] if len(texts) > 1 else [])))
        self.rows += 1
        self.tokens += len(ids)
        if (ids, offsets) != expected(texts[0], encoding, *texts[1:]):
            self.differences.append((texts, list(zip(ids, offsets)), list(zip(encoding.ids, encoding.offsets))))
        return ids, [vocabulary[i] for i in ids], [list(o) for o in encoding.offsets]

    def published(self, text, got, want):
        if got != want:
            self.differences.append((text, got, want))


def words_of(tokens):
    return " ".join(tokens[1:-1]).replace(" ##", "").split()


def part_cases(directory):
    source = REAL_DATA / "wordpiece-cases.json"
    if not source.exists():
        skip("published cases", f"no {source}")
        return
    started, c, bert = time.time(), Cases(directory), None
    if VOCABULARY.exists():
        bert = VOCABULARY.read_text(encoding="utf-8").split("\n")[:-1]
    groups = json.loads(source.read_text(encoding="utf-8"))
    for name in ("google_bert_tokenization_test", "transformers_test_tokenization_bert"):
        group = groups[name]
        for case in group["full"]:
            ids, tokens, _ = c.run(case["in"], case["vocab"])
            c.published(case["in"], (tokens[1:-1], ids[1:-1]), (case["tokens"], case["ids"]))
        for case in group["basic"]:
            _, tokens, _ = c.run(case["in"], lower=case.get("lower", False), strip=case.get("strip_accents"),
                                 clean=case.get("remove_control_chars", True))
            c.published(case["in"], words_of(tokens), case["out"])
        for case in group.get("wordpiece", []):
            c.published(case["in"], c.run(case["in"], case["vocab"], lower=False)[1][1:-1], case["out"])
        for case in group.get("clean_text", []):
            c.published(case["in"], c.run(case["in"], SPECIALS + ["want", "##ed"])[1][1:-1], case["out"])
        for kind in ("offsets_uncased", "offsets_cased"):
            for case in [group[kind]] if isinstance(group.get(kind), dict) else group.get(kind, []):
                tokens = [t for _, t in case["out"]]
                _, got, offsets = c.run(case["in"], SPECIALS + tokens, lower=kind.endswith("uncased"))
                c.published(case["in"], (got, offsets), (tokens, [o for o, _ in case["out"]]))
        for case in group.get("chinese_flag", []):
            _, got, _ = c.run(case["in"], SPECIALS + case["out"], cjk=case["tokenize_chinese_chars"])
            c.published(case["in"], got[1:-1], case["out"])
    for case in groups["tokenizers_bert_uncased"] if bert else []:
        if case.get("add_special_tokens", True):
            ids, tokens, offsets = c.run(case["in"], bert)
            c.published(case["in"], tokens, case["tokens"])
            c.published(case["in"], ids, case.get("ids", ids))
            c.published(case["in"], offsets, case.get("offsets", offsets))
    for case in groups["tokenizers_normalizer"]:
        _, tokens, _ = c.run(case["in"], lower=case["lowercase"], strip=case["strip_accents"], cjk=case["chinese"],
                             clean=case["clean"])
        c.published(case["in"], words_of(tokens), case["out"].split())
    for case in groups["tokenizers_pretokenizer"]:
        c.published(case["in"], words_of(c.run(case["in"], lower=False)[1]), [word for word, _ in case["out"]])
    report("published cases", c.rows, c.tokens, c.differences, time.time() - started)


def real_parts(directory, name, texts):
    """texts: a function that gives them anew."""
    if not VOCABULARY.exists():
        skip(name, f"no {VOCABULARY}")
        return
    bert = VOCABULARY.read_text(encoding="utf-8").split("\n")[:-1]
    for lower in (True, False):
        path = folder(directory, bert, do_lower_case=lower)
        compare(f"{name}, {'uncased' if lower else 'cased'}", path, fast_tokenizer(path), texts())


def part_sst2(directory):
    files = {"train.tsv": 0, "dev.tsv": 0, "test.tsv": 1}
    if not all((REAL_DATA / "SST-2" / f).exists() for f in files):
        skip("SST-2", f"no {REAL_DATA / 'SST-2'}")
        return

    def texts():
        for file, column in files.items():
            with open(REAL_DATA / "SST-2" / file, encoding="utf-8", newline="\n") as lines:
                next(lines)
                for line in lines:
                    yield line.rstrip("\n").split("\t")[column]

    real_parts(directory, "SST-2", texts)


def part_imdb(directory):
    for name in ("train", "test", "unsup"):
        file = REAL_DATA / "imdb" / f"{name}.tsv.xz"
        if not file.exists():
            skip(f"IMDb {name}", f"no {file}")
            continue

        def texts(file=file):
            with lzma.open(file, "rt", encoding="utf-8", newline="\n") as lines:
                header = next(lines).rstrip("\n").split("\t")
                for line in lines:
                    yield line.rstrip("\n").split("\t")[header.index("text")]

        real_parts(directory, f"IMDb {name}", texts)


PARTS = {"torture": part_torture, "pieces": part_pieces, "added": part_added, "pairs": part_pairs, "cases": part_cases,
         "sst2": part_sst2, "imdb": part_imdb}


def main():
    for name in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory() as directory:
            PARTS[name](directory)
    print(f"1..{tests}")
    sys.exit(failed > 0)


main()
