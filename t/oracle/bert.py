#!/usr/bin/env python3
"""Compares bert-train and bert-infer with transformers and PyTorch on the CPU.

    BUILD=build python t/oracle/bert.py [--only TEXT] [logits] [gradients] [trajectory] [folder] [onnx]

Prints TAP; without arguments all parts; with --only the configurations whose names hold the text. The reference is
computed in float64 from the same float32 weights, so that what is measured is this project's rounding; float32
PyTorch's own distance from it is printed beside. Tolerances:

    logits      1e-5 for each, absolute
    gradients   |g - g_ref| <= 1e-5 |g_ref| for each tensor; attention key biases, whose true gradient is zero (softmax
                does not change with a constant added to a row of scores), <= 1e-7 absolute
    trajectory  50 steps of AdamW with warm-up, decay and clipping: loss and gradient norm within 1e-4 relative at each
                step, each final tensor (but key biases) within 1e-4 by norm
    folder      transformers loads what bert-train wrote without a warning or a key too few or too many; same logits;
                pipeline("text-classification")
    onnx        the folder's ONNX export, run by ONNX Runtime, gives the same logits
"""
import argparse
import contextlib
import hashlib
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import safetensors.numpy
import torch
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
TESTDATA = pathlib.Path(os.environ.get("TESTDATA", ROOT / "testdata"))

# The 12 x 768 one is bert-base but for its vocabulary and classes: two classes of random rows are learnt as their share
# alone, and a batch that happens to have that share has a gradient that is all rounding, PyTorch's more than ours. The
# others are odd on purpose: sizes that no kernel likes, heads of one dimension, a row as long as the positions go.
CONFIGURATIONS = {
    "12x768 gelu, 5 classes": dict(num_hidden_layers=12, hidden_size=768, num_attention_heads=12,
                                   intermediate_size=3072, vocab_size=2999, max_position_embeddings=128, labels=5),
    "2x64 gelu_new, 3 classes": dict(num_hidden_layers=2, hidden_size=64, num_attention_heads=1, intermediate_size=256,
                                     vocab_size=101, max_position_embeddings=37, hidden_act="gelu_new", labels=3),
    "3x96 relu, 8 heads, 4 token types": dict(num_hidden_layers=3, hidden_size=96, num_attention_heads=8,
                                              intermediate_size=100, vocab_size=1000, max_position_embeddings=64,
                                              hidden_act="relu", type_vocab_size=4),
    "1x30 gelu, 5 heads, 5 classes": dict(num_hidden_layers=1, hidden_size=30, num_attention_heads=5,
                                          intermediate_size=33, vocab_size=77, max_position_embeddings=19, labels=5),
    "4x128 gelu_pytorch_tanh, 512 positions": dict(num_hidden_layers=4, hidden_size=128, num_attention_heads=2,
                                                   intermediate_size=512, vocab_size=523, max_position_embeddings=512,
                                                   hidden_act="gelu_pytorch_tanh"),
    "6x48 gelu_fast, 48 heads, eps 1e-5, 1 token type": dict(num_hidden_layers=6, hidden_size=48,
                                                             num_attention_heads=48, intermediate_size=192,
                                                             vocab_size=64, max_position_embeddings=48,
                                                             hidden_act="gelu_fast", layer_norm_eps=1e-5,
                                                             type_vocab_size=1),
    "2x33 gelu, 3 heads, 7 classes": dict(num_hidden_layers=2, hidden_size=33, num_attention_heads=3,
                                          intermediate_size=132, vocab_size=7919, max_position_embeddings=100,
                                          labels=7),
}

count = failed = 0


def check(good, name, note=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    if note and not good:
        for line in str(note).splitlines()[-12:]:
            print(f"# {line}", flush=True)
    return good


def tool(name, *arguments, **options):
    """Runs one of ours; a failure is a failed check and gives None."""
    path = BUILD / ("t/helper" if name in ("bert-gradients", "mlm-masks") else "bin") / name
    if not path.exists():
        check(False, f"{name} is built", path)
        return None
    run = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, **options)
    if run.returncode:
        check(False, f"{name} succeeds", f"{' '.join(map(str, arguments))}\n{run.stderr}\nexit status {run.returncode}")
        return None
    return run.stdout


# ---- models and streams ----


def labels_of(n):
    return {2: ["negative", "positive"]}.get(n) or [f"class{i}" for i in range(n)]


def make_model(folder, seed, **settings):
    """A random classifier in a Hugging Face folder; weights wide enough that logits are of order one, and biases and
    LayerNorms off their starting values, so that one left out shows."""
    names = labels_of(settings.pop("labels", 2))
    config = BertConfig(id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}, **settings)
    torch.manual_seed(seed)
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape)
            if name.endswith("LayerNorm.weight"):
                parameter.add_(0.1 * noise)
            elif name.endswith(".bias"):
                parameter.add_(0.05 * noise)
            elif "embeddings" in name:
                parameter.copy_(0.1 * noise)
            elif name.startswith("classifier") or "pooler" in name:
                parameter.copy_(noise * config.hidden_size ** -0.5)
            else:
                parameter.copy_(noise * 0.7 * parameter.shape[1] ** -0.5)
    model.save_pretrained(folder)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"word{i}" for i in range(config.vocab_size - 5)]
    write_tokenizer(folder, tokens, config.max_position_embeddings)
    return folder


def write_tokenizer(folder, tokens, max_length):
    (folder / "vocab.txt").write_text("".join(token + "\n" for token in tokens))
    settings = {"do_lower_case": True, "model_max_length": max_length, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def make_rows(config, seed, n, unlabelled=(), longest=None):
    """Ragged rows: the first has one token, the second as many as may be, which is as many as there are positions where
    `longest` is not given. Low classes are the commoner ones:
    with balanced labels the classifier bias' gradient would be a difference of nearly equal sums, all rounding."""
    generator = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        length = int(generator.integers(2, min(config.max_position_embeddings, longest or 60) + 1))
        if i < 2:
            length = [1, longest or config.max_position_embeddings][i]
        ids = generator.integers(5, config.vocab_size, length)
        types = np.arange(length) * generator.integers(1, config.type_vocab_size + 1) // length
        label = -1 if i in unlabelled else int(generator.integers(config.num_labels, size=3).min())
        rows.append((ids, types, label))
    return rows


def write_stream(path, folder, rows, rows_a_frame=7):
    """The wire format, written by the reference library; the frame size is odd, because it must not matter."""
    config = json.loads((folder / "config.json").read_text())
    vocabulary = (folder / "vocab.txt").read_bytes()
    names = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]

    def frame(tensors, **metadata):
        return safetensors.numpy.save(tensors, metadata={key: str(value) for key, value in metadata.items()})

    with open(path, "wb") as out:
        out.write(frame({}, kind="head", schema="tokens/1", vocab_sha256=hashlib.sha256(vocabulary).hexdigest(),
                        do_lower_case="true", max_len=config["max_position_embeddings"], labels=json.dumps(names),
                        producer="oracle"))
        frames = 0
        for begin in range(0, len(rows), rows_a_frame):
            part = rows[begin:begin + rows_a_frame]
            tensors = {
                "ids": np.concatenate([ids for ids, _, _ in part]).astype(np.int32),
                "types": np.concatenate([types for _, types, _ in part]).astype(np.uint8),
                "offsets": np.cumsum([0] + [len(ids) for ids, _, _ in part]).astype(np.int32),
                "idx": np.arange(begin, begin + len(part)).astype(np.int64),
                "label": np.array([label for _, _, label in part]).astype(np.int32)}
            out.write(frame(tensors, kind="batch", seq=frames))
            frames += 1
        out.write(frame({}, kind="end", frames=frames, rows=len(rows)))
    return path


# ---- the reference ----


def load(folder, dtype=torch.float64):
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.to(dtype).eval()


def forward(model, rows):
    """[n, classes]; the padding is masked, and what is masked weighs exactly zero."""
    longest = max(len(ids) for ids, _, _ in rows)
    ids, types, mask = (torch.zeros(len(rows), longest, dtype=torch.long) for _ in range(3))
    for i, (row_ids, row_types, _) in enumerate(rows):
        ids[i, :len(row_ids)] = torch.from_numpy(np.asarray(row_ids))
        types[i, :len(row_ids)] = torch.from_numpy(np.asarray(row_types))
        mask[i, :len(row_ids)] = 1
    return model(input_ids=ids, token_type_ids=types, attention_mask=mask).logits


def loss_of(model, rows):
    """The mean cross-entropy over the rows that have a label."""
    labels = torch.tensor([label for _, _, label in rows])
    return torch.nn.functional.cross_entropy(forward(model, rows), labels, ignore_index=-1)


def infer(folder, stream):
    text = tool("bert-infer", "-m", folder, "--logits", "--input-format", "stream", stream)
    return text and np.array([json.loads(line)["pred"]["logits"] for line in text.splitlines()])


def is_key_bias(name):
    return name.endswith("attention.self.key.bias")


# ---- the parts ----


def check_logits(work):
    for seed, (name, settings) in enumerate(CONFIGURATIONS.items()):
        folder = make_model(work / f"model{seed}", seed, **settings)
        config = BertConfig.from_pretrained(folder)
        rows = make_rows(config, seed, 24)
        got = infer(folder, write_stream(work / "rows", folder, rows))
        if got is None:
            continue
        with torch.no_grad():
            expected = forward(load(folder), rows).numpy()
            single = forward(load(folder, torch.float32), rows).numpy()
        if not check(got.shape == expected.shape, f"logits, {name}: {got.shape[0]} rows of {got.shape[-1]}",
                     expected.shape):
            continue
        error, theirs = abs(got - expected).max(), abs(single - expected).max()
        check(error <= 1e-5, f"logits, {name}: off by {error:.1e} (float32 PyTorch: {theirs:.1e}; "
                             f"largest {abs(expected).max():.2f})", f"{got[0]}\n{expected[0]}")


def check_gradients(work):
    for seed, (name, settings) in enumerate(CONFIGURATIONS.items()):
        folder = make_model(work / f"model{seed}", seed, **settings)
        config = BertConfig.from_pretrained(folder)
        rows = make_rows(config, 50 + seed, 12, unlabelled=(4, 9))
        stream, out = write_stream(work / "rows", folder, rows), work / "gradients.safetensors"
        if tool("bert-gradients", folder, stream, out) is None:
            continue
        got = safetensors.numpy.load_file(out)
        references = {}
        for dtype in (torch.float64, torch.float32):
            model = load(folder, dtype)
            loss = loss_of(model, rows)
            loss.backward()
            references[dtype] = loss.item(), {key: p.grad.numpy() for key, p in model.named_parameters()}
        compare_gradients(name, got, *references[torch.float64], references[torch.float32][1])


def compare_gradients(name, got, loss, expected, single):
    error = abs(float(got.pop("loss")[0]) - loss) / loss
    check(error <= 1e-6, f"gradients, {name}: loss {loss:.6f}, off by {error:.1e}")
    got.pop("logits", None)
    if not check(set(got) == set(expected), f"gradients, {name}: of all {len(expected)} parameters",
                 set(got) ^ set(expected)):
        return
    relative, theirs, keys = {}, {}, {}
    for key, reference in expected.items():
        difference = np.linalg.norm(got[key].astype(np.float64) - reference)
        if is_key_bias(key):
            keys[key] = abs(got[key]).max()
        else:
            norm = np.linalg.norm(reference)
            relative[key] = difference / norm
            theirs[key] = np.linalg.norm(single[key].astype(np.float64) - reference) / norm
    worst = max(relative, key=relative.get)
    check(relative[worst] <= 1e-5, f"gradients, {name}: off by {relative[worst]:.1e} at most, in {worst}"
                                   f"{beside(theirs.values())}",
          "\n".join(f"{key}: {value:.1e}" for key, value in relative.items() if value > 1e-5))
    check(max(keys.values()) <= 1e-7, f"gradients, {name}: key biases {max(keys.values()):.1e} at most")


STEPS, WARMUP, RATE, DECAY, BATCH = 50, 10, 1e-4, 0.5, 8


def reference_trajectory(folder, rows, dtype):
    """What transformers' Trainer does, written out."""
    model = load(folder, dtype)
    decayed = [p for name, p in model.named_parameters() if not name.endswith(".bias") and "LayerNorm" not in name]
    others = [p for name, p in model.named_parameters() if name.endswith(".bias") or "LayerNorm" in name]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}],
                                  lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    schedule = transformers.get_linear_schedule_with_warmup(optimiser, WARMUP, STEPS)
    batches = [rows[begin:begin + BATCH] for begin in range(0, len(rows), BATCH)]
    records = []
    for step in range(STEPS):
        loss = loss_of(model, batches[step % len(batches)])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        records.append((loss.item(), norm.item(), schedule.get_last_lr()[0]))
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    return records, {name: p.detach().numpy().astype(np.float64) for name, p in model.named_parameters()}


def train(folder, stream, out, metrics):
    return tool("bert-train", "-m", folder, "-o", out, "--batch-size", BATCH, "--learning-rate", RATE, "--weight-decay",
                DECAY, "--dropout", 0, "--no-shuffle", "--max-grad-norm", 1, "--warmup-steps", WARMUP, "--max-steps",
                STEPS, "--log-steps", 1, "--metrics", metrics, "-f", stream)


def check_trajectory(work):
    for seed, (name, settings) in enumerate(CONFIGURATIONS.items()):
        big = settings["hidden_size"] == 768  # shorter rows, and no float32 run beside: minutes are enough
        folder = make_model(work / f"start{seed}", 20 + seed, **settings)
        config = BertConfig.from_pretrained(folder)
        rows = make_rows(config, 70 + seed, 100, longest=12 if big else None)  # 13 batches, the last one of four rows
        stream = write_stream(work / "rows", folder, rows)
        if train(folder, stream, work / f"out{seed}", work / "metrics") is None:
            continue
        expected, parameters = reference_trajectory(folder, rows, torch.float64)
        single, single_parameters = (None, None) if big else reference_trajectory(folder, rows, torch.float32)
        records = [json.loads(line) for line in open(work / "metrics")]
        steps = [record for record in records if record["event"] == "step"]
        clipped = sum(norm > 1 for _, norm, _ in expected)
        if not check([record["step"] for record in steps] == list(range(1, STEPS + 1)),
                     f"trajectory, {name}: {STEPS} steps, {clipped} of them clipped, loss {expected[0][0]:.3f} to "
                     f"{expected[-1][0]:.3f}", steps[:2]):
            continue
        compare_steps(name, steps, expected, single)
        compare_parameters(name, safetensors.numpy.load_file(work / f"out{seed}" / "model.safetensors"), parameters,
                           single_parameters)


def beside(errors):
    """What float32 PyTorch itself is off by, where that was computed."""
    return "" if errors is None else f" (float32 PyTorch: {max(errors):.1e})"


def compare_steps(name, steps, expected, single):
    for at, field, tolerance in (0, "loss", 1e-4), (1, "grad_norm", 1e-4), (2, "learning_rate", 1e-6):
        errors = [abs(record[field] - reference[at]) / max(abs(reference[at]), 1e-300) if reference[at] else
                  abs(record[field]) for record, reference in zip(steps, expected)]
        theirs = single and [abs(a[at] - b[at]) / (b[at] or 1) for a, b in zip(single, expected)]
        worst = int(np.argmax(errors))
        check(errors[worst] <= tolerance, f"trajectory, {name}: {field} off by {errors[worst]:.1e} at most, at step "
                                          f"{worst + 1}{beside(theirs)}",
              f"{steps[worst]}\n{expected[worst]}")


def compare_parameters(name, got, expected, single):
    def relative(values):
        return {key: np.linalg.norm(values[key].astype(np.float64) - reference) / np.linalg.norm(reference)
                for key, reference in expected.items() if not is_key_bias(key)}
    if not check(set(got) == set(expected), f"trajectory, {name}: all parameters are written",
                 set(got) ^ set(expected)):
        return
    errors, theirs = relative(got), single and relative(single).values()
    worst = max(errors, key=errors.get)
    check(errors[worst] <= 1e-4, f"trajectory, {name}: final parameters off by {errors[worst]:.1e} at most, in {worst}"
                                 f"{beside(theirs)}",
          "\n".join(f"{key}: {value:.1e}" for key, value in errors.items() if value > 1e-4))


SENTENCES = ["the movie is very good and fun", "a dull plot with bad acting", "great heart, not slow!", "film",
             "it's an odd mind-film of 42 hearts , but GOOD"]


@contextlib.contextmanager
def listening():
    """Collects what transformers logs as warnings, and Python's own."""
    heard = []

    class Handler(logging.Handler):
        def emit(self, record):
            heard.append(record.getMessage())

    handler = Handler(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("transformers", "huggingface_hub", "safetensors")]
    for logger in loggers:
        logger.addHandler(handler)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield heard
    heard.extend(str(warning.message) for warning in caught if "deprecat" not in str(warning.message).lower())
    for logger in loggers:
        logger.removeHandler(handler)


def trained_folders(work):
    """Folders by bert-train: from a classifier, from an encoder without a head, and from a vocabulary alone."""
    data = TESTDATA / "bert"
    rows = work / "text.ndjson"
    rows.write_text("".join(json.dumps({"idx": i, "sentence": text, "label": i % 2}) + "\n"
                            for i, text in enumerate(SENTENCES)))
    vocabulary = data / "classifier" / "vocab.txt"
    starts = {"classifier": ["-m", data / "classifier"], "encoder": ["-m", data / "encoder"],
              "sharded": ["-m", data / "sharded"], "no-pooler": ["-m", data / "no-pooler"],
              "init": ["--init", "tiny", "--vocab", vocabulary]}
    for name, start in starts.items():
        out, stream = work / f"trained-{name}", work / "stream"
        source = vocabulary if name == "init" else data / name
        if tool("wp-tokenize", "-m", source, "-o", stream, rows) is not None and \
                tool("bert-train", *start, "-o", out, "--epochs", 2, "--batch-size", 2, "-f", stream) is not None:
            yield name, out


def infer_sentences(folder):
    text = tool("bert-infer", "-m", folder, "--logits", "--input-format", "text", input="\n".join(SENTENCES) + "\n")
    return text and [json.loads(line)["pred"] for line in text.splitlines()]


def check_folder(work):
    transformers.utils.logging.disable_progress_bar()
    for name, folder in trained_folders(work):
        with listening() as heard:
            model, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            classify = transformers.pipeline("text-classification", str(folder))
            answers = classify(SENTENCES, top_k=None)
        check(not heard, f"folder, {name}: transformers {transformers.__version__} loads it without a warning", heard)
        check(not any(info.values()), f"folder, {name}: no key missing, unexpected or of another shape", info)
        predictions = infer_sentences(folder)
        if predictions is None:
            continue
        with torch.no_grad():
            expected = [model.double().eval()(**tokenizer(text, return_tensors="pt")).logits[0].numpy()
                        for text in SENTENCES]
        error = max(abs(np.array(ours["logits"]) - theirs).max() for ours, theirs in zip(predictions, expected))
        check(error <= 1e-5, f"folder, {name}: the logits of sentences off by {error:.1e}")
        error = max(abs(ours["probs"][model.config.label2id[answer["label"]]] - answer["score"])
                    for ours, answers_a_row in zip(predictions, answers) for answer in answers_a_row)
        check(error <= 1e-5, f"folder, {name}: pipeline's scores off by {error:.1e}", answers)
        check(all(ours["label_text"] == max(theirs, key=lambda answer: answer["score"])["label"]
                  for ours, theirs in zip(predictions, answers)), f"folder, {name}: pipeline's labels", answers)


def export(model, tokenizer, path):
    sample = tokenizer(SENTENCES[:2], return_tensors="pt", padding=True)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    batch, sequence = torch.export.Dim("batch"), torch.export.Dim("sequence", max=model.config.max_position_embeddings)
    torch.onnx.export(model, kwargs={key: sample[key] for key in names}, f=str(path), input_names=names,
                      output_names=["logits"], dynamo=True, verbose=False,
                      dynamic_shapes={key: {0: batch, 1: sequence} for key in names})
    return names


def check_onnx(work):
    import onnxruntime
    for name, folder in trained_folders(work):
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        model.config.return_dict = False
        tokenizer = AutoTokenizer.from_pretrained(folder)
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = export(model, tokenizer, work / "model.onnx")
        session = onnxruntime.InferenceSession(work / "model.onnx", providers=["CPUExecutionProvider"])
        predictions = infer_sentences(folder)
        if predictions is None:
            continue
        error = 0.0
        for text, ours in zip(SENTENCES, predictions):
            inputs = tokenizer(text, return_tensors="np")
            logits = session.run(["logits"], {key: inputs[key].astype(np.int64) for key in names})[0][0]
            error = max(error, abs(logits - np.array(ours["logits"])).max())
        check(error <= 1e-5, f"onnx, {name}: ONNX Runtime {onnxruntime.__version__}'s logits off by {error:.1e}")


def main():
    parts = {"logits": check_logits, "gradients": check_gradients, "trajectory": check_trajectory,
             "folder": check_folder, "onnx": check_onnx}
    parser = argparse.ArgumentParser(description="bert-train and bert-infer against transformers")
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
    print(f"1..{count}")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
