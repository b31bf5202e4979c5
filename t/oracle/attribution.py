#!/usr/bin/env python3
"""Compares bert-infer --attribution with integrated gradients computed by PyTorch's autograd, and its other method with
the head's softmax over transformers' token states.

    BUILD=build python t/oracle/attribution.py

Prints TAP. The reference is written out in float64 from the same float32 weights: word embeddings on the line from those
of [MASK] (in the place of every token of the sentence) to the sentence's own, the gradient of the class score by
autograd, numpy's Gauss-Legendre nodes. Compared are the sums of each word, absolute, in units of logits (which are of
order one), and the completeness error.
"""
import importlib.util
import json
import os
import pathlib
import random
import sys
import tempfile

sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]
spec = importlib.util.spec_from_file_location("oracle_bert", pathlib.Path(__file__).with_name("bert.py"))
bert = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bert)

import numpy as np
import safetensors.torch
import torch
from transformers import AutoTokenizer, BertForSequenceClassification

check, tool = bert.check, bert.tool
TOLERANCE = 2e-5

# Sizes of bert.CONFIGURATIONS, and steps. With two classes the score is class 1 minus class 0.
CASES = {
    "two classes": (dict(num_hidden_layers=3, hidden_size=48, num_attention_heads=4, intermediate_size=96,
                         vocab_size=200, max_position_embeddings=40), 32),
    "seven classes": (bert.CONFIGURATIONS["2x33 gelu, 3 heads, 7 classes"], 16),
    "one layer": (bert.CONFIGURATIONS["1x30 gelu, 5 heads, 5 classes"], 7),
    "relu, 4 token types": (bert.CONFIGURATIONS["3x96 relu, 8 heads, 4 token types"], 32),
    "512 positions": (bert.CONFIGURATIONS["4x128 gelu_pytorch_tanh, 512 positions"], 9),
}


def score(logits):
    """Of each row of logits, which is what the first row's predicted class decides."""
    if logits.shape[1] == 2:
        return logits[:, 1] - logits[:, 0]
    best = int(logits[-1].argmax())
    others = [j for j in range(logits.shape[1]) if j != best]
    return logits[:, best] - logits[:, others].mean(1)


def reference(model, tokenizer, row, steps):
    """The score of each token, and what the ends of the line differ by."""
    pair = (row["second"],) if "second" in row else ()
    encoded = tokenizer(row["sentence"], *pair, return_tensors="pt", return_offsets_mapping=True, truncation=True,
                        max_length=model.config.max_position_embeddings)
    ids, types, offsets = encoded["input_ids"], encoded["token_type_ids"], encoded["offset_mapping"][0].tolist()
    table = model.get_input_embeddings().weight.detach()
    moves = torch.tensor([end > begin and kind == 0 for (begin, end), kind in zip(offsets, types[0].tolist())])
    to = table[ids[0]]
    start = torch.where(moves[:, None], table[tokenizer.mask_token_id], to)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    places = torch.tensor(np.concatenate([(nodes + 1) / 2, [0.0, 1.0]]))
    line = (start + places[:, None, None] * (to - start)).requires_grad_()
    rows = len(places)
    best = model(input_ids=ids, token_type_ids=types).logits
    logits = model(inputs_embeds=line, token_type_ids=types.expand(rows, -1)).logits
    values = score(torch.cat([logits, best]))[:rows]
    gradient, = torch.autograd.grad(values[:steps].sum(), line)
    mean = (torch.tensor(weights / 2)[:, None, None] * gradient[:steps]).sum(0)
    return ((to - start) * mean).sum(1).tolist(), offsets, types[0].tolist(), float(values[-1] - values[-2])


def of_words(row, scores, offsets, types):
    words, at = [], 0
    for word in row["sentence"].split():
        begin = row["sentence"].index(word, at)
        at = begin + len(word)
        inside = [s for s, (b, e), kind in zip(scores, offsets, types) if kind == 0 and e > b and begin <= b < at]
        if inside:
            words.append((begin, at, sum(inside)))
    return words


def sentences(generator, vocabulary, longest, count=12):
    tokens = [f"word{i}" for i in range(vocabulary - 5)]
    rows = []
    for i in range(count):
        n = generator.choice([1, 2, 5, 9, longest]) if i else longest
        text = " ".join(generator.choice(tokens) + generator.choice(["", "", "?"]) for _ in range(n))
        rows.append({"sentence": text})
        if i % 3 == 2:
            rows[-1]["second"] = " ".join(generator.choice(tokens) for _ in range(4))
    return rows


def compare(folder, rows, steps, name):
    path = folder / "rows.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    output = tool("bert-infer", "-q", "-m", folder, "--pair", "second", "--attribution", "--attribution-method",
                  "gradient", "--attribution-steps", steps, path)
    if output is None:
        return
    model = BertForSequenceClassification.from_pretrained(folder, attn_implementation="eager").double().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    worst = worst_error = largest = 0.0
    places = True
    for row, line in zip(rows, output.splitlines()):
        ours = json.loads(line)["pred"]
        scores, offsets, types, total = reference(model, tokenizer, row, steps)
        words = of_words(row, scores, offsets, types)
        places &= [(w["begin"], w["end"]) for w in ours["attribution"]] == [word[:2] for word in words]
        places &= all(row["sentence"][w["begin"]:w["end"]] == w["word"] for w in ours["attribution"])
        worst = max([worst] + [abs(w["score"] - word[2]) for w, word in zip(ours["attribution"], words)])
        largest = max([largest] + [abs(word[2]) for word in words])
        worst_error = max(worst_error, abs(ours["completeness_error"] - abs(sum(scores) - total)))
    check(len(output.splitlines()) == len(rows), f"{name}: {len(rows)} rows")
    check(places, f"{name}: the words")
    check(worst < TOLERANCE < largest / 100, f"{name}: their scores, up to {largest:.2g}, at most {worst:.1e} apart")
    check(worst_error < TOLERANCE, f"{name}: the completeness errors, at most {worst_error:.1e} apart")


def compare_head(folder, rows, name):
    """A random head of four classes: none, favourable, unfavourable, modifier."""
    model = BertForSequenceClassification.from_pretrained(folder, attn_implementation="eager").double().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    weight = torch.randn(4, model.config.hidden_size) * model.config.hidden_size ** -0.5
    bias = torch.randn(4)
    safetensors.torch.save_file({"auxiliary.cues.weight": weight, "auxiliary.cues.bias": bias},
                                folder / "auxiliary.safetensors")
    rows = [row for row in rows if "second" not in row]
    path = folder / "alone.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    output = tool("bert-infer", "-q", "-m", folder, "--attribution", path)
    if output is None:
        return
    worst = largest = 0.0
    for row, line in zip(rows, output.splitlines()):
        encoded = tokenizer(row["sentence"], return_tensors="pt", return_offsets_mapping=True, truncation=True,
                            max_length=model.config.max_position_embeddings)
        offsets = encoded.pop("offset_mapping")[0].tolist()
        with torch.no_grad():
            states = model.bert(**encoded).last_hidden_state[0]
        chances = torch.softmax(states @ weight.double().T + bias.double(), dim=1)
        scores = (chances[:, 1] - chances[:, 2]).tolist()
        for word in json.loads(line)["pred"]["attribution"]:
            inside = [score for score, (begin, end) in zip(scores, offsets)
                      if end > begin and word["begin"] <= begin < word["end"]
                      and row["sentence"][begin:end] != "?"]
            worst = max(worst, abs(max(inside, key=abs) - word["score"]))
            largest = max(largest, abs(word["score"]))
    check(worst < 2e-6 < largest / 100, f"{name}: the head's scores, up to {largest:.2g}, at most {worst:.1e} apart")


def main():
    torch.set_num_threads(1)
    for seed, (name, (settings, steps)) in enumerate(CASES.items()):
        with tempfile.TemporaryDirectory() as folder:
            folder = bert.make_model(pathlib.Path(folder), seed, **settings)
            rows = sentences(random.Random(seed), settings["vocab_size"], settings["max_position_embeddings"] + 3)
            compare(folder, rows, steps, name)
            compare_head(folder, rows, name)
    print(f"1..{bert.count}")
    return 1 if bert.failed else 0


if __name__ == "__main__":
    sys.exit(main())
