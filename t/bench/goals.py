"""The goals: ratios to the best peer of the same run, fractions of the measured peak, a few absolute figures.

They were set on one machine (two cores with AVX-512 and bf16 instructions) as ratios, so that they can be asked of any;
where a goal was set as a figure, the ratio here is that figure by the best peer's of that day.
"""
import prepare
from cells import median

TRAIN_F32 = {"tiny": (4.3, 10, 0.68), "MiniLM": (1.9, 5, 0.86), "base": (1.65, 4.1, 0.85)}  # sorted, longest, peak
TRAIN_BF16 = {"MiniLM": 2.3, "base": 1.7}
INFER = {"f32": {"tiny": 2.0, "MiniLM": 1.25, "base": 1.1}, "bf16": {"MiniLM": 1.5, "base": 1.5},
         "int8": {"MiniLM": 1.6, "base": 1.5}}
LATENCY = {"f32": {"tiny": 2.3, "MiniLM": 1.5, "base": 1.2}, "int8": {"MiniLM": 2.1, "base": 1.8}}
START_MS = {"tiny": 15, "MiniLM": 30, "base": 110}
MEMORY_GIB = {"tiny": 0.12, "MiniLM": 0.5, "base": 2.3}
TOKENISE = {"sst2": (100, 35), "imdb": (100, 35), "scripts": (25, None)}
INT8_POINTS = 0.3


class Row:
    """One line of the table. ratio is how many times better ours is, whichever direction is better."""

    def __init__(self, section, name, unit, own, peer=None, peer_name="", goal="", met=None, note="", ratio=None):
        self.section, self.name, self.unit, self.own, self.peer = section, name, unit, own, peer
        self.peer_name, self.goal, self.met, self.note, self.ratio = peer_name, goal, met, note, ratio
        self.goal_ratio = None


def status(cell, name):
    """Why there is no figure."""
    if name in cell.get("failed", {}):
        return "failed: " + cell["failed"][name]
    if name in cell.get("not_built", {}):
        return "not built" if name.startswith("ours") else cell["not_built"][name]
    return ""


def best_peer(cell, wanted, lower=False):
    """(figure, name) of the best contender that wanted(name) takes and that is not ours."""
    names = [name for name in cell.get("runs", {}) if not name.startswith("ours") and wanted(name)]
    found = [(median(cell, name), name) for name in names]
    found = [pair for pair in found if pair[0] is not None]
    return (min if lower else max)(found) if found else (None, "")


def compare(section, name, unit, cell, own_name, wanted, goal=None, lower=False, absolute=None):
    """A row of ours against the best peer. absolute: a bound that ours has to keep as well."""
    own, (peer, peer_name) = median(cell, own_name), best_peer(cell, wanted, lower)
    row = Row(section, name, unit, own, peer, peer_name, note=status(cell, own_name))
    if own and peer:
        row.ratio = peer / own if lower else own / peer
    goals, met = [], []
    if absolute is not None:
        goals.append(f"{'≤' if lower else '≥'} {absolute:g} {unit}")
        met.append(None if own is None else own <= absolute if lower else own >= absolute)
    if goal is not None:
        goals.append(f"{goal:g}x")
        met.append(None if row.ratio is None else row.ratio >= goal)
        row.goal_ratio = goal
    row.goal = ", ".join(goals)
    known = [m for m in met if m is not None]
    row.met = False if False in known else True if known and len(known) == len(met) else None
    return row


# ---- useful operations: what the mathematics needs without padding, a multiply-add is two ----

def forward_flops(size, facts):
    """Of all rows of a run: linear layers 24 H^2 a token and layer, attention 4 H n^2 a row and layer, the pooler; in the
    last layer only the first token's query, output and feed-forward part."""
    layers, hidden, _ = prepare.SIZES[size]
    tokens, squares, rows = facts["tokens"], facts["squares"], facts["rows"]
    whole = (layers - 1) * (24 * hidden**2 * tokens + 4 * hidden * squares)
    last = 4 * hidden**2 * tokens + 20 * hidden**2 * rows + 4 * hidden * tokens
    return whole + last + 2 * hidden**2 * rows


def peak(state):
    """fp32, all threads, 10^9 a second: the best that was seen in this bench."""
    return max(state["peaks"]["fma"]["all"], state["peaks"].get("probe", 0))


def fraction(state, size, cell, name, passes):
    """Useful operations a second by the measured peak; training is three passes."""
    runs, rate = cell.get("runs", {}).get(name, []), median(cell, name)
    if not runs or rate is None:
        return None
    facts = runs[-1]
    return passes * forward_flops(size, facts) / facts["rows"] * rate / 1e9 / peak(state)


def fraction_row(state, section, size, cell, name, passes, goal, label):
    value = fraction(state, size, cell, name, passes)
    row = Row(section, label, "of the FMA peak", value, note=status(cell, name))
    if goal is not None:
        row.goal = f"≥ {goal:g}"
        row.met = None if value is None else value >= goal
    return row


# ---- the sections ----

def train_rows(state, size, cell):
    section, unit = "Training", "sentences/s"
    sorted_goal, longest_goal, fraction_goal = TRAIN_F32[size]
    yield compare(section, f"{size} f32", unit, cell, "ours f32", lambda n: " f32" in n, sorted_goal)
    yield compare(section, f"{size} f32, peer pads to the longest, batch 32", unit, cell, "ours f32",
                  lambda n: n == "PyTorch f32, batch 32", longest_goal)
    yield fraction_row(state, section, size, cell, "ours f32", 3, fraction_goal, f"{size} f32, useful FLOP/s")
    bf16 = "ours bf16"
    if size == "tiny":
        row = compare(section, f"{size} bf16 against our f32", unit, cell, bf16, lambda n: False)
        row.peer, row.peer_name = median(cell, "ours f32"), "ours f32"
        if row.own and row.peer:
            row.ratio = row.own / row.peer
            row.goal, row.met, row.goal_ratio = "1x", row.ratio >= 1, 1
    else:
        row = compare(section, f"{size} bf16", unit, cell, bf16, lambda n: " bf16" in n, TRAIN_BF16[size])
    yield no_goal_without_bf16(state, row)
    if size == "base":
        yield no_goal_without_bf16(state, compare(section, f"{size} bf16, peer as the notebook does it, batch 8", unit, cell,
                                                  bf16, lambda n: n == "PyTorch f32, batch 8", 7))
    yield fraction_row(state, section, size, cell, bf16, 3, None, f"{size} bf16, useful FLOP/s")


def no_goal_without_bf16(state, row):
    """The goals for bf16 are those of a processor that has it."""
    if not state["peaks"].get("bf16") and "avx512_bf16" not in state["machine"]["flags"] \
            and "amx_bf16" not in state["machine"]["flags"]:
        row.goal, row.met, row.goal_ratio = "none without bf16 instructions", None, None
    return row


def infer_rows(state, size, cell):
    section, unit = "Inference, batches", "sentences/s"
    for weights in "f32", "bf16", "int8":
        name = "ours " + weights
        row = compare(section, f"{size} {weights}", unit, cell, name, lambda n: f" {weights}" in n,
                      INFER[weights].get(size))
        yield no_goal_without_bf16(state, row) if weights == "bf16" else row
        if weights == "f32":
            yield fraction_row(state, section, size, cell, name, 1, None, f"{size} f32, useful FLOP/s")


def latency_rows(state, size, cell):
    for weights in "f32", "bf16", "int8":
        row = compare("One row of 25 pieces", f"{size} {weights}", "ms", cell, "ours " + weights,
                      lambda n: f" {weights}" in n, LATENCY.get(weights, {}).get(size), lower=True)
        yield no_goal_without_bf16(state, row) if weights == "bf16" else row


def start_rows(state, size, cell):
    yield compare("Start to first label", size, "ms", cell, "ours f32", lambda n: True, lower=True,
                  absolute=START_MS[size])


def memory_row(section, name, cell, own, wanted, goal=None):
    """Peak resident MiB: the largest of all runs."""
    def largest(contender):
        values = [run["rss_mib"] for run in cell.get("runs", {}).get(contender, []) if run.get("rss_mib")]
        return max(values) if values else None
    peers = [(largest(n), n) for n in cell.get("runs", {}) if not n.startswith("ours") and wanted(n) and largest(n)]
    peer, peer_name = min(peers) if peers else (None, "")
    row = Row(section, name, "MiB", largest(own), peer, peer_name, note=status(cell, own))
    if row.own and peer:
        row.ratio = peer / row.own
    if goal:
        row.goal = f"≤ {1024 * goal:.0f} MiB"
        row.met = None if row.own is None else row.own <= 1024 * goal
    return row


def memory_rows(size, cells):
    section = "Peak resident memory"
    if f"train-{size}" in cells:
        cell = cells[f"train-{size}"]
        yield memory_row(section, f"training {size} f32", cell, "ours f32", lambda n: " f32" in n, MEMORY_GIB[size])
        yield memory_row(section, f"training {size} bf16", cell, "ours bf16", lambda n: " bf16" in n)
    if f"infer-{size}" in cells:
        cell = cells[f"infer-{size}"]
        for weights in "f32", "bf16", "int8":
            yield memory_row(section, f"inference {size} {weights}", cell, "ours " + weights,
                             lambda n: f" {weights}" in n)


def tokenise_rows(text, cell):
    title = {"sst2": "SST-2", "imdb": "IMDb", "scripts": "fourteen languages"}[text]
    names = [n for n in list(cell["runs"]) + list(cell["failed"]) + list(cell["not_built"]) if n.startswith("ours")]
    for name in dict.fromkeys(names):
        threads = name.partition(", ")[2]
        absolute, goal = TOKENISE[text] if threads == "1 thread" else (None, None)
        yield compare("Tokenising", f"{title}, {threads}", "MB/s", cell, name, lambda n: n.endswith(", " + threads), goal,
                      absolute=absolute)


def accuracy_rows(student, cell):
    plain = median(cell, "ours f32")
    for weights in "f32", "bf16", "int8":
        name = "ours " + weights
        own = median(cell, name)
        row = Row("Accuracy on the development rows", f"{student} {weights}", "%", own, note=status(cell, name))
        if own is not None and weights != "f32" and plain is not None:
            changed = cell["runs"][name][-1]["changed"]
            row.note = f"{own - plain:+.2f} points, {changed} of {cell['runs'][name][-1]['rows']} answers changed"
            if weights == "int8":
                row.goal, row.met = f"≥ f32's - {INT8_POINTS} points", own >= plain - INT8_POINTS
        yield row


def rows(state):
    """All lines of the table, section by section."""
    cells, sizes = state["cells"], prepare.SIZES
    sections = [("train", train_rows), ("infer", infer_rows), ("latency", latency_rows), ("start", start_rows)]
    for text in "sst2", "imdb", "scripts":
        if f"tokenise-{text}" in cells:
            yield from tokenise_rows(text, cells[f"tokenise-{text}"])
    for part, make in sections:
        for size in sizes:
            if f"{part}-{size}" in cells:
                yield from make(state, size, cells[f"{part}-{size}"])
    for size in sizes:
        yield from memory_rows(size, cells)
    for name, cell in cells.items():
        if name.startswith("accuracy-"):
            yield from accuracy_rows(name[len("accuracy-"):], cell)
