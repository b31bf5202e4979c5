"""Our tools as contenders. Everything runs under t/bench/meter, which measures from outside."""
import functools
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile

import prepare
from cells import BUILD, Contender, NotBuilt

BIN = BUILD / "bin"
METER = BUILD / "t" / "bench" / "meter"
WORK = BUILD / "bench" / "work"
GEMM = os.environ.get("BENCH_GEMM", "")


@functools.cache
def help_of(tool):
    return subprocess.run([BIN / tool, "--help"], capture_output=True, text=True, check=True).stdout


def knows(tool, option):
    return f"--{option} " in help_of(tool)


def with_type(tool, option, value):
    """--option value, or nothing for f32; NotBuilt where the tool does not know it."""
    if not knows(tool, option):
        if value == "f32":
            return []
        raise NotBuilt(f"{tool} has no --{option}")
    return ["--" + option, value]


def gemm(tool):
    if not GEMM:
        return []
    if not knows(tool, "gemm"):
        raise NotBuilt(f"{tool} has no --gemm")
    return ["--gemm", GEMM]


def report_of(command):
    """Runs a meter; its report. A tool that failed is an error with its last words."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(last_line(done.stderr) or "meter said nothing") from None
    if report["status"] != 0:
        raise RuntimeError(f"exit status {report['status']}: {last_line(done.stderr)}")
    report["stderr"] = done.stderr
    return report


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else ""


def notes_of(text):
    """What a tool said about a type that this machine has no instructions for, and the like; not its usual lines."""
    return [line for line in text.splitlines() if line.strip() and "Epoch" not in line and "wrote " not in line and " loss " not in line][:3]


class Train(Contender):
    """Rows a second between the first record of a step and the last. Records come every `every` steps, the first of
    them ends the warm-up; one epoch of mixed rows, so that no checkpoint falls between."""

    def __init__(self, size, precision, threads, every, records, batch=32, expected=100.0):
        self.size, self.precision, self.threads = size, precision, threads
        self.every, self.records, self.batch = every, records, batch
        self.rows = every * records * batch
        self.seconds = self.rows / expected + 2

    def run(self):
        options = with_type("bert-train", "precision", self.precision) + gemm("bert-train")
        path, facts = prepare.sample("train", self.rows, "mixed")
        WORK.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=WORK) as folder:
            copy = pathlib.Path(folder) / "metrics"
            report = report_of([METER, "flow", 1, prepare.tokens_of(path), copy, "--", BIN / "bert-train", "-m",
                                prepare.model(self.size), "-o", pathlib.Path(folder) / "model", "--batch-size",
                                self.batch, "--epochs", 1, "--log-steps", self.every, "--metrics", "/dev/stdout",
                                "--threads", self.threads, *options])
            records = [json.loads(line) for line in copy.read_text().splitlines()]
        times = {}
        for number, record in enumerate(records, 1):
            if record.get("event") == "step":
                times[record["step"]] = next(time for lines, time in report["marks"] if lines >= number)
        first, last = min(times), max(times)
        if last <= first:
            raise RuntimeError("bert-train wrote fewer than two step records")
        rate = (last - first) * self.batch / (times[last] - times[first])
        start = next((r for r in records if r.get("event") == "start"), {})
        return {"value": rate, "rss_mib": report["rss_kib"] / 1024, "tokens": facts["tokens"], "rows": facts["rows"],
                "squares": facts["squares"], "notes": notes_of(report["stderr"]),
                "variant": ", ".join(str(start[key]) for key in ("gemm", "library", "kernels") if start.get(key))}


class Server:
    """One bert-infer that is asked again and again."""

    def __init__(self, size, weights, threads, lines):
        self.errors = tempfile.TemporaryFile("w+")
        options = with_type("bert-infer", "weights", weights) + gemm("bert-infer")
        command = [METER, "serve", lines, "--", BIN / "bert-infer", "--input-format", "text", "-m", prepare.model(size),
                   "--threads", threads, *options]
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True)

    def ask(self, order, begin, count):
        self.process.stdin.write(f"{order} {begin} {count}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or "{}")
        if "seconds" not in answer:
            raise RuntimeError(f"bert-infer ended: {last_line(self.words())}")
        self.rss_kib = answer["rss_kib"]  # mapped weights are in it
        return answer["seconds"]

    def words(self):
        self.errors.seek(0)
        return self.errors.read()

    def close(self):
        """The report of the whole life."""
        self.process.stdin.close()
        text = self.process.stdout.readline()
        self.process.stdout.close()
        self.process.wait()
        return json.loads(text or "{}")


class Served(Contender):
    setup = 1.0

    def __init__(self, size, weights, threads, sample):
        self.size, self.weights, self.threads, self.sample = size, weights, threads, sample
        self.server = None

    def serve(self):
        if self.server is None:
            path, self.facts = self.sample()
            self.server = Server(self.size, self.weights, self.threads, path.with_suffix(".txt"))
            self.warm()
        return self.server

    def close(self):
        if self.server is not None:
            self.server.close()
            self.server = None


class Batches(Served):
    """Sentences a second, from text lines on stdin to NDJSON on stdout: tokenising, parsing and writing included."""

    def __init__(self, size, weights, threads, sample, repeat, seconds):
        super().__init__(size, weights, threads, sample)
        self.repeat, self.seconds = repeat, seconds

    def warm(self):
        for _ in range(2):  # weights are packed when a second batch comes
            self.server.ask("block", 0, min(self.facts["rows"], 256))

    def run(self):
        server = self.serve()
        count = self.facts["rows"] * self.repeat
        seconds = server.ask("block", 0, count)
        return {"value": count / seconds, "rss_mib": server.rss_kib / 1024, "notes": notes_of(server.words()),
                "rows": self.facts["rows"], "tokens": self.facts["tokens"], "squares": self.facts["squares"]}


class Latency(Served):
    """Milliseconds from a line written to its answer read, one line at a time."""

    def __init__(self, size, weights, threads, sample, count, expected_ms):
        super().__init__(size, weights, threads, sample)
        self.count = count
        self.seconds = count * expected_ms / 1000

    def warm(self):
        self.server.ask("rows", 0, max(3, min(20, self.count)))

    def run(self):
        seconds = self.serve().ask("rows", 0, self.count)
        return {"value": 1000 * statistics.median(seconds), "best": 1000 * min(seconds), "pieces": self.facts["pieces"],
                "notes": notes_of(self.server.words())}


class Start(Contender):
    """Milliseconds from exec to the first label, the model's file in the page cache: the median of a few."""
    seconds = 0.5

    def __init__(self, size, threads, weights="f32", repeat=5):
        self.size, self.threads, self.weights, self.repeat = size, threads, weights, repeat

    def run(self):
        WORK.mkdir(parents=True, exist_ok=True)
        line = WORK / "one-line.txt"
        line.write_text("it 's a charming and often affecting journey .\n")
        options = with_type("bert-infer", "weights", self.weights) + gemm("bert-infer")
        firsts = []
        for _ in range(self.repeat + 1):
            report = report_of([METER, "flow", 1, line, "/dev/null", "--", BIN / "bert-infer", "-q", "--input-format",
                                "text", "-m", prepare.model(self.size), "--threads", self.threads, *options])
            firsts.append(1000 * report["first"])
        return {"value": statistics.median(firsts[1:]), "rss_mib": report["rss_kib"] / 1024}


class Tokenise(Contender):
    """Megabytes (10^6) of text a second over the whole life of a process, starting included; frames go to a pipe."""

    def __init__(self, text, threads, size):
        self.text, self.threads, self.size = text, threads, size
        self.seconds = size / 50e6

    def run(self):
        path = prepare.text(self.text, self.size)
        if path is None:
            raise NotBuilt("there is no such text here")
        WORK.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=WORK) as folder:
            report_path = pathlib.Path(folder) / "report"
            subprocess.run([METER, "run", report_path, "--", BIN / "wp-tokenize", "-q", "-m", prepare.vocabulary(),
                            "--input-format", "text", "--threads", str(self.threads), path],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
            report = json.loads(report_path.read_text())
        if report["status"] != 0:
            raise RuntimeError(f"exit status {report['status']}")
        return {"value": path.stat().st_size / report["wall"] / 1e6, "rss_mib": report["rss_kib"] / 1024}


class WholeRun(Contender):
    """Rows a second of a bert-infer's whole life, starting included, on `rows` text lines."""

    def __init__(self, size, threads, rows, expected):
        self.size, self.threads, self.rows = size, threads, rows
        self.seconds = rows / expected

    def run(self):
        path, _ = prepare.sample("train", self.rows, "mixed")
        report = report_of([METER, "flow", 1 << 40, path.with_suffix(".txt"), "/dev/null", "--", BIN / "bert-infer", "-q",
                            "--input-format", "text", "-m", prepare.model(self.size), "--threads", self.threads,
                            *gemm("bert-infer")])
        if report["lines"] != self.rows:
            raise RuntimeError(f"{report['lines']} answers to {self.rows} rows")
        return {"value": self.rows / report["wall"], "rss_mib": report["rss_kib"] / 1024}


class Accuracy(Contender):
    """Correct answers in percent of a trained classifier on the development rows, and how many differ from f32's."""
    limit = 1
    seconds = 8.0

    def __init__(self, student, weights, threads):
        self.student, self.weights, self.threads = student, weights, threads

    def predictions(self, weights):
        rows = prepare.rows("dev")
        path, _ = prepare.sample("dev", len(rows), "mixed")
        options = with_type("bert-infer", "weights", weights) + gemm("bert-infer")
        done = subprocess.run([str(part) for part in [BIN / "bert-infer", "-q", "-m", self.student, "--threads",
                                                      self.threads, *options, path]], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(last_line(done.stderr))
        return {row["idx"]: (row["label"], row["pred"]["label"]) for row in map(json.loads, done.stdout.splitlines())}

    def run(self):
        answers, plain = self.predictions(self.weights), self.predictions("f32")
        correct = sum(label == answer for label, answer in answers.values())
        return {"value": 100 * correct / len(answers), "rows": len(answers),
                "changed": sum(answers[i][1] != plain[i][1] for i in plain)}


def logits(size, path, threads):
    """Our logits of a sample, by idx."""
    done = subprocess.run([str(part) for part in [BIN / "bert-infer", "-q", "--logits", "-m", prepare.model(size),
                                                  "--threads", threads, path]], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(last_line(done.stderr))
    return {row["idx"]: row["pred"]["logits"] for row in map(json.loads, done.stdout.splitlines())}


def clean():
    shutil.rmtree(WORK, ignore_errors=True)
