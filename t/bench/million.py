"""`make bench-million`: BENCH_ROWS rows (a million) through wp-tokenize | bert-infer with the smallest model.

Shows that speed stays and memory does not grow: rows a second in the first and in the last tenth, the peak memory of each
process, and the same for a tenth of the rows to compare with. Rows are real sentences, over and over.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import ours
import plan
import prepare
from cells import OUT, QUICK


def sentences(count):
    def write(path):
        lines = [text + "\n" for text, _ in prepare.table("train")]
        with open(path, "w", encoding="utf-8") as file:
            for begin in range(0, count, len(lines)):
                file.writelines(lines[:count - begin])
    return prepare.complete(prepare.DATA / f"million-{count}.txt", write)


def run(count):
    """The pipe once; rows a second by tenths, and what each process took."""
    text, every = sentences(count), max(1, count // 10)
    with tempfile.TemporaryDirectory(dir=OUT) as folder:
        report, metered = pathlib.Path(folder) / "report", [ours.METER, "run", pathlib.Path(folder) / "report", "--"]
        fifo = pathlib.Path(folder) / "stream"
        os.mkfifo(fifo)
        with subprocess.Popen(["sh", "-c", 'exec "$@" >"$0"', fifo, *metered, ours.BIN / "wp-tokenize", "-q", "-m",
                               prepare.vocabulary(), "--input-format", "text", text],
                              stdin=subprocess.DEVNULL) as upstream:
            flow = ours.report_of([ours.METER, "flow", every, fifo, "/dev/null", "--", ours.BIN / "bert-infer", "-q",
                                   "--input-format", "stream", "-m", prepare.model("tiny"), "--threads", plan.THREADS])
            upstream.wait()
        tokenizer = json.loads(report.read_text())
    if tokenizer["status"] != 0 or flow["lines"] != count:
        sys.exit(f"bench-million: wp-tokenize ended with {tokenizer['status']}, {flow['lines']} of {count} rows came out")
    marks = [[0, 0.0]] + flow["marks"]
    rates = [(b[0] - a[0]) / (b[1] - a[1]) for a, b in zip(marks, marks[1:])]
    return {"rows": count, "seconds": flow["wall"], "rows_per_second": count / flow["wall"], "tenths": rates,
            "bert_infer_mib": flow["rss_kib"] / 1024, "wp_tokenize_mib": tokenizer["rss_kib"] / 1024}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    count = int(os.environ.get("BENCH_ROWS") or (2000 if QUICK else 1000000))
    small, large = run(max(10, count // 10)), run(count)
    lines = ["| | " + " | ".join(f"{r['rows']:,} rows" for r in (small, large)) + " |", "|---|--:|--:|"]
    for title, value in (("rows/s", lambda r: r["rows_per_second"]), ("rows/s, first tenth", lambda r: r["tenths"][0]),
                         ("rows/s, last tenth", lambda r: r["tenths"][-1])):
        lines.append(f"| {title} | " + " | ".join(f"{value(r):,.0f}" for r in (small, large)) + " |")
    for title, key in ("peak MiB of wp-tokenize", "wp_tokenize_mib"), ("peak MiB of bert-infer", "bert_infer_mib"):
        lines.append(f"| {title} | " + " | ".join(f"{r[key]:.1f}" for r in (small, large)) + " |")
    (OUT / "million.json").write_text(json.dumps({"runs": [small, large]}, indent=1))
    (OUT / "million.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
