"""Groups of measurements that belong side by side: each round runs every contender once, one after another.

A group is a file under $BUILD/bench/cells (a smoke run's: bench/quick/cells), written after each round; a bench that was
interrupted goes on with the rounds that are missing. The file carries a key (binaries, settings, the peers' versions); with another key it starts anew.
"""
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import time

BUILD = pathlib.Path(os.environ["BUILD"])
QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
OUT = BUILD / "bench" / "quick" if QUICK else BUILD / "bench"  # a smoke run must not overwrite what was measured
CELLS = OUT / "cells"
PEAKS = BUILD / "t" / "bench" / "peaks"


class NotBuilt(Exception):
    """The tool or the machine does not have what this contender needs: no failure, and said so."""


class Contender:
    """What is run once a round. run() returns {"value": ...} and more; seconds is what a run is expected to take."""
    seconds = 0.0
    setup = 0.0
    limit = 1000  # rounds at most

    def run(self):
        raise NotImplementedError

    def close(self):
        pass


class Quiet:
    """Whether the machine is: the fp32 rate of a few milliseconds beside the best one seen."""

    def __init__(self, threads):
        self.threads, self.best = threads, 0.0

    def probe(self):
        output = subprocess.run([PEAKS, "--probe", "--threads", str(self.threads)], capture_output=True, text=True,
                                check=True).stdout
        rate = float(output)
        self.best = max(self.best, rate)
        return rate

    def wait(self, patience=4):
        """Waits a little for a quiet moment; the rate seen then, as a share of the best."""
        rate = self.probe()
        while rate < 0.9 * self.best and patience > 0 and not QUICK:
            time.sleep(0.5)
            patience -= 1
            rate = self.probe()
        return rate / self.best


def waited():
    """Seconds in which some task of this machine waited for a processor, and processor seconds that the host took away;
    (0, 0) where the kernel does not tell."""
    try:
        pressure = pathlib.Path("/proc/pressure/cpu").read_text().split("total=")[1].split()[0]
        stolen = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[8]
        return int(pressure) / 1e6, int(stolen) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0, 0.0


def disturbed(run):
    """Others used the machine while this run did: it is left out of the median where enough others are there."""
    return run.get("quiet", 1) < 0.85 or run.get("waiting", 0) > 0.2 or run.get("stolen", 0) > 0.05


def digest(*parts):
    h = hashlib.sha256()
    for part in parts:
        h.update(part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode())
    return h.hexdigest()[:16]


class Group:
    def __init__(self, name, contenders, rounds, key):
        self.name, self.contenders, self.rounds, self.key = name, contenders, rounds, key
        self.path = CELLS / (name + ".json")
        self.cell = {"key": key, "runs": {}, "failed": {}, "not_built": {}, "facts": {}}
        if self.path.exists():
            old = json.loads(self.path.read_text())
            if old.get("key") == key:
                self.cell = old
                self.cell["failed"] = {}  # tried again
                self.cell["not_built"] = {}

    def wanted(self, contender):
        return min(self.rounds, contender.limit)

    def missing(self, name):
        return self.wanted(self.contenders[name]) - len(self.cell["runs"].get(name, []))

    def estimate(self):
        """Seconds that what is missing will take, roughly."""
        return sum(c.seconds * self.missing(name) + (c.setup if self.missing(name) > 0 else 0)
                   for name, c in self.contenders.items() if self.missing(name) > 0)

    def save(self):
        CELLS.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.cell, indent=1))
        temporary.rename(self.path)

    def measure(self, quiet, say):
        """Runs what is missing. say(text) shows how it goes."""
        while True:
            todo = [name for name in self.contenders if self.missing(name) > 0 and name not in self.cell["failed"]
                    and name not in self.cell["not_built"]]
            if not todo:
                break
            for name in todo:
                self.measure_one(name, quiet, say)
            self.save()
        self.save()

    def measure_one(self, name, quiet, say):
        try:
            before = quiet.wait()
            started, (waiting, stolen) = time.monotonic(), waited()
            run = self.contenders[name].run()
            seconds, now = time.monotonic() - started, waited()
            run["waiting"] = round((now[0] - waiting) / seconds, 3)
            run["stolen"] = round((now[1] - stolen) / seconds / quiet.threads, 3)
            run["quiet"] = round(min(before, quiet.probe() / quiet.best), 3)
            self.cell["runs"].setdefault(name, []).append(run)
            say(f"{self.name}: {name}: {run['value']:.4g}")
        except NotBuilt as reason:
            self.cell["not_built"][name] = str(reason)
            say(f"{self.name}: {name}: not built: {reason}")
        except Exception as error:  # one cell that fails does not end the bench
            self.cell["failed"][name] = f"{type(error).__name__}: {error}" if not str(error) else str(error)
            say(f"{self.name}: {name}: failed: {self.cell['failed'][name]}")

    def close(self):
        for contender in self.contenders.values():
            try:
                contender.close()
            except (OSError, ValueError):
                pass  # it had ended before, which was reported then


def median(cell, name, member="value"):
    """Of the runs in quiet moments, where there are at least three; else of all. None where there are none."""
    runs = [run for run in cell.get("runs", {}).get(name, []) if run.get(member) is not None]
    quiet = [run for run in runs if not disturbed(run)]
    values = [run[member] for run in (quiet if len(quiet) >= 3 else runs)]
    return statistics.median(values) if values else None


def spread(cell, name):
    values = [run["value"] for run in cell.get("runs", {}).get(name, [])]
    return (min(values), max(values), len(values)) if values else None
