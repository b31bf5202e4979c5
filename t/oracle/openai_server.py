#!/usr/bin/env python3
"""Has groq-reason ask a real server that speaks OpenAI's protocol: llama.cpp's, through llama-cpp-python.

    BUILD=build python t/oracle/openai_server.py

Prints TAP. Skips where llama-cpp-python or gguf is missing. The models are made on the spot (lib/tiny_gguf.py): one that
gives a good answer and one that babbles. Checked is that the server takes the requests, that good answers become rows,
and that bad ones become failed rows of an honest kind; nothing is said about models.
"""
import collections
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
try:
    import gguf  # noqa: F401
    import llama_cpp
    import llama_cpp.server.app  # noqa: F401
    import tiny_gguf
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

TOOL = os.path.abspath(os.path.join(os.environ.get("BUILD", "build"), "bin", "groq-reason"))
KEY = "sk-local-0123456789abcdef"
ANSWER = {"reasoning": "The word 'warm' praises it.", "cues": [{"text": "warm", "polarity": 1}], "label": "positive",
          "confidence": 0.75, "counterfactual": "a cold film"}
ROWS = [{"idx": i, "sentence": "a warm film , number %d" % i} for i in range(6)]
HONEST = {"bad_json", "bad_label", "truncated"}
count = failed = 0


def check(good, name, note=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    if not good:
        print("# " + str(note).replace("\n", "\n# "))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def server(folder, model, *options):
    port = free_port()
    log = open(os.path.join(folder, "server.log"), "a")
    process = subprocess.Popen([sys.executable, "-m", "llama_cpp.server", "--model", model, "--model_alias", "tiny",
                                "--host", "127.0.0.1", "--port", str(port), "--n_ctx", str(tiny_gguf.CONTEXT),
                                "--n_threads", "1", *options], stdout=log, stderr=log, cwd=folder)
    try:
        for _ in range(600):
            if process.poll() is not None:
                sys.exit("the server does not start; see " + log.name)
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=5).read()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()
        log.close()


def ask(url, *options, rows=None):
    text = "".join(json.dumps(row) + "\n" for row in rows or ROWS)
    command = [TOOL, "--no-journal", "--base-url", url, "--model", "tiny", *options]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8", timeout=300)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def kinds_of(rows):
    return dict(collections.Counter(row["teacher"].get("kind", "ok") for row in rows))


def check_good_rows(status, rows, err, name):
    teachers = [row["teacher"] for row in rows]
    check(status == 0 and len(rows) == len(ROWS) and all(t["status"] == "ok" for t in teachers), f"{name}: all rows",
          f"{status} {kinds_of(rows)}\n{err}")
    check(all(t.get("reasoning") == ANSWER["reasoning"] and t.get("label") == 1 and t.get("cues") == ["warm"] and
              t.get("cue_polarity") == [1] and t.get("confidence") == 0.75 and t.get("counterfactual") == "a cold film" and
              t.get("model") for t in teachers), f"{name}: hold the answer", teachers[:1])
    check(all(t.get("usage", {}).get("prompt_tokens", 0) > 0 and t["usage"]["completion_tokens"] > 0 for t in teachers),
          f"{name}: tell their tokens", teachers[:1])


def check_good_answers(url):
    for form in "text", "object", "auto":
        status, rows, err = ask(url, "--profile", "generic", "--answer-format", form)
        check_good_rows(status, rows, err, f"--answer-format {form}")
    for form in "schema", "strict":
        status, rows, err = ask(url, "--profile", "generic", "--answer-format", form)
        if status == 0:
            print(f"# this server has answer format {form}")
            check_good_rows(status, rows, err, f"--answer-format {form}")
        else:
            check(status == 2 and not rows and f"answer format {form}: " in err,
                  f"--answer-format {form}: the server has none, and the run says so", f"{status} {rows}\n{err}")
    status, rows, err = ask(url, "--profile", "openai", "--concurrency", "2")
    check_good_rows(status, rows, err, "--profile openai, from strict to what the server has")
    status, rows, err = ask(url, "--profile", "generic", "--samples", "2", "--labels", "bad,positive,very good")
    check(status == 0 and all(t["teacher"].get("label") == 1 for t in rows), "other labels, two samples", err)
    status, rows, err = ask(url.replace("/v1", "/v2"), "--profile", "generic")
    check(status == 2 and not rows and "404" in err, "a wrong path ends the run", f"{status} {err}")
    long = [ROWS[0], {"idx": 1, "sentence": "warm " * 3000}, ROWS[2]]
    status, rows, err = ask(url, "--profile", "generic", rows=long, *["--retries", "0"])
    check(status == 3 and [r["teacher"]["status"] for r in rows] == ["ok", "error", "ok"] and
          rows[1]["teacher"]["http"] in (400, 413, 422, 500), "a sentence beyond the context is a failed row",
          f"{status} {kinds_of(rows)} {err}")
    print("#", json.dumps(rows[1]["teacher"])[:300] if len(rows) > 1 else "no rows")


def check_babble(url):
    for form in "text", "object", "auto":
        status, rows, err = ask(url, "--profile", "generic", "--answer-format", form, "--temperature", "1",
                                "--max-completion-tokens", "64")
        kinds = kinds_of(rows)
        check(status in (0, 3) and len(rows) == len(ROWS) and set(kinds) <= HONEST | {"ok"},
              f"babble, --answer-format {form}: every row is there, with an honest kind {kinds}", f"{status} {err}")
        check(all(r["teacher"].get("reasoning", "x").strip() for r in rows), f"babble, {form}: no empty reasoning is ok")


def check_key(folder, url):
    path = os.path.join(folder, "key")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(KEY + "\n")
    status, rows, err = ask(url, "--profile", "generic")
    check(status == 2 and not rows and "401" in err, "a server that wants a key, and none", f"{status} {err}")
    status, rows, err = ask(url, "--profile", "generic", "--key-file", path)
    check_good_rows(status, rows, err, "--key-file")


def main():
    print(f"# llama-cpp-python {llama_cpp.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        good, babbling = os.path.join(folder, "good.gguf"), os.path.join(folder, "babbling.gguf")
        tiny_gguf.write_model(good, answer=json.dumps(ANSWER))
        tiny_gguf.write_model(babbling)
        with server(folder, good) as url:
            check_good_answers(url)
        with server(folder, babbling) as url:
            check_babble(url)
        with server(folder, good, "--api_key", KEY) as url:
            check_key(folder, url)
    print(f"1..{count}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
