#!/usr/bin/env python3
"""Fine-tunes a BERT folder on SST-2 with Hugging Face's Trainer, to compare bert-train's speed and memory with.

    python t/oracle/trainer_baseline.py MODEL DATA STEPS [--batch-size 32] [--learning-rate 5e-5] [--seed 42]
        [--group-by-length] [--threads N] [--evaluate]

MODEL is a Hugging Face folder, DATA holds train.tsv and dev.tsv of GLUE's SST-2. Dynamic padding: each batch as long as its
longest row. STEPS 0: three epochs. Prints one JSON line: sentences and tokens a second over the training loop alone, and
without its first ten steps (warm), peak resident memory in MiB, the loss, with --evaluate the validation accuracy.
Not a check: nothing here passes or fails, and t/oracle/run leaves it out.
"""
import argparse
import json
import os
import pathlib
import resource
import sys
import tempfile
import time

sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import transformers
from transformers import (AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer,
                          TrainerCallback, TrainingArguments)


class Rows(torch.utils.data.Dataset):
    def __init__(self, path, tokenizer):
        with open(path, encoding="utf-8", newline="\n") as file:
            next(file)
            fields = [line.rstrip("\n").split("\t") for line in file]
        self.ids = tokenizer([text for text, _ in fields], truncation=True)["input_ids"]
        self.labels = [int(label) for _, label in fields]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return {"input_ids": self.ids[i], "label": self.labels[i]}


class Clock(TrainerCallback):
    """When each step ended, and what the batches held."""

    def __init__(self):
        self.times, self.rows, self.tokens = [], [], []

    def on_train_begin(self, args, state, control, **kwargs):
        self.begin = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self.times.append(time.perf_counter())


class CountingCollator(DataCollatorWithPadding):
    def __call__(self, features):
        batch = super().__call__(features)
        if self.clock is not None:
            self.clock.rows.append(len(features))
            self.clock.tokens.append(int(batch["attention_mask"].sum()))
        return batch


def arguments():
    parser = argparse.ArgumentParser(description="Hugging Face's Trainer on SST-2, measured")
    parser.add_argument("model")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("steps", type=int)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--group-by-length", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--evaluate", action="store_true")
    return parser.parse_args()


def training_arguments(options, folder):
    settings = dict(output_dir=folder, per_device_train_batch_size=options.batch_size,
                    per_device_eval_batch_size=128, learning_rate=options.learning_rate, seed=options.seed,
                    max_steps=options.steps or -1, num_train_epochs=3, use_cpu=True, report_to=[], save_strategy="no",
                    logging_strategy="no", disable_tqdm=True)
    if options.group_by_length:  # the option's name changed with version 5
        known = TrainingArguments.__dataclass_fields__
        settings.update({"group_by_length": True} if "group_by_length" in known else
                        {"train_sampling_strategy": "group_by_length"})
    return TrainingArguments(**settings)


def accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def main():
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    transformers.set_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    tokenizer.model_max_length = min(tokenizer.model_max_length, 512)
    model = AutoModelForSequenceClassification.from_pretrained(options.model, num_labels=2)
    clock = Clock()
    collator = CountingCollator(tokenizer)
    collator.clock = clock
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(model=model, args=training_arguments(options, folder), data_collator=collator,
                          train_dataset=Rows(options.data / "train.tsv", tokenizer), callbacks=[clock],
                          compute_metrics=accuracy)
        trainer.remove_callback(transformers.PrinterCallback)
        result = trainer.train()
        collator.clock = None
        steps = len(clock.times)
        seconds = clock.times[-1] - clock.begin
        record = {"trainer": f"transformers {transformers.__version__}, torch {torch.__version__}",
                  "threads": torch.get_num_threads(), "steps": steps, "batch_size": options.batch_size,
                  "group_by_length": options.group_by_length, "seconds": round(seconds, 2),
                  "sentences_per_second": round(sum(clock.rows[:steps]) / seconds, 1),
                  "tokens_per_second": round(sum(clock.tokens[:steps]) / seconds, 1), "train_loss": result.training_loss}
        if steps > 10:
            warm = clock.times[-1] - clock.times[9]
            record["warm_sentences_per_second"] = round(sum(clock.rows[10:steps]) / warm, 1)
        record["peak_rss_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
        if options.evaluate:
            evaluation = trainer.evaluate(Rows(options.data / "dev.tsv", tokenizer))
            record.update({"validation_loss": evaluation["eval_loss"], "validation_accuracy": evaluation["eval_accuracy"]})
    print(json.dumps(record))


if __name__ == "__main__":
    main()
