"""What is measured on: rows with the lengths of SST-2, texts to tokenise, models with random weights.

Everything lies in $BUILD/bench/data and is made once. Without REAL_DATA the rows are those of testdata/mini, whose
lengths are other ones: the table says so. Standard library only.

Samples. A peer that pads is slow or fast by the lengths that share a batch, and a run of 300 rows is not the data set.
So each sample is systematic: `mixed` takes rows at even distances from the list sorted by length and mixes them, `sorted`
takes whole batches at even distances from the same list and mixes the batches; of all possible first rows or batches the
one is chosen whose mean length is nearest to the data set's. Both samples have that mean to about a percent.
"""
import array
import json
import lzma
import os
import pathlib
import random
import struct
import subprocess

BUILD = pathlib.Path(os.environ["BUILD"])
REAL_DATA = pathlib.Path(os.environ["REAL_DATA"])
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TESTDATA = ROOT / "testdata"
DATA = BUILD / "bench" / "data"

VOCABULARY = 30522
SIZES = {  # layers, hidden, heads
    "tiny": (2, 128, 2),
    "MiniLM": (6, 384, 12),
    "base": (12, 768, 12),
}


def complete(path, write):
    """Calls write(temporary) unless the file or folder is there, then renames."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        write(temporary)
        temporary.rename(path)
    return path


# ---- the vocabulary and the models ----

def vocabulary():
    """BERT's own where it is there, else the test data's, filled up with unused tokens to the same size."""
    real = REAL_DATA / "bert-base-uncased-vocab.txt"

    def write(path):
        if real.exists():
            text = real.read_text(encoding="utf-8")
        else:
            lines = (TESTDATA / "tokenizer" / "vocab.txt").read_text(encoding="utf-8").splitlines()
            lines += [f"[unused{i}]" for i in range(100000, 100000 + VOCABULARY - len(lines))]
            text = "".join(line + "\n" for line in lines)
        path.write_text(text, encoding="utf-8")
    return complete(DATA / "vocab.txt", write)


def config(size):
    layers, hidden, heads = SIZES[size]
    return {"architectures": ["BertForSequenceClassification"], "model_type": "bert", "vocab_size": VOCABULARY,
            "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
            "intermediate_size": 4 * hidden, "hidden_act": "gelu", "max_position_embeddings": 512,
            "type_vocab_size": 2, "pad_token_id": 0, "position_embedding_type": "absolute", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
            "initializer_range": 0.02, "layer_norm_eps": 1e-12, "id2label": {"0": "negative", "1": "positive"},
            "label2id": {"negative": 0, "positive": 1}, "problem_type": "single_label_classification"}


def tensors(size):
    """Names and shapes as Hugging Face has them."""
    layers, hidden, _ = SIZES[size]

    def linear(name, out, inner):
        return [(name + ".weight", (out, inner)), (name + ".bias", (out,))]

    def norm(name):
        return [(name + ".weight", (hidden,)), (name + ".bias", (hidden,))]

    result = [("bert.embeddings.word_embeddings.weight", (VOCABULARY, hidden)),
              ("bert.embeddings.position_embeddings.weight", (512, hidden)),
              ("bert.embeddings.token_type_embeddings.weight", (2, hidden))] + norm("bert.embeddings.LayerNorm")
    for i in range(layers):
        at = f"bert.encoder.layer.{i}."
        for name in "query", "key", "value":
            result += linear(at + "attention.self." + name, hidden, hidden)
        result += linear(at + "attention.output.dense", hidden, hidden) + norm(at + "attention.output.LayerNorm")
        result += linear(at + "intermediate.dense", 4 * hidden, hidden)
        result += linear(at + "output.dense", hidden, 4 * hidden) + norm(at + "output.LayerNorm")
    return result + linear("bert.pooler.dense", hidden, hidden) + linear("classifier", 2, hidden)


def write_weights(path, size):
    """Normal numbers of deviation 0.04 (twice the usual, so that logits differ between sentences), from a pool that is
    used again and again at shifted places: a hundred million draws would take minutes here."""
    generator = random.Random(42)
    pool = array.array("f", (generator.gauss(0, 0.04) for _ in range(262147))).tobytes()
    header, offset, entries = {}, 0, tensors(size)
    for name, shape in entries:
        count = 4
        for n in shape:
            count *= n
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + count]}
        offset += count
    header["__metadata__"] = {"format": "pt"}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for number, (name, _) in enumerate(entries):
            begin, end = header[name]["data_offsets"]
            count = end - begin
            if "LayerNorm.weight" in name:
                file.write(struct.pack("<f", 1.0) * (count // 4))
            elif name.endswith("bias"):
                file.write(bytes(count))
            else:
                shift = 4 * (number * 104729 % 262147)
                file.write(pool[shift:][:count])
                left = count - min(count, len(pool) - shift)
                while left > 0:
                    file.write(pool[:left])
                    left -= min(left, len(pool))


def model(size):
    def write(folder):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config(size), indent=1))
        (folder / "vocab.txt").write_bytes(vocabulary().read_bytes())
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}))
        write_weights(folder / "model.safetensors", size)
    return complete(DATA / ("model-" + size), write)


# ---- rows ----

def real():
    return (REAL_DATA / "SST-2" / "train.tsv").exists()


def table(split):
    """(text, label) of a split, train or dev."""
    path = REAL_DATA / "SST-2" / (split + ".tsv")
    if not real():
        path = TESTDATA / "mini" / {"train": "train.tsv", "dev": "validation.tsv"}[split]
    with open(path, encoding="utf-8", newline="\n") as file:
        next(file)
        rows = [line.rstrip("\n").split("\t") for line in file]
    return [(text, int(label)) for text, label in rows]


def rows(split):
    """The split with its token ids, by our own tokenizer (its ids are those of Hugging Face's): dicts with text, label,
    ids; the copy on disk is text, label and length."""
    path = DATA / (split + ".ndjson")

    def write(temporary):
        source = temporary.with_suffix(".rows")
        with open(source, "w", encoding="utf-8") as file:
            for i, (text, label) in enumerate(table(split)):
                file.write(json.dumps({"idx": i, "sentence": text, "label": label}) + "\n")
        with open(temporary, "w", encoding="utf-8") as file:
            subprocess.run([BUILD / "bin" / "wp-tokenize", "-q", "-m", vocabulary(), "--max-len", "512",
                            "--output-format", "ndjson", source], stdout=file, check=True)
        source.unlink()
    result = []
    with open(complete(path, write), encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            result.append({"idx": row["idx"], "sentence": row["sentence"], "label": row["label"],
                           "ids": row["input_ids"]})
    return result


def systematic(items, wanted, length, mean):
    """`wanted` of the items at even distances; the start whose mean length is nearest to `mean`. Where there are too few
    items, all of them, over and over."""
    if wanted >= len(items):
        return [items[i % len(items)] for i in range(wanted)]
    stride = len(items) / wanted
    best = None
    for tenth in range(40):
        chosen = [items[min(int((i + tenth / 40) * stride), len(items) - 1)] for i in range(wanted)]
        error = abs(sum(map(length, chosen)) / wanted - mean)
        if best is None or error < best[0]:
            best = (error, chosen)
    return best[1]


def sample(split, count, order, batch=32):
    """Writes `count` rows of the split in the order "mixed" or "sorted" (whole batches of one length, mixed) as NDJSON
    with ids, and the sentences alone as .txt. Returns path and facts: rows, tokens, sum of squared lengths."""
    path = DATA / f"{split}-{order}-{count}.ndjson"

    def write(temporary):
        everything = rows(split)
        by_length = sorted(everything, key=lambda row: len(row["ids"]))
        mean = sum(len(row["ids"]) for row in everything) / len(everything)
        if order == "mixed":
            chosen = systematic(by_length, count, lambda row: len(row["ids"]), mean)
            random.Random(1).shuffle(chosen)
        else:
            batches = [by_length[i:i + batch] for i in range(0, len(by_length), batch)]
            if len(batches) > 1 and len(batches[-1]) < batch and count < len(by_length):
                batches.pop()
            chosen = systematic(batches, -(-count // batch),
                                lambda rows: sum(len(row["ids"]) for row in rows) / len(rows), mean)
            random.Random(2).shuffle(chosen)
            chosen = [row for rows in chosen for row in rows][:count]
        with open(temporary, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in chosen)
        with open(path.with_suffix(".txt"), "w", encoding="utf-8") as file:
            file.writelines(row["sentence"] + "\n" for row in chosen)
    complete(path, write)
    lengths = [len(json.loads(line)["ids"]) for line in open(path, encoding="utf-8")]
    return path, {"rows": len(lengths), "tokens": sum(lengths), "squares": sum(n * n for n in lengths)}


def tokens_of(path):
    """The sample as a token stream for bert-train."""
    def write(temporary):
        source = temporary.with_suffix(".rows")
        with open(path, encoding="utf-8") as old, open(source, "w", encoding="utf-8") as new:
            for i, line in enumerate(old):
                row = json.loads(line)
                new.write(json.dumps({"idx": i, "sentence": row["sentence"], "label": row["label"]}) + "\n")
        subprocess.run([BUILD / "bin" / "wp-tokenize", "-q", "-m", vocabulary(), "--max-len", "512", "-o", temporary,
                        source], check=True)
        source.unlink()
    return complete(path.with_suffix(".tokens"), write)


def rows_of_length(count, length=25):
    """Rows of the development set with exactly so many pieces (or the nearest lengths), for latencies."""
    path = DATA / f"dev-length-{length}-{count}.ndjson"

    def write(temporary):
        chosen = sorted(rows("dev"), key=lambda row: abs(len(row["ids"]) - length))[:count]
        with open(temporary, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in chosen)
        with open(path.with_suffix(".txt"), "w", encoding="utf-8") as file:
            file.writelines(row["sentence"] + "\n" for row in chosen)
    complete(path, write)
    lengths = sorted(len(json.loads(line)["ids"]) for line in open(path, encoding="utf-8"))
    return path, {"rows": len(lengths), "pieces": lengths[len(lengths) // 2]}


# ---- texts ----

def text(name, size):
    """A file of about `size` bytes of lines: sst2, imdb or scripts (sentences of
    t/bench/scripts.txt, in fourteen languages); None where there is
    no such text here. Short sources are repeated."""
    def source():
        if name == "sst2":
            return [text for text, _ in table("train")]
        if name == "imdb":
            path = REAL_DATA / "imdb" / "train.tsv.xz"
            if not path.exists():
                return []
            with lzma.open(path, "rt", encoding="utf-8", newline="\n") as file:
                next(file)
                return [line.rstrip("\n").split("\t")[-1] for line in file]
        return (pathlib.Path(__file__).parent / "scripts.txt").read_text(encoding="utf-8").splitlines()

    def write(temporary):
        lines, written = source(), 0
        with open(temporary, "wb") as file:
            while lines and written < size:
                for line in lines:
                    data = line.encode() + b"\n"
                    written += file.write(data)
                    if written >= size:
                        break
    path = complete(DATA / f"text-{name}-{size}.txt", write)
    return path if path.stat().st_size else None
