"""Writes the small random checkpoints in testdata/bert with transformers, and what transformers computes with them.

    python3 testdata/gen/bert_checkpoints.py testdata/bert

Needs torch, transformers and safetensors. The weights are far from those of an initialisation (biases and LayerNorms
are random too), so that a parameter that is left out or taken for another one shows. The golden values are computed
in float64 from the stored weights, a row at a time and without padding. The formats are described in
testdata/README.md.
"""
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForPreTraining, BertForSequenceClassification, BertModel

WORDS = "the a movie film is was very good bad great dull not but and of it with an heart mind plot acting fun slow".split()
LENGTHS = [1, 2, 3, 7, 16, 17, 24, 40]


def vocabulary():
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "!", "'"]
    tokens += list(letters) + ["##" + letter for letter in letters]
    tokens += [word for word in WORDS if len(word) > 1]
    tokens += ["##ing", "##ed"]
    tokens += ["[unused%d]" % i for i in range(96 - len(tokens))]
    assert len(tokens) == len(set(tokens)) == 96
    return tokens


def config(**changes):
    settings = dict(
        vocab_size=96, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
        max_position_embeddings=40, type_vocab_size=2, id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1})
    settings.update(changes)
    return BertConfig(**settings)


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("LayerNorm.weight"):
                parameter.copy_(1 + 0.2 * noise)
            elif name.endswith(".bias"):
                parameter.copy_(0.2 * noise)
            elif "embeddings" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise * parameter.shape[1] ** -0.5)
    return model.eval()


def rows(settings, seed):
    """Ragged rows: [CLS] ... [SEP], the later ones of two or more segments."""
    generator = torch.Generator().manual_seed(seed)
    for i, length in enumerate(LENGTHS):
        ids = torch.randint(5, settings.vocab_size, (length,), generator=generator)
        ids[0] = 2
        if length > 1:
            ids[-1] = 3
        types = torch.zeros(length, dtype=torch.long)
        if i % 2 and length > 2:
            types = (torch.arange(length) * settings.type_vocab_size) // length
        yield ids, types, i % settings.num_labels


def numbers(tensor):
    return [float("%.12g" % value) for value in tensor.flatten().tolist()]


def golden(folder, model, seed, gradients=False):
    model = model.double().eval()
    settings = model.config
    lines, losses = [], []
    for ids, types, label in rows(settings, seed):
        inputs = dict(input_ids=ids[None], token_type_ids=types[None])
        encoder = getattr(model, "bert", model)
        output = encoder(**inputs)
        line = {"ids": ids.tolist(), "types": types.tolist(), "label": label,
                "first": numbers(output.last_hidden_state[0, 0])}
        if output.pooler_output is not None:
            line["pooled"] = numbers(output.pooler_output[0])
        if hasattr(model, "classifier"):
            logits = model(**inputs).logits
            losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor([label])))
            line["logits"] = numbers(logits[0])
        lines.append(line)
    if losses:
        loss = torch.stack(losses).mean()
        line = {"loss": float("%.12g" % loss.item())}
        if gradients:
            loss.backward()
            line["gradient_norms"] = {name: float("%.12g" % parameter.grad.norm().item())
                                      for name, parameter in model.named_parameters()}
        lines.append(line)
    with open(folder / "golden.ndjson", "w") as file:
        for line in lines:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


def tokenizer(folder):
    (folder / "vocab.txt").write_text("".join(token + "\n" for token in vocabulary()))
    settings = {"do_lower_case": True, "model_max_length": 40, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def rename_norms(folder, positions):
    """As old checkpoints have it: gamma and beta, and the position numbers as a tensor."""
    tensors = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
               for name, tensor in load_file(folder / "model.safetensors").items()}
    tensors["bert.embeddings.position_ids"] = torch.arange(positions)[None]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def main():
    target = pathlib.Path(sys.argv[1])
    three = {0: "negative", 1: "neutral", 2: "positive"}
    kinds = {
        "classifier": (BertForSequenceClassification, config()),
        "encoder": (BertModel, config()),
        "pretraining": (BertForPreTraining, config()),
        "gamma": (BertForSequenceClassification, config()),
        "f16": (BertForSequenceClassification, config()),
        "bf16": (BertForSequenceClassification, config()),
        "sharded": (BertForSequenceClassification, config()),
        "gelu_new": (BertForSequenceClassification, config(hidden_act="gelu_new", hidden_size=32, num_attention_heads=4,
                                                           intermediate_size=33, type_vocab_size=3)),
        "relu": (BertForSequenceClassification, config(hidden_act="relu", num_attention_heads=2, id2label=three,
                                                       label2id={name: i for i, name in three.items()})),
        "no-pooler": (lambda settings: BertModel(settings, add_pooling_layer=False), config(num_hidden_layers=1)),
    }
    for seed, (name, (make, settings)) in enumerate(kinds.items()):
        folder = target / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        model = randomise(make(settings), seed)
        if name in ("f16", "bf16"):
            model = model.to(torch.float16 if name == "f16" else torch.bfloat16)
        model.save_pretrained(folder, **({"max_shard_size": "20KB"} if name == "sharded" else {}))
        if name == "gamma":
            rename_norms(folder, settings.max_position_embeddings)
        tokenizer(folder)
        for file in folder.glob("*.safetensors"):
            file.chmod(0o644)
        golden(folder, model, 100 + seed, gradients=name in ("classifier", "gelu_new", "relu"))


if __name__ == "__main__":
    main()
