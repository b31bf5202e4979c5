"""The peers as contenders: each is a process of peers.py that loads once and is asked in every round."""
import functools
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

import prepare
from cells import BUILD, Contender, NotBuilt

VENV = pathlib.Path(os.environ["BENCH_VENV"])
PYTHON = VENV / "bin" / "python"
SCRIPT = pathlib.Path(__file__).with_name("peers.py")
EXPORTED = BUILD / "bench" / "exported"
CAP = float(os.environ.get("BENCH_PEER_CAP") or 60)


@functools.cache
def versions():
    """The packages that are there; {} without an environment or with BENCH_PEERS=0."""
    if os.environ.get("BENCH_PEERS", "1") == "0" or not os.access(PYTHON, os.X_OK):
        return {}
    done = subprocess.run([PYTHON, SCRIPT, "versions"], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def has(*packages):
    return all(package in versions() for package in packages)


def require(*packages):
    for package in packages:
        if package not in versions():
            raise NotBuilt(f"{package} is not installed")


def exported(size):
    """The runtimes' files of a model, made once for each set of versions, in a process of its own (whose memory is then no
    peer's)."""
    folder = EXPORTED / size
    mark = folder / "made-by.json"
    wanted = json.dumps(versions(), sort_keys=True)
    if not mark.exists() or mark.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "export.log", "w") as log:
            subprocess.run([PYTHON, SCRIPT, "export", prepare.model(size), folder], stdout=log, stderr=log, check=True)
        mark.write_text(wanted)
    return folder


class Worker:
    """A peers.py that serves. Workers are shared by what they loaded; close_all() ends them."""
    pool = {}

    @classmethod
    def get(cls, **load):
        key = json.dumps(load, sort_keys=True, default=str)
        if key not in cls.pool:
            cls.pool[key] = cls(load)
        return cls.pool[key]

    @classmethod
    def close_all(cls):
        for worker in cls.pool.values():
            try:
                worker.process.stdin.close()
            except OSError:
                pass  # it had ended before
            worker.process.stdout.close()
            worker.process.wait()
        cls.pool.clear()

    def __init__(self, load):
        self.errors = tempfile.TemporaryFile("w+")
        environment = dict(os.environ, OMP_NUM_THREADS=str(load["threads"]))
        self.process = subprocess.Popen([PYTHON, SCRIPT, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, env=environment)
        self.warmed = set()
        self.loaded = None
        try:
            self.loaded = self.ask(op="load", **load)
        except RuntimeError as error:
            self.failure = str(error)

    def ask(self, **order):
        if order["op"] != "load" and self.loaded is None:
            raise RuntimeError(self.failure)
        try:
            self.process.stdin.write(json.dumps(order, default=str) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise RuntimeError("the peer has ended") from None
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise RuntimeError("the peer ended: " + (self.errors.read().strip().splitlines() or ["no word"])[-1][:200])
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def first_time(self, what):
        """Whether this kind of run has not been warmed up yet."""
        new = what not in self.warmed
        self.warmed.add(what)
        return new


class Train(Contender):
    setup = 8.0

    def __init__(self, size, precision, threads, batch, order, rows, expected, limit=1000):
        self.size, self.precision, self.threads, self.batch = size, precision, threads, batch
        self.order, self.rows, self.limit = order, rows, limit
        self.seconds = min(rows / expected, CAP)

    def run(self):
        require("torch", "transformers")
        path, facts = prepare.sample("train", self.rows, self.order)
        worker = Worker.get(kind="torch", precision=self.precision, threads=self.threads, training=True,
                            model=prepare.model(self.size))
        warm = worker.first_time((self.batch, self.order))
        answer = worker.ask(op="train", rows=path, batch=self.batch, warm=2 if warm else 0, cap=CAP)
        return {"value": answer["rows"] / answer["seconds"], "rss_mib": answer["rss_kib"] / 1024, "cut": answer["cut"],
                "tokens": answer["tokens"], "rows": answer["rows"], "loss": answer["loss"]}


def worker_for(kind, size, precision, threads):
    if kind == "torch":
        require("torch", "transformers")
        return Worker.get(kind="torch", precision=precision, threads=threads, model=prepare.model(size))
    require(kind, "torch", "transformers")  # the export needs them
    return Worker.get(kind=kind, precision=precision, threads=threads, exported=exported(size))


class Batches(Contender):
    setup = 5.0

    def __init__(self, kind, size, precision, threads, order, rows, expected, limit=1000):
        self.kind, self.size, self.precision, self.threads = kind, size, precision, threads
        self.order, self.rows, self.limit = order, rows, limit
        self.seconds = min(rows / expected, CAP)

    def run(self):
        path, _ = prepare.sample("dev", self.rows, self.order)
        worker = worker_for(self.kind, self.size, self.precision, self.threads)
        warm = worker.first_time((self.order, "infer"))
        answer = worker.ask(op="infer", rows=path, batch=32, order=self.order, warm=warm, cap=CAP)
        return {"value": answer["rows"] / answer["seconds"], "rss_mib": answer["rss_kib"] / 1024, "cut": answer["cut"],
                "rows": answer["rows"], "variant": worker.loaded["variant"]}


class Latency(Contender):
    setup = 3.0

    def __init__(self, kind, size, precision, threads, count, expected_ms):
        self.kind, self.size, self.precision, self.threads = kind, size, precision, threads
        self.count = count
        self.seconds = count * expected_ms / 1000

    def run(self):
        path, facts = prepare.rows_of_length(20)
        worker = worker_for(self.kind, self.size, self.precision, self.threads)
        answer = worker.ask(op="latency", rows=path, count=self.count, warm=5)
        return {"value": 1000 * statistics.median(answer["seconds"]), "best": 1000 * min(answer["seconds"]),
                "pieces": facts["pieces"], "variant": worker.loaded["variant"]}


class Start(Contender):
    def __init__(self, kind, size, limit):
        self.kind, self.size, self.limit = kind, size, limit
        self.seconds = 6.0 if kind == "torch" else 1.5

    def run(self):
        require(*{"torch": ("torch", "transformers"), "onnxruntime": ("onnxruntime", "tokenizers")}[self.kind])
        environment = dict(os.environ)
        if self.kind == "onnxruntime":
            require("torch", "transformers")
            environment["BENCH_EXPORTED"] = str(exported(self.size))
        command = [BUILD / "t" / "bench" / "meter", "flow", "1", "/dev/null", "/dev/null", "--", PYTHON, SCRIPT, "start",
                   self.kind, prepare.model(self.size), "it 's a charming and often affecting journey ."]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
        report = json.loads(done.stdout)
        if report["status"] != 0:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no word"])[-1])
        return {"value": 1000 * report["first"], "rss_mib": report["rss_kib"] / 1024}


class Tokenise(Contender):
    setup = 1.0

    def __init__(self, text, threads, size):
        self.text, self.threads, self.size = text, threads, size
        self.seconds = size / 2.2e6 / threads

    def run(self):
        require("tokenizers")
        path = prepare.text(self.text, self.size)
        if path is None:
            raise NotBuilt("there is no such text here")
        worker = Worker.get(kind="tokenizers", threads=self.threads, vocabulary=prepare.vocabulary())
        answer = worker.ask(op="tokenise", text=path, cap=CAP)
        return {"value": answer["bytes"] / answer["seconds"] / 1e6}


def logits(kind, size, precision, threads, path):
    """A peer's logits of a sample, by idx."""
    worker = worker_for(kind, size, precision, threads)
    answer = worker.ask(op="infer", rows=path, batch=32, order="sorted", warm=0, cap=CAP, logits=True)
    return {int(idx): values for idx, values in answer["logits"].items()}
