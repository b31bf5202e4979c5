"""`make bench`: measures what plan.py lists; writes table.md, results.json and bench.svg. The knobs: t/bench/bench."""
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import time

import cells
import ours
import plan
import prepare
import report
import theirs
from cells import OUT, PEAKS, QUICK


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def machine():
    """Name, processors, flags that matter, memory."""
    info = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition(":")
                info.setdefault(key.strip(), value.strip())
    except OSError:
        pass
    flags = set((info.get("flags") or info.get("Features") or "").split())
    interesting = ["avx", "avx2", "fma", "avx512f", "avx512bw", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16",
                   "amx_int8", "asimd", "bf16", "i8mm"]
    name = info.get("model name") or platform.machine()
    if info.get("vendor_id"):
        name += f" (family {info.get('cpu family')}, model {info.get('model')})"
    return {"name": name, "processors": len(os.sched_getaffinity(0)), "threads": plan.THREADS,
            "flags": [flag for flag in interesting if flag in flags],
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
            if hasattr(platform, "freedesktop_os_release") else platform.system(),
            "kernel": ".".join(platform.release().split(".")[:2]), "date": datetime.date.today().isoformat()}


def tool_versions():
    def first_lines(tool):
        text = subprocess.run([ours.BIN / tool, "-v", "-V"], capture_output=True, text=True).stdout
        return "; ".join(line.strip() for line in text.splitlines()[:4])
    return {tool: first_lines(tool) for tool in ("wp-tokenize", "bert-train", "bert-infer")}


def peaks():
    command = [PEAKS, "--threads", str(plan.THREADS)] + (["--quick"] if QUICK else [])
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def best_of(old, new):
    """The higher of two measurements of the machine: a ceiling is the best that was seen."""
    if not isinstance(new, dict):
        return new
    return {key: max(old.get(key) or 0, value) if isinstance(value, float)
            else best_of(old.get(key) or {}, value) for key, value in new.items()}


def check_equal(size, cell):
    """The peers' logits against ours on the same rows; once a cell."""
    checks = cell.cell["facts"].setdefault("checks", {})
    names = {"PyTorch f32": ("torch", "f32"), "ONNX Runtime f32": ("onnxruntime", "f32"),
             "CTranslate2 f32": ("ctranslate2", "f32"), "PyTorch bf16": ("torch", "bf16"),
             "ONNX Runtime int8": ("onnxruntime", "int8"), "CTranslate2 int8": ("ctranslate2", "int8")}
    todo = [n for n in names if n not in checks and f"{n}, sorted" in cell.cell["runs"]]
    if not todo:
        return
    path, _ = prepare.sample("dev", min(64, plan.ROWS[size]["infer"]), "sorted")
    own = ours.logits(size, path, plan.THREADS)
    margins = [values[1] - values[0] for values in own.values()]
    deviation = (sum((m - sum(margins) / len(margins))**2 for m in margins) / len(margins))**0.5
    for name in todo:
        try:
            other = theirs.logits(*names[name][:1], size, names[name][1], plan.THREADS, path)
        except RuntimeError as error:
            checks[name] = {"error": str(error)}
            continue
        largest = max(abs(a - b) for idx in own for a, b in zip(own[idx], other[idx]))
        changed = sum((own[i][1] > own[i][0]) != (other[i][1] > other[i][0]) for i in own)
        checks[name] = {"largest_difference": largest, "deviation_of_the_margin": deviation, "rows": len(own),
                        "answers_changed": changed}
        if names[name][1] == "f32":
            checks[name]["equal"] = largest <= 1e-3 * max(1.0, deviation)
        say(f"infer-{size}: {name} against ours: logits differ by at most {largest:.2g}")
    cell.save()


def minutes(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def share_workers(groups, group):
    """Whether the next group asks the same loaded models: single rows after batches of one size."""
    at = groups.index(group) + 1
    return group.name.startswith("infer-") and at < len(groups) and \
        groups[at].name == group.name.replace("infer-", "latency-")


def measure(groups, quiet, state):
    total = sum(group.estimate() for group in groups)
    say(f"{len(groups)} groups of cells, about {minutes(total)}: " +
        ", ".join(f"{group.name} {minutes(group.estimate())}" for group in groups))
    for group in groups:
        if group.estimate() > 0 or group.cell["runs"] == {}:
            say(f"{group.name}: about {minutes(group.estimate())}")
        try:
            group.measure(quiet, say)
            if group.name.startswith("infer-") and theirs.versions():
                check_equal(group.name[len("infer-"):], group)
        except Exception as error:  # the other groups count too
            say(f"{group.name}: {type(error).__name__}: {error}")
        finally:
            group.close()
        if not share_workers(groups, group):
            theirs.Worker.close_all()
        state["cells"][group.name] = group.cell
        state["peaks"]["probe"] = max(state["peaks"].get("probe", 0), quiet.best)
        report.write(state, OUT)


def warn_if_busy():
    load = os.getloadavg()[0]
    if load > 0.5 and not QUICK:
        say(f"the machine is busy (load {load:.1f}): figures will be too low, ours and the peers'")


def main():
    if os.environ.get("BENCH_FRESH", "") not in ("", "0"):
        shutil.rmtree(cells.CELLS, ignore_errors=True)
    unknown = [size for size in plan.SIZES if size not in prepare.SIZES]
    if unknown:
        sys.exit(f"bench: BENCH_SIZES: {unknown[0]} is none of {' '.join(prepare.SIZES)}")
    OUT.mkdir(parents=True, exist_ok=True)
    warn_if_busy()
    started = time.time()
    if not theirs.versions():
        say(f"no peers: {os.environ['BENCH_VENV']} is not there or BENCH_PEERS=0; make bench-peers makes it")
    before = peaks()
    quiet = cells.Quiet(plan.THREADS)
    quiet.best = max(quiet.best, before["fma"]["all"] if not QUICK else 0)
    state = {"machine": machine(), "peaks": before, "peers": theirs.versions(), "tools": tool_versions(),
             "real_data": prepare.real(), "quick": QUICK, "cells": {}}
    groups = list(plan.groups())
    try:
        measure(groups, quiet, state)
        state["peaks"] = best_of(state["peaks"], peaks())
        state["peaks"]["probe"] = quiet.best
    except KeyboardInterrupt:
        say("stopped; the same command goes on here")
        sys.exit(130)
    finally:
        theirs.Worker.close_all()
        ours.clean()
    report.write(state, OUT)
    print((OUT / "table.md").read_text())
    say(f"{minutes(time.time() - started)}; {OUT}/table.md, results.json, bench.svg")
    if os.environ.get("PUBLISH", "") not in ("", "0"):
        report.publish(state, OUT)
        say("t/bench/results/ has the table and the plot, README.md the summary")
    failed = [f"{name}: {contender}" for name, cell in state["cells"].items() for contender in cell["failed"]]
    if failed:
        say(f"{len(failed)} failed: {', '.join(failed)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
