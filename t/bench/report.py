"""The table, the raw results and the plot; and what README shows of them."""
import json
import pathlib
import re
import shutil
import subprocess

import cells
import goals
from cells import median, spread

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "t" / "bench" / "results"
MARKS = ("<!-- bench: written by make bench PUBLISH=1 -->", "<!-- end of bench -->")


def number(value):
    """Three digits that mean something."""
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def figure(row):
    if row.own is None:
        return row.note or "not measured"
    if row.unit == "of the FMA peak":
        return f"{row.own:.2f}"
    return f"{row.own:.2f}" if row.unit == "%" else number(row.own)


def met(row):
    return {True: "yes", False: "**no**", None: ""}[row.met]


def main_table(rows):
    """One table a section."""
    section = None
    for row in rows:
        if row.section != section:
            section = row.section
            yield f"\n### {section}\n"
            yield "| what | unit | ours | best peer | which | ratio | goal | met |"
            yield "|---|---|--:|--:|---|--:|---|---|"
        ratio = f"{number(row.ratio)}x" if row.ratio else ""
        which = row.peer_name or (row.note if row.own is not None else "")
        yield (f"| {row.name} | {row.unit} | {figure(row)} | {number(row.peer)} | {which} | {ratio} | {row.goal} | "
               f"{met(row)} |")


def peak_lines(state):
    p = state["peaks"]

    def pair(name):
        return f"{number(p[name]['one'])} | {number(p[name]['all'])}" if p.get(name) else "not there | not there"
    yield "\n### The machine, measured in the same run\n"
    yield f"| ceiling | one thread | all threads ({p['threads']}) |"
    yield "|---|--:|--:|"
    yield f"| fp32 multiply-adds in registers ({p['fma']['kernel']}), GFLOP/s | {pair('fma')} |"
    yield f"| bf16 dot products, GFLOP/s | {pair('bf16')} |"
    yield f"| int8 dot products, Gop/s | {pair('int8')} |"
    yield f"| memory: triad, GB/s | {pair('triad')} |"
    yield f"| memory: AdamW's seven streams, GB/s | {pair('adamw')} |"
    yield f"\nFractions are of {number(goals.peak(state))} GFLOP/s, the best fp32 rate seen on all threads."


def scaling_lines(state):
    cell = state["cells"].get("scaling-threads")
    if cell:
        yield "\n### Scaling over threads (f32, sentences/s)\n"
        names = [n.split(", ") for n in cell["runs"]]
        threads = sorted({int(n) for _, n in names})
        yield "| threads | " + " | ".join(map(str, threads)) + " |"
        yield "|---|" + "--:|" * len(threads)
        for what in "train", "infer":
            yield f"| {what} | " + " | ".join(number(median(cell, f"{what}, {n}")) for n in threads) + " |"
    cell = state["cells"].get("scaling-rows")
    if cell:
        yield "\n### Scaling over rows (bert-infer's whole life, smallest model)\n"
        rows = sorted(map(int, cell["runs"]))
        yield "| rows | " + " | ".join(f"{n:,}" for n in rows) + " |"
        yield "|---|" + "--:|" * len(rows)
        yield "| rows/s | " + " | ".join(number(median(cell, str(n))) for n in rows) + " |"
        yield "| peak MiB | " + " | ".join(number(median(cell, str(n), "rss_mib")) for n in rows) + " |"


def check_lines(state):
    checks = [(name, peer, check) for name, cell in state["cells"].items()
              for peer, check in cell["facts"].get("checks", {}).items()]
    if checks:
        yield "\n### Do the peers compute the same?\n"
        yield "| model | peer | largest difference of a logit from ours in f32 | answers that differ | |"
        yield "|---|---|--:|--:|---|"
    for name, peer, check in checks:
        size = name.rpartition("-")[2]
        if "error" in check:
            yield f"| {size} | {peer} | | | {check['error']} |"
            continue
        verdict = {True: "equal", False: "**not equal**", None: ""}[check.get("equal")]
        yield (f"| {size} | {peer} | {check['largest_difference']:.2g} | {check['answers_changed']} of {check['rows']} | "
               f"{verdict} |")


def every_line(state):
    yield "\n### Every program\n"
    yield "| group | program | median | lowest | highest | runs | disturbed | remarks |"
    yield "|---|---|--:|--:|--:|--:|--:|---|"
    for name, cell in state["cells"].items():
        for contender, runs in cell["runs"].items():
            low, high, count = spread(cell, contender)
            disturbed = sum(map(cells.disturbed, runs))
            remarks = list(dict.fromkeys(note for run in runs for note in run.get("notes") or []))
            remarks += ["cut short"] * any(run.get("cut") for run in runs)
            remarks += list(dict.fromkeys(run["variant"] for run in runs if run.get("variant")))
            yield (f"| {name} | {contender} | {number(median(cell, contender))} | {number(low)} | {number(high)} | {count} | "
                   f"{disturbed or ''} | {plain(remarks)} |")
        for kind, title in ("not_built", "not built"), ("failed", "**failed**"):
            for contender, reason in cell[kind].items():
                shown = "not run" if kind == "not_built" and not contender.startswith("ours") else title
                yield f"| {name} | {contender} | {shown} | | | | | {plain([reason])} |"


def plain(remarks):
    """Fit for a cell, and without the folders of this machine."""
    text = "; ".join(remarks).replace("|", "/")
    return re.sub(r"(/[\w.+-]+){2,}", lambda match: match.group().rpartition("/")[2], text)[:160]


def threads(state):
    n = state["machine"]["threads"]
    return f"{n} thread{'s' * (n > 1)}"


def head(state):
    m = state["machine"]
    peers = ", ".join(f"{name} {version}" for name, version in state["peers"].items() if name != "python")
    yield f"## {m['name']}, {m['processors']} processors, {m['date']}\n"
    yield f"{m['system']}, Linux {m['kernel']}, {m['memory_gib']} GiB; {' '.join(m['flags']) or 'no vector flags'}; "
    yield f"{threads(state)} for every program.  "
    yield f"Peers: {peers or 'none installed'}.  "
    yield ("Rows: SST-2, real lengths (13.3 pieces a sentence in training, 25.2 in inference). " if state["real_data"] else
           "Rows: the repository's own test data; their lengths are not SST-2's. ")
    yield ("Programs ran by turns, figures are medians. Ours read text from a pipe and write NDJSON; the peers start from "
           "token ids in memory.")
    if state["quick"]:
        yield "\n**A smoke run (BENCH_QUICK): nothing here is a measurement.**"


def summary(rows):
    judged = [row for row in rows if row.met is not None]
    missed = [f"{row.section.lower()}, {row.name}" for row in judged if not row.met]
    yield f"\nGoals met: {len(judged) - len(missed)} of {len(judged)} that could be judged." + \
        (f" Missed: {'; '.join(missed)}." if missed else "")


def table(state):
    rows = list(goals.rows(state))
    for part in head(state), summary(rows), main_table(rows), scaling_lines(state), peak_lines(state), check_lines(state), \
            every_line(state):
        yield from part


# ---- the plot: how many times better than the best peer, one bar a line, a mark at the goal ----

def svg(state, path):
    rows = [row for row in goals.rows(state) if row.ratio and row.unit != "of the FMA peak"
            and "peer" not in row.name and "our f32" not in row.name]
    data, program = path.with_suffix(".dat"), path.with_suffix(".gnuplot")
    if not rows or not shutil.which("gnuplot"):
        path.unlink(missing_ok=True)
        return
    rows.reverse()
    sections = list(dict.fromkeys(row.section for row in rows))
    colours = ["#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2"]
    with open(data, "w", encoding="utf-8") as file:
        for y, row in enumerate(rows):
            file.write(f"{y}\t{row.ratio}\t{row.goal_ratio or 'NaN'}\t{sections.index(row.section)}\t"
                       f"{row.section}: {row.name}\t{number(row.ratio)}x\n")
    low = min(0.7, min(row.ratio for row in rows) / 1.3)
    high = 2.2 * max(max(row.ratio, row.goal_ratio or 1) for row in rows)
    title = f"{state['machine']['name']}, {threads(state)}, {state['machine']['date']}"
    script = f"""set terminal svg size 980,{110 + 24 * len(rows)} font "sans-serif,13" background "#fdfdfb"
set output "{path.name}"
set datafile separator "\\t"
set title "How many times better than the best peer (dark mark: the goal)\\n{title}" noenhanced textcolor "#222222"
set border 1 linecolor "#666666"
set logscale x
set xrange [{low}:{high}]
set yrange [-0.8:{len(rows) - 0.2}]
set xtics (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500) nomirror textcolor "#222222"
set ytics nomirror scale 0 textcolor "#222222"
set grid xtics linecolor "#d5d5d0"
set arrow 1 from 1, graph 0 to 1, graph 1 nohead linewidth 1.5 linecolor "#444444" front
set style fill solid 0.85 noborder
unset key
colour(i) = {" : ".join(f"i == {i} ? 0x{colours[i % 6][1:]}" for i in range(len(sections)))} : 0
plot "{data.name}" using 2:1:(1):2:($1-0.36):($1+0.36):(colour($4)):yticlabels(5) notitle with boxxyerror linecolor rgb variable, \\
     "" using 3:($1-0.42):(0):(0.84) notitle with vectors nohead linewidth 3 linecolor "#111111", \\
     "" using ($2 > 1 ? $2 : 1):1:6 notitle with labels left offset 0.7,0 textcolor "#222222"
"""
    program.write_text(script, encoding="utf-8")
    done = subprocess.run(["gnuplot", program.name], capture_output=True, text=True, cwd=path.parent)
    if done.returncode != 0:
        path.unlink(missing_ok=True)
        path.with_suffix(".err").write_text(done.stderr)
    data.unlink()
    program.unlink()


def write(state, folder):
    (folder / "results.json").write_text(json.dumps(state, indent=1))
    (folder / "table.md").write_text("\n".join(table(state)) + "\n", encoding="utf-8")
    svg(state, folder / "bench.svg")


def publish(state, folder):
    """Table and plot under t/bench/results, by date and machine; README shows the plot and the lines with goals."""
    machine = re.sub(r"[^A-Za-z0-9]+", "-", f"{state['machine']['name']} {threads(state)}").strip("-")
    name = f"{state['machine']['date']}-{machine}"
    RESULTS.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "table.md", RESULTS / (name + ".md"))
    picture = (folder / "bench.svg").exists()
    if picture:
        shutil.copy(folder / "bench.svg", RESULTS / (name + ".svg"))
    rows = [row for row in goals.rows(state) if row.goal and row.own is not None]
    lines = [MARKS[0], "", f"`make bench` on {state['machine']['name']}, {threads(state)}, "
             f"{state['machine']['date']}; [every figure](t/bench/results/{name}.md).", ""]
    if picture:
        lines += [f"![How many times better than the best peer](t/bench/results/{name}.svg)", ""]
    lines += ["| what | ours | best peer | ratio | goal | met |", "|---|--:|---|--:|---|---|"]
    for row in rows:
        peer = f"{number(row.peer)} ({row.peer_name})" if row.peer else ""
        lines.append(f"| {row.section}: {row.name} | {figure(row)} {row.unit} | {peer} | "
                     f"{number(row.ratio) + 'x' if row.ratio else ''} | {row.goal} | {met(row)} |")
    lines += ["", MARKS[1]]
    readme = ROOT / "README.md"
    text, block = readme.read_text(encoding="utf-8"), "\n".join(lines)
    if MARKS[0] in text and MARKS[1] in text:
        text = text[:text.index(MARKS[0])] + block + text[text.index(MARKS[1]) + len(MARKS[1]):]
    else:
        place = text.index("\n## Limits\n") if "\n## Limits\n" in text else len(text)
        text = text[:place] + "\n" + block + "\n" + text[place:]
    readme.write_text(text, encoding="utf-8")
