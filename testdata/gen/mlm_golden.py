"""Writes testdata/bert/pretraining/mlm.ndjson: what transformers' BertForMaskedLM computes with the weights there.

    python3 testdata/gen/mlm_golden.py testdata/bert/pretraining

Needs torch and transformers. The rows are those of golden.ndjson with some tokens masked; the values are computed in
float64 from the stored weights, a row at a time and without padding. The format is described in testdata/README.md.
"""
import json
import pathlib
import sys

import torch
from transformers import BertForMaskedLM


def masked(ids, generator):
    """ids as the model sees them, and labels (-100 where nothing is asked): about a quarter of the ordinary tokens."""
    shown, labels = list(ids), [-100] * len(ids)
    for i, token in enumerate(ids):
        chosen, how = torch.rand(2, generator=generator).tolist()
        if token > 4 and chosen < 0.25:
            labels[i] = token
            shown[i] = 4 if how < 0.8 else int(torch.randint(96, (1,), generator=generator)) if how < 0.9 else token
    return shown, labels


def main():
    folder = pathlib.Path(sys.argv[1])
    model = BertForMaskedLM.from_pretrained(folder).double().eval()
    generator = torch.Generator().manual_seed(7)
    lines, losses, right = [], [], 0
    for text in (folder / "golden.ndjson").read_text().splitlines():
        row = json.loads(text)
        if "ids" not in row:
            continue
        shown, labels = masked(row["ids"], generator)
        logits = model(input_ids=torch.tensor([shown]), token_type_ids=torch.tensor([row["types"]])).logits[0]
        wanted = torch.tensor(labels)
        chosen = wanted != -100
        if chosen.sum() > 2: # random weights guess nothing: make a label the best guess, so that one is right
            wanted[chosen.nonzero()[1]] = labels[int(chosen.nonzero()[1])] = int(logits[chosen.nonzero()[1]].argmax())
        losses.append(torch.nn.functional.cross_entropy(logits[chosen], wanted[chosen], reduction="none"))
        right += int((logits.argmax(-1)[chosen] == wanted[chosen]).sum())
        lines.append({"ids": shown, "types": row["types"], "labels": labels})
    loss = torch.cat(losses).mean()
    loss.backward()
    norms = {name: float("%.12g" % p.grad.norm().item()) for name, p in model.named_parameters() if p.grad is not None}
    lines.append({"loss": float("%.12g" % loss.item()), "right": right, "gradient_norms": norms})
    with open(folder / "mlm.ndjson", "w") as file:
        for line in lines:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
