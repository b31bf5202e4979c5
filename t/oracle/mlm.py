#!/usr/bin/env python3
"""Compares bert-train --objective mlm with transformers and PyTorch on the CPU.

    BUILD=build python t/oracle/mlm.py [--only TEXT] [masks] [words] [gradients] [trajectory] [folder]

Prints TAP; without arguments all parts. Reference and tolerances are those of bert.py: float64 from the same float32
weights, float32 PyTorch's own distance beside. What is random, the masks, is ours: the helper mlm-masks gives them.

    masks       how many tokens are masked and how they are shown, against DataCollatorForLanguageModeling on the same
                rows: shares within five standard deviations of 0.15 and 80/10/10; special tokens never
    words       --whole-word-masking: which tokens are always masked together is what BertTokenizer's word_ids() groups
    gradients   loss within 1e-6 and gradients within 1e-5 relative, of BertForMaskedLM with the same ids and labels
    trajectory  20 steps of AdamW: loss and gradient norm within 1e-4 at each step, final parameters within 1e-4
    folder      AutoModelForMaskedLM loads what was written without a warning or a key too few or too many; its loss on
                the validation rows is the one in the record; a classifier trained on from there loads as well
"""
import argparse
import importlib.util
import json
import os
import pathlib
import sys
import tempfile

sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]
spec = importlib.util.spec_from_file_location("oracle_bert", pathlib.Path(__file__).with_name("bert.py"))
bert = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bert)

import numpy as np
import safetensors.numpy
import torch
import transformers
from transformers import (AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer, BertConfig,
                          BertForMaskedLM, DataCollatorForLanguageModeling)

check, tool = bert.check, bert.tool

CONFIGURATIONS = {
    "2x128 gelu, 8192 tokens": dict(num_hidden_layers=2, hidden_size=128, num_attention_heads=2, intermediate_size=512,
                                    vocab_size=8192, max_position_embeddings=128),
    "3x48 gelu_new, 4 token types": dict(num_hidden_layers=3, hidden_size=48, num_attention_heads=3,
                                         intermediate_size=100, vocab_size=211, max_position_embeddings=64,
                                         hidden_act="gelu_new", type_vocab_size=4),
    "1x30 relu, 5 heads, eps 1e-5": dict(num_hidden_layers=1, hidden_size=30, num_attention_heads=5,
                                         intermediate_size=33, vocab_size=1009, max_position_embeddings=40,
                                         hidden_act="relu", layer_norm_eps=1e-5),
}


def make_model(folder, seed, **settings):
    """A random BertForMaskedLM, with weights as bert.py's classifiers have them."""
    config = BertConfig(id2label={0: "negative", 1: "positive"}, label2id={"negative": 0, "positive": 1}, **settings)
    torch.manual_seed(seed)
    model = BertForMaskedLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape)
            if name.endswith("LayerNorm.weight"):
                parameter.add_(0.1 * noise)
            elif name.endswith(".bias"):
                parameter.add_(0.05 * noise)
            elif "embeddings" in name:
                parameter.copy_(0.1 * noise)
            else:
                parameter.copy_(noise * 0.7 * parameter.shape[1] ** -0.5)
    model.save_pretrained(folder)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"word{i}" for i in range(config.vocab_size - 5)]
    bert.write_tokenizer(folder, tokens, config.max_position_embeddings)
    return folder


def make_rows(config, seed, n):
    rows = bert.make_rows(config, seed, n, unlabelled=range(n))
    for ids, _, _ in rows:
        ids[0] = 2
        ids[-1] = 3
    return rows


def masks(work, folder, stream, n, probability=0.15, whole=0, seed=42, *more):
    """[(ids as the model sees them, labels)] a row."""
    out = work / "masks.safetensors"
    if tool("mlm-masks", folder, stream, out, n, probability, whole, seed, *more) is None:
        return None
    tensors = safetensors.numpy.load_file(out)
    offsets = tensors["offsets"]
    return [(tensors["ids"][a:b], tensors["labels"][a:b]) for a, b in zip(offsets, offsets[1:])]


# ---- what is masked ----


def shares(original, shown, labels, special, mask):
    """Counts: tokens that may be masked, masked ones, shown as [MASK], shown as another token; special ones masked."""
    chosen = labels != -100
    ordinary = ~np.isin(original, special)
    return np.array([ordinary.sum(), chosen.sum(), (chosen & (shown == mask)).sum(),
                     (chosen & (shown != mask) & (shown != original)).sum(), (chosen & ~ordinary).sum(),
                     (~chosen & (shown != original)).sum(), (chosen & (labels != original)).sum()])


def check_share(name, part, whole, expected):
    deviation = (expected * (1 - expected) / whole) ** 0.5
    check(abs(part / whole - expected) < 5 * deviation, f"{name}: {part / whole:.4f} (expected {expected:.4f}, standard "
                                                        f"deviation {deviation:.4f})")


def check_masks(work):
    folder = make_model(work / "model", 1, **CONFIGURATIONS["2x128 gelu, 8192 tokens"])
    config = BertConfig.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = make_rows(config, 1, 400)
    stream = bert.write_stream(work / "rows", folder, rows)
    ours = masks(work, folder, stream, 2000)
    if ours is None:
        return
    special, ids = tokenizer.all_special_ids, [row for row, _, _ in rows]
    counts = sum(shares(ids[i % 400], shown, labels, special, 4) for i, (shown, labels) in enumerate(ours))
    torch.manual_seed(0)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    theirs = np.zeros(7)
    for _ in range(5):
        for row in ids:
            batch = collator([{"input_ids": row.tolist()}])
            theirs += shares(row, batch["input_ids"][0].numpy(), batch["labels"][0].numpy(), special, 4)
    print(f"# transformers': {theirs.astype(int).tolist()}, ours: {counts.tolist()}")
    check(counts[0] == theirs[0], f"masks: {counts[0]} tokens that may be masked, as many as transformers takes")
    other = 0.1 * (1 - 1 / config.vocab_size)
    for name, of in ("ours", counts), ("transformers", theirs):
        check_share(f"masks, {name}: masked", of[1], of[0], 0.15)
        check_share(f"masks, {name}: shown as [MASK]", of[2], of[1], 0.8 + 0.1 / config.vocab_size)
        check_share(f"masks, {name}: shown as another token", of[3], of[1], other)
        check(not of[4:].any(), f"masks, {name}: no special token, labels are the tokens, all else is shown", str(of))
    random = np.concatenate([shown[(labels != -100) & (shown != 4) & (shown != ids[i % 400])]
                             for i, (shown, labels) in enumerate(ours)])
    histogram = np.histogram(random, bins=16, range=(0, config.vocab_size))[0]
    expected = len(random) / 16
    statistic = ((histogram - expected) ** 2 / expected).sum()
    check(statistic < 44.3, f"masks: random tokens are spread evenly (chi-squared {statistic:.1f} of 15 degrees)")
    same = masks(work, folder, stream, 2000)
    check(all((a[0] == b[0]).all() for a, b in zip(ours, same)), "masks: the same again")
    other = masks(work, folder, stream, 2000, 0.15, 0, 43)
    check(any((a[0] != b[0]).any() for a, b in zip(ours, other)), "masks: others from another seed")
    check(any((a[0] != b[0]).any() for a, b in zip(ours[:400], ours[400:])), "masks: others in the next epoch")


def check_words(work):
    """Tokens beside each other belong to one word if and only if they are masked together in each of 200 draws."""
    folder = work / "tokenizer"
    folder.mkdir()
    (folder / "vocab.txt").write_bytes((bert.TESTDATA / "tokenizer" / "vocab.txt").read_bytes())
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "id2label": {"0": "a", "1": "b"},
                                                    "max_position_embeddings": 512}))
    settings = {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lines = (bert.TESTDATA / "tokenizer" / "sentences.ndjson").read_text().splitlines()
    encoded = [tokenizer(json.loads(line)["sentence"], truncation=True, max_length=64) for line in lines]
    encoded = [row for row in encoded if len(row["input_ids"]) > 6][:50]
    rows = [(np.array(row["input_ids"]), np.zeros(len(row["input_ids"]), int), -1) for row in encoded]
    stream = bert.write_stream(work / "rows", folder, rows)
    draws, special, pieces = 200, set(tokenizer.all_special_ids), 0
    got = masks(work, folder, stream, draws * len(rows), 0.3, 1)
    if got is None:
        return
    wrong, masked, ordinary = [], 0, 0
    for i, row in enumerate(encoded):
        words = [None if id in special else word for id, word in zip(row["input_ids"], row.word_ids())]
        chosen = np.array([got[draw * len(rows) + i][1] != -100 for draw in range(draws)])
        for t in range(1, len(words)):
            if words[t] is None or words[t - 1] is None:
                continue
            together = (chosen[:, t] == chosen[:, t - 1]).all()
            pieces += words[t] == words[t - 1]
            if together != (words[t] == words[t - 1]):
                wrong.append((row.tokens()[t - 1], row.tokens()[t]))
        masked += chosen.sum()
        ordinary += draws * sum(word is not None for word in words)
    check(pieces > 100 and not wrong, f"words: grouped as BertTokenizer's words, {pieces} pieces that go on a word",
          wrong[:12])
    check(abs(masked / ordinary - 0.3) < 0.015, f"words: {masked / ordinary:.4f} of the tokens are masked (0.3 of words)")
    counts = sum(shares(rows[i % len(rows)][0], shown, labels, list(special), tokenizer.mask_token_id)
                 for i, (shown, labels) in enumerate(got))
    check(abs(counts[2] / counts[1] - 0.8) < 0.01, f"words: {counts[2] / counts[1]:.4f} of them shown as [MASK]")


# ---- the head ----


def load(folder, dtype=torch.float64):
    model = AutoModelForMaskedLM.from_pretrained(folder)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.to(dtype).eval()


def loss_of(model, rows, masked):
    longest = max(len(ids) for ids, _ in masked)
    ids, types, mask = (torch.zeros(len(rows), longest, dtype=torch.long) for _ in range(3))
    labels = torch.full((len(rows), longest), -100)
    for i, ((shown, wanted), (_, row_types, _)) in enumerate(zip(masked, rows)):
        ids[i, :len(shown)] = torch.from_numpy(shown.astype(np.int64))
        labels[i, :len(shown)] = torch.from_numpy(wanted.astype(np.int64))
        types[i, :len(shown)] = torch.from_numpy(np.asarray(row_types))
        mask[i, :len(shown)] = 1
    return model(input_ids=ids, token_type_ids=types, attention_mask=mask, labels=labels).loss


def check_gradients(work):
    for seed, (name, settings) in enumerate(CONFIGURATIONS.items()):
        folder = make_model(work / f"model{seed}", seed, **settings)
        rows = make_rows(BertConfig.from_pretrained(folder), 50 + seed, 24)
        stream, out = bert.write_stream(work / "rows", folder, rows), work / "gradients.safetensors"
        masked = masks(work, folder, stream, len(rows))
        if masked is None or tool("bert-gradients", folder, stream, out, "mlm") is None:
            continue
        got = safetensors.numpy.load_file(out)
        references = {}
        for dtype in (torch.float64, torch.float32):
            model = load(folder, dtype)
            loss = loss_of(model, rows, masked)
            loss.backward()
            references[dtype] = loss.item(), {key: p.grad.numpy() for key, p in model.named_parameters()}
        bert.compare_gradients(f"mlm {name}", got, *references[torch.float64], references[torch.float32][1])


STEPS, WARMUP, RATE, DECAY, BATCH = 20, 4, 1e-3, 0.1, 8


def reference_trajectory(folder, rows, masked, dtype):
    model = load(folder, dtype)
    plain = [name.endswith(".bias") or "LayerNorm" in name for name, _ in model.named_parameters()]
    groups = [{"params": [p for p, is_plain in zip(model.parameters(), plain) if is_plain == wanted],
               "weight_decay": 0.0 if wanted else DECAY} for wanted in (False, True)]
    optimiser = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    schedule = transformers.get_linear_schedule_with_warmup(optimiser, WARMUP, STEPS)
    records = []
    for step in range(STEPS):
        which = range(step * BATCH, (step + 1) * BATCH)
        loss = loss_of(model, [rows[i % len(rows)] for i in which], [masked[i] for i in which])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        records.append((loss.item(), norm.item(), schedule.get_last_lr()[0]))
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    return records, {name: p.detach().numpy().astype(np.float64) for name, p in model.named_parameters()}


def check_trajectory(work):
    for seed, (name, settings) in enumerate(CONFIGURATIONS.items()):
        folder = make_model(work / f"model{seed}", seed, **settings)
        rows = make_rows(BertConfig.from_pretrained(folder), 70 + seed, 3 * BATCH)
        stream, out, metrics = bert.write_stream(work / "rows", folder, rows), work / f"out{seed}", work / "metrics"
        masked = masks(work, folder, stream, STEPS * BATCH)
        options = ["-m", folder, "-o", out, "--learning-rate", RATE, "--weight-decay", DECAY, "--dropout", 0,
                   "--no-shuffle", "--warmup-steps", WARMUP, "--max-steps", STEPS, "--log-steps", 1, "--metrics",
                   metrics, "--objective", "mlm", "-f"]
        if masked is None or tool("bert-train", *options, "--batch-size", BATCH, stream) is None:
            continue
        steps = [json.loads(line) for line in metrics.read_text().splitlines()]
        steps = [record for record in steps if record["event"] == "step"]
        expected, parameters = reference_trajectory(folder, rows, masked, torch.float64)
        single, single_parameters = reference_trajectory(folder, rows, masked, torch.float32)
        bert.compare_steps(f"mlm {name}", steps, expected, single)
        bert.compare_parameters(f"mlm {name}", safetensors.numpy.load_file(out / "model.safetensors"), parameters,
                                single_parameters)
        if tool("bert-train", *options, "--batch-size", 2, "--gradient-accumulation-steps", BATCH // 2,
                stream) is None:
            continue
        again = [json.loads(line) for line in metrics.read_text().splitlines()]
        bert.compare_steps(f"mlm {name}, accumulated", [r for r in again if r["event"] == "step"], expected, single)


# ---- the folder ----


def check_folder(work):
    data = bert.TESTDATA / "bert"
    text = work / "text.ndjson"
    text.write_text("".join(json.dumps({"idx": i, "sentence": sentence, "label": i % 2}) + "\n"
                            for i, sentence in enumerate(bert.SENTENCES * 4)))
    vocabulary = data / "classifier" / "vocab.txt"
    starts = {"pretraining": ["-m", data / "pretraining"], "encoder": ["-m", data / "encoder"],
              "classifier": ["-m", data / "classifier"], "gamma": ["-m", data / "gamma"],
              "init": ["--init", "tiny", "--vocab", vocabulary]}
    for name, start in starts.items():
        out, stream, metrics = work / f"encoder-{name}", work / "stream", work / "metrics"
        source = vocabulary if name == "init" else data / name
        if tool("wp-tokenize", "-m", source, "-o", stream, text) is None or \
                tool("bert-train", *start, "-o", out, "--objective", "mlm", "--validation", stream, "--metrics", metrics,
                     "--max-steps", 8, "--batch-size", 4, stream) is None:
            continue
        with bert.listening() as heard:
            model, info = AutoModelForMaskedLM.from_pretrained(out, output_loading_info=True)
            fill = transformers.pipeline("fill-mask", str(out))("the movie is [MASK]")
        check(not heard, f"folder, {name}: AutoModelForMaskedLM loads it without a warning", heard)
        check(not any(info.values()), f"folder, {name}: no key missing, unexpected or of another shape", info)
        check(len(fill) == 5, f"folder, {name}: pipeline fill-mask", fill)
        check_validation(work, name, out, stream, metrics)
        check_student(work, name, out, stream)


def check_validation(work, name, out, stream, metrics):
    """The last record of an evaluation is what transformers computes with the written weights."""
    record = [json.loads(line) for line in metrics.read_text().splitlines() if '"event":"eval"' in line][-1]
    tokenizer = AutoTokenizer.from_pretrained(out)
    rows = [(np.array(ids), np.zeros(len(ids), int), -1) for ids in tokenizer(bert.SENTENCES * 4)["input_ids"]]
    masked = masks(work, out, stream, len(rows), 0.15, 0, 42, "validation")
    if masked is None:
        return
    with torch.no_grad():
        loss = loss_of(load(out), rows, masked).item()
    check(abs(record["loss"] - loss) < 1e-5 * loss, f"folder, {name}: validation loss {loss:.6f}", record)
    check(abs(record["perplexity"] - np.exp(loss)) < 1e-4 * np.exp(loss), f"folder, {name}: perplexity", record)
    check(record["tokens"] == sum((labels != -100).sum() for _, labels in masked), f"folder, {name}: tokens", record)


def check_student(work, name, encoder, stream):
    """The second stage: a classifier on the encoder; and both at once, where the head is no part of the model."""
    for objective in "label", "label=1,mlm=0.5":
        student = work / "student"
        if tool("bert-train", "-m", encoder, "-o", student, "--objective", objective, "--max-steps", 2, "-f",
                stream) is None:
            continue
        with bert.listening() as heard:
            _, info = AutoModelForSequenceClassification.from_pretrained(student, output_loading_info=True)
        check(not heard and not any(info.values()), f"folder, {name}: a classifier by {objective} loads", heard or info)
        heads = student / "auxiliary.safetensors"
        keys = sorted(safetensors.numpy.load_file(heads)) if heads.exists() else []
        check(bool(keys) == ("mlm" in objective) and all(key.startswith("cls.predictions.") for key in keys),
              f"folder, {name}: {objective} writes {len(keys)} tensors beside the model", keys)


def main():
    parts = {"masks": check_masks, "words": check_words, "gradients": check_gradients, "trajectory": check_trajectory,
             "folder": check_folder}
    parser = argparse.ArgumentParser(description="bert-train --objective mlm against transformers")
    parser.add_argument("--only", default="")
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(parts))
    options = parser.parse_args()
    if set(options.parts) - set(parts):
        parser.error(f"parts are {', '.join(parts)}")
    for name in [name for name in CONFIGURATIONS if options.only not in name]:
        del CONFIGURATIONS[name]
    transformers.utils.logging.disable_progress_bar()
    for part in options.parts or parts:
        with tempfile.TemporaryDirectory() as work:
            parts[part](pathlib.Path(work))
    print(f"1..{bert.count}")
    sys.exit(bert.failed != 0)


if __name__ == "__main__":
    main()
