#!/usr/bin/env python3
"""Compares what bert-train's options do to a run with PyTorch on the CPU.

    BUILD=build python t/oracle/trainer.py [--only TEXT]

Prints TAP. Each case is a run of 30 steps of AdamW with warm-up, decay and clipping, from the same float32 weights,
against the same run written out with torch in float64: torch.nn.CrossEntropyLoss(weight=..., label_smoothing=...), the
mean taken over all rows of a step, parameter groups with rates of their own, frozen parts without requires_grad. The
loss and the gradients' norm of each step and the final parameters must be within 1e-4 relative, frozen ones equal.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import re
import sys
import tempfile

sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]
spec = importlib.util.spec_from_file_location("oracle_bert", pathlib.Path(__file__).with_name("bert.py"))
bert = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bert)

import safetensors.numpy
import torch
import transformers
from transformers import BertConfig

check, tool = bert.check, bert.tool
STEPS, WARMUP, RATE, DECAY = 30, 4, 1e-3, 0.1
LAYERS = 3
SETTINGS = dict(num_hidden_layers=LAYERS, hidden_size=48, num_attention_heads=4, intermediate_size=96, vocab_size=200,
                max_position_embeddings=40, labels=3)

# The options of bert-train, and the rows of a batch and batches of a step.
CASES = {
    "class weights": (dict(class_weights="0.5,2,1.25"), 8, 1),
    "class weights, one of them 0": (dict(class_weights="1,0,3"), 8, 1),
    "balanced": (dict(class_weights="balanced"), 8, 1),
    "label smoothing": (dict(label_smoothing=0.1), 8, 1),
    "class weights and label smoothing": (dict(class_weights="0.5,2,1.25", label_smoothing=0.2), 8, 1),
    "the same, accumulated": (dict(class_weights="0.5,2,1.25", label_smoothing=0.2), 4, 6),
    "balanced, rows of one, accumulated": (dict(class_weights="balanced", label_smoothing=0.05), 1, 13),
    "layer-wise decay": (dict(layer_wise_lr_decay=0.7), 8, 1),
    "embeddings frozen": (dict(freeze="embeddings"), 8, 1),
    "layers 0 and 1 and embeddings frozen": (dict(freeze="embeddings,layers:0-1"), 8, 1),
    "one layer and the pooler frozen": (dict(freeze="layers:1,pooler"), 8, 1),
    "only the classifier": (dict(freeze="encoder,pooler"), 8, 1),
    "all at once": (dict(class_weights="2,1,0.5", label_smoothing=0.1, layer_wise_lr_decay=0.8, freeze="layers:0"), 4, 3),
}


def depth_of(name):
    """0: embeddings, 1..L: layers, L + 1: above them."""
    layer = re.search(r"encoder\.layer\.(\d+)\.", name)
    return int(layer[1]) + 1 if layer else 0 if "embeddings" in name else LAYERS + 1


def is_frozen(name, freeze):
    for part in (freeze or "").split(","):
        first_last = re.fullmatch(r"layers:(\d+)(?:-(\d+))?", part)
        depth = depth_of(name)
        if (part in ("embeddings", "encoder") and depth == 0 or part in ("layers", "encoder") and 1 <= depth <= LAYERS
                or part == "pooler" and "pooler" in name
                or first_last and int(first_last[1]) <= depth - 1 <= int(first_last[2] or first_last[1])):
            return True
    return False


def weights_of(text, rows):
    if not text:
        return None
    if text != "balanced":
        return torch.tensor([float(weight) for weight in text.split(",")], dtype=torch.float64)
    labels = [label for _, _, label in rows if label >= 0]
    return torch.tensor([len(labels) / (3 * labels.count(label)) for label in range(3)], dtype=torch.float64)


def reference(folder, rows, options, window):
    model = bert.load(folder)
    decay = options.get("layer_wise_lr_decay", 1)
    groups = []
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not is_frozen(name, options.get("freeze")))
        plain = name.endswith(".bias") or "LayerNorm" in name
        if parameter.requires_grad:
            groups.append({"params": [parameter], "weight_decay": 0.0 if plain else DECAY,
                           "lr": RATE * decay ** (LAYERS + 1 - depth_of(name))})
    trained = [group["params"][0] for group in groups]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)
    schedule = transformers.get_linear_schedule_with_warmup(optimiser, WARMUP, STEPS)
    criterion = torch.nn.CrossEntropyLoss(weight=weights_of(options.get("class_weights"), rows), ignore_index=-1,
                                          label_smoothing=options.get("label_smoothing", 0.0))
    batches = [rows[begin:begin + window] for begin in range(0, len(rows), window)]
    records = []
    for step in range(STEPS):
        batch = batches[step % len(batches)]
        loss = criterion(bert.forward(model, batch), torch.tensor([label for _, _, label in batch]))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
        records.append({"loss": loss.item(), "grad_norm": norm.item()})
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    return records, {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}


def run(work, folder, rows, stream, name, options, batch_size, accumulation):
    arguments = [argument for key, value in options.items() for argument in (f"--{key.replace('_', '-')}", value)]
    out, metrics = work / "out", work / "metrics"
    if tool("bert-train", "-m", folder, "-o", out, "-f", "--batch-size", batch_size, "--gradient-accumulation-steps",
            accumulation, "--learning-rate", RATE, "--weight-decay", DECAY, "--dropout", 0, "--no-shuffle",
            "--max-grad-norm", 1, "--warmup-steps", WARMUP, "--max-steps", STEPS, "--log-steps", 1, "--metrics", metrics,
            *arguments, stream) is None:
        return
    expected, parameters = reference(folder, rows, options, batch_size * accumulation)
    steps = [json.loads(line) for line in open(metrics)]
    steps = [record for record in steps if record["event"] == "step"]
    for field in "loss", "grad_norm":
        errors = [abs(a[field] - b[field]) / abs(b[field]) for a, b in zip(steps, expected)]
        check(len(steps) == STEPS and max(errors) <= 1e-4, f"{name}: {field} off by {max(errors):.1e} at most",
              f"{steps[:1]}\n{expected[:1]}")
    got, start = safetensors.numpy.load_file(out / "model.safetensors"), safetensors.numpy.load_file(
        folder / "model.safetensors")
    errors = {key: float(abs(got[key] - value).max() / abs(value).max()) for key, value in parameters.items()
              if not bert.is_key_bias(key)}
    worst = max(errors, key=errors.get)
    check(errors[worst] <= 1e-4, f"{name}: final parameters off by {errors[worst]:.1e} at most, in {worst}")
    frozen = [key for key in got if is_frozen(key, options.get("freeze"))]
    if frozen:
        check(all((got[key] == start[key]).all() for key in frozen), f"{name}: {len(frozen)} tensors are as they were")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        folder = bert.make_model(work / "start", 5, **SETTINGS)
        rows = bert.make_rows(BertConfig.from_pretrained(folder), 9, 60, unlabelled=(7, 20, 33))
        stream = bert.write_stream(work / "rows", folder, rows)
        for name, (options, batch_size, accumulation) in CASES.items():
            if arguments.only in name:
                run(work, folder, rows, stream, name, options, batch_size, accumulation)
    print(f"1..{bert.count}")
    return bert.failed > 0


if __name__ == "__main__":
    sys.exit(main())
