"""Token streams with a teacher's columns, written and read by the reference library, and what bert-train derives from
them: verdict words, the keyword vocabulary, the lexicon, the teacher's probability. Written from the headers of
common/bert/objectives, for t/oracle/objectives.py; no losses and no model.
"""
import hashlib
import json
import math

import numpy as np
import safetensors.numpy

CUE_MARKS = NONE, DECISIVE, FAVOURABLE, UNFAVOURABLE, MODIFIER, UNMARKED = 0, 1, 2, 3, 4, 255
VERDICT = """positive negative positively negatively positivity negativity sentiment sentiments favourable favorable
unfavourable unfavorable favourably favorably verdict unfavorably unfavourably label polarity praise criticism complaint
approval disapproval recommends thumbs""".split()

# ---- the wire format ----


def write_stream(path, folder, rows, rows_a_frame=7):
    """Rows are dictionaries of columns; a column that the first row lacks is not written."""
    vocabulary = (folder / "vocab.txt").read_bytes()
    config = json.loads((folder / "config.json").read_text())
    names = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]

    def frame(tensors, **metadata):
        return safetensors.numpy.save(tensors, metadata={key: str(value) for key, value in metadata.items()})

    def joined(part, name, dtype):
        return np.concatenate([np.asarray(row[name], dtype) for row in part])

    with open(path, "wb") as out:
        out.write(frame({}, kind="head", schema="tokens/1", vocab_sha256=hashlib.sha256(vocabulary).hexdigest(),
                        do_lower_case="true", max_len=config["max_position_embeddings"], labels=json.dumps(names),
                        producer="oracle"))
        for begin in range(0, len(rows), rows_a_frame):
            part = rows[begin:begin + rows_a_frame]
            tensors = {"idx": np.arange(begin, begin + len(part), dtype=np.int64)}
            for name in "ids", "reason_ids", "edit_ids":
                if name in rows[0]:
                    tensors[name] = joined(part, name, np.int32)
                    tensors[name.replace("ids", "offsets")] = np.cumsum([0] + [len(row[name]) for row in part],
                                                                        dtype=np.int32)
            for name in set(rows[0]) & {"types", "cues"}:
                tensors[name] = joined(part, name, np.uint8)
            for name, dtype in ("label", np.int32), ("teacher_label", np.int32), ("confidence", np.float32), \
                    ("teacher_probs", np.float32):
                if name in rows[0]:
                    tensors[name] = np.array([row[name] for row in part], dtype)
            out.write(frame(tensors, kind="batch", seq=begin // rows_a_frame))
        out.write(frame({}, kind="end", frames=-(-len(rows) // rows_a_frame), rows=len(rows)))
    return path


def read_stream(path):
    rows, data = [], path.read_bytes()
    while data:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8:8 + length])
        header.pop("__metadata__", None)
        size = 8 + length + max((value["data_offsets"][1] for value in header.values()), default=0)
        frame, data = safetensors.numpy.load(data[:size]), data[size:]
        offsets = frame.get("offsets", [0])
        for i in range(len(offsets) - 1):
            row = {"types": np.zeros(offsets[i + 1] - offsets[i], np.uint8)}
            for name, values in frame.items():
                if name.endswith("ids"):
                    own = frame[name.replace("ids", "offsets")]
                    row[name] = values[own[i]:own[i + 1]]
                elif name in ("types", "cues"):
                    row[name] = values[offsets[i]:offsets[i + 1]]
                elif not name.endswith("offsets"):
                    row[name] = values[i]
            rows.append(row)
    return rows


# ---- what the rows say ----


def reasoned(row):
    """The label that the reasoning argues for; -1: there is none, or gold contradicts it."""
    label = int(row.get("teacher_label", -1))
    return -1 if row["label"] >= 0 and row["label"] != label else label


class Tokens:
    def __init__(self, texts, labels):
        self.texts, self.special = texts, {texts.index(t) for t in ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")}
        self.mask, self.labels = texts.index("[MASK]"), [label.lower() for label in labels]

    def text(self, word):
        return "".join(self.texts[i].removeprefix("##") or "##" for i in word).lower()

    def is_text(self, word):
        return not self.special & set(word) and any(c.isalnum() or ord(c) > 127 for c in self.text(word))

    def words(self, ids):
        """[(begin, pieces)] of all of them, special tokens too."""
        found = []
        for t, i in enumerate(map(int, ids)):
            goes_on = i not in self.special and self.texts[i].startswith("##") and len(self.texts[i]) > 2
            if goes_on and found and not set(found[-1][1]) & self.special:
                found[-1][1].append(i)
            else:
                found.append((t, [i]))
        return [(begin, tuple(word)) for begin, word in found]


def log_odds(of, totals):
    """Of each class against the others."""
    n, total = sum(of), sum(totals)
    return [math.log((a + 0.5) / (b - a + 0.5)) - math.log((n - a + 0.5) / (total - b - (n - a) + 0.5))
            for a, b in zip(of, totals)]


def count_words(rows, classes, words_of):
    """{word: in how many reasonings of each class}, in the order in which they are met, and the reasonings."""
    counts, totals = {}, [0] * classes
    for row in rows:
        label = reasoned(row)
        if label < 0 or not len(row.get("reason_ids", ())):
            continue
        totals[label] += 1
        for word in dict.fromkeys(words_of(row)):
            counts.setdefault(word, [0] * classes)[label] += 1
    return counts, totals


def verdict_words(rows, tokens, classes):
    def words_of(row):
        own = {word for _, word in tokens.words(row["ids"])}
        return [word for _, word in tokens.words(row["reason_ids"]) if tokens.is_text(word) and word not in own]
    counts, totals = count_words(rows, classes, words_of)
    return {word for word, of in counts.items()
            if sum(of) >= max(5, 0.005 * sum(totals)) and max(map(abs, log_odds(of, totals))) > 2}


def vocabulary_of(rows, tokens, classes, is_verdict):
    """The keywords in their order."""
    def words_of(row):
        return [word for _, word in tokens.words(row["reason_ids"])
                if tokens.is_text(word) and len(tokens.text(word).encode()) >= 3 and not is_verdict(word)]
    counts, totals = count_words(rows, classes, words_of)
    total, ranked = sum(totals), []
    for word, of in counts.items():
        n = sum(of)
        if n < (5 if total >= 1000 else 2) or 5 * n > total:
            continue
        odds = max(abs(math.log((a + 0.5) / (b - a + 0.5) / ((n - a + 0.5) / (total - b - (n - a) + 0.5))))
                   for a, b in zip(of, totals))
        ranked.append((math.log(total / n) * odds, word))
    ranked = sorted((item for item in ranked if item[0] > 0), key=lambda item: -item[0])
    return [word for _, word in ranked[:2000]], words_of


def lexicon_of(rows, tokens):
    places = {}
    for row in rows:
        label = reasoned(row)
        if label < 0 or "cues" not in row:
            continue
        for begin, word in tokens.words(row["ids"]):
            sign = {FAVOURABLE: 1, UNFAVOURABLE: 0, DECISIVE: label}.get(int(row["cues"][begin]))
            if sign is not None and tokens.is_text(word):
                places.setdefault(word, [0, 0])[sign] += 1
    values = {word: math.log((favour + 0.5) / (against + 0.5)) for word, (against, favour) in places.items()
              if favour + against >= 2}
    return {word: value for word, value in values.items() if abs(value) > 0.9}


def teacher_probabilities(rows, classes):
    """[classes] of each row; None where it has no teacher."""
    both = [i for i, row in enumerate(rows) if row["label"] >= 0 and row.get("teacher_label", -1) >= 0]
    confidences = sorted(float(rows[i]["confidence"]) for i in both)
    edges = []
    for part in (1, 2):
        at = part * len(both) // 3
        cuts = [c for c in range(1, len(both)) if confidences[c - 1] < confidences[c]]
        nearest = min(cuts, key=lambda c: (abs(c - at), c), default=None)
        edges.append(math.inf if nearest is None else confidences[nearest - 1])
    third = [0 if row["confidence"] <= edges[0] else 1 if row["confidence"] <= edges[1] else 2 for row in rows]
    result = []
    for i, row in enumerate(rows):
        label = row.get("teacher_label", -1)
        if "teacher_probs" in row and row["teacher_probs"][0] >= 0:
            result.append(np.asarray(row["teacher_probs"], np.float64))
            continue
        if label < 0:
            result.append(None)
            continue
        others = [j for j in both if third[j] == third[i] and (row["label"] < 0 or j % 5 != i % 5)]
        right = (1 + sum(rows[j]["label"] == rows[j]["teacher_label"] for j in others)) / (2 + len(others))
        right = right if len(both) >= 50 else 0.75
        result.append(np.array([right if c == label else (1 - right) / (classes - 1) for c in range(classes)]))
    return result
