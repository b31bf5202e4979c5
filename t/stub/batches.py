#!/usr/bin/env python3
"""A local server with files and batches beside the chat completions of teacher.py, whose answers it gives.

    batches.py [--rows FILE] [--plan FILE] [--log FILE] --port-file FILE

The plan is one JSON object, read again when it has changed; all members may be absent:
    "after": 1               looks at a batch before it has ended (default 0: it has at the first look)
    "state": "expired"       how batches end (default "completed"; a cancelled one ends "cancelled")
    "errors": ...            the batch's member `errors`, as it stands
    "unanswered": ["text"]   questions whose sentence holds one of these are not answered: they go to the error file ...
    "silent": true           ... or into no file
    "answers": [{...}]       rules for single questions, as teacher.py's faults: "sentence", "status", "body", "content"
    "shuffle": true          results are not in the questions' order
    "extra": ["..."]         further lines of the output file; "{id}" becomes the first question's custom_id
    "repeat": 2              every result line comes so often
    "counts": {...}          overrides members of request_counts
    "openai": true           pages of batches by has_more and the last name, not by a cursor
    "calls": [{...}]         rules for calls, the first that fits and is not used up is applied:
        {"call": "POST /v1/batches", "times": 1, "after": true, "status": 503, "headers": {}, "body": ...}
        "after": the call is carried out before the rule is applied
        "mode": "stall" (no reply for a minute), "drop" (the connection is closed), "cut" (half of the body, announced as
        all), "short" (the body without its last tenth and without a length), "lines" (the same, at a line's end)

The log gets a JSON line for each call, and "stalled" before one is held up.
"""
import argparse
import hashlib
import json
import os
import re
import sys
import time
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import teacher  # noqa: E402

PAGE = 2


class Store:
    """Files, batches and the plan."""

    def __init__(self, plan_file):
        self.plan_file, self.plan_time, self.plan = plan_file, None, {}
        self.files, self.batches = {}, {}

    def read_plan(self):
        if self.plan_file and os.stat(self.plan_file).st_mtime_ns != self.plan_time:
            self.plan_time = os.stat(self.plan_file).st_mtime_ns
            with open(self.plan_file, encoding="utf-8") as f:
                self.plan = json.loads(f.read() or "{}")

    def add_file(self, name, purpose, data):
        file_id = "file_%d" % (len(self.files) + 1)
        self.files[file_id] = {"id": file_id, "object": "file", "bytes": len(data), "created_at": 1, "filename": name,
                               "purpose": purpose, "data": data}
        return self.files[file_id]

    def rule_for(self, call):
        for rule in self.plan.get("calls", []):
            if call.startswith(rule["call"]) and rule.get("times", 1) > 0:
                if "times" in rule:
                    rule["times"] -= 1
                return rule
        return {}


def public(record):
    return {k: v for k, v in record.items() if k not in ("data", "looks")}


def error(message, code=None):
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


class Handler(teacher.Handler):
    def do_POST(self):
        self.handle_call("POST")

    def do_GET(self):
        self.handle_call("GET")

    def do_DELETE(self):
        self.handle_call("DELETE")

    def handle_call(self, method):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        call = method + " " + url.path
        store = self.server.store
        with teacher.lock:
            store.read_plan()
            rule = store.rule_for(call)
            self.note({"call": call, "query": url.query, "user_agent": self.headers.get("User-Agent"),
                       "authorised": "Authorization" in self.headers, "type": self.headers.get("Content-Type")})
            status, body = rule.get("status", 200), rule.get("body", "")
            if not rule or rule.get("after") or "status" not in rule and rule.get("mode") in ("cut", "short", "lines"):
                found = self.carry_out(method, url, raw)
                if "status" not in rule:
                    status, body = found
        if rule.get("mode") == "stall":
            self.note({"stalled": call})
            time.sleep(60)
        if rule.get("mode") in ("stall", "drop"):
            self.close_connection = True
            return
        self.send(status, body, rule)

    def note(self, what):
        if self.server.log:
            self.server.log.write(json.dumps(what) + "\n")
            self.server.log.flush()

    def send(self, status, body, rule):
        key = self.headers.get("Authorization", "").replace("Bearer ", "")
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        data = data.replace(b"{auth}", key.encode())
        mode, length = rule.get("mode"), len(data)
        if mode == "cut":
            data = data[:length // 2]
        elif mode == "short":
            data = data[:length - length // 10 - 1]
        elif mode == "lines":
            data = data[:data.rfind(b"\n", 0, length - 1) + 1]
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in rule.get("headers", {}).items():
            self.send_header(name, value)
        if mode in ("short", "lines"):
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = self.close_connection or mode in ("cut", "short", "lines")

    # ---- the calls ----

    def carry_out(self, method, url, raw):
        store = self.server.store
        path = re.sub("^/v1", "", url.path)
        parts = path.strip("/").split("/")
        if path == "/files" and method == "POST":
            return self.upload(raw)
        if parts[0] == "files" and len(parts) > 1:
            file = store.files.get(parts[1])
            if not file:
                return 404, error("No such file")
            if method == "DELETE":
                del store.files[parts[1]]
                return 200, {"id": parts[1], "object": "file", "deleted": True}
            return 200, file["data"] if parts[2:] == ["content"] else public(file)
        if path == "/batches" and method == "POST":
            return self.order(json.loads(raw))
        if path == "/batches":
            return 200, self.page(parse_qs(url.query))
        if parts[0] == "batches":
            batch = store.batches.get(parts[1])
            if not batch:
                return 404, error("No such batch")
            if parts[2:] == ["cancel"]:
                if batch["status"] not in ("validating", "in_progress"):
                    return 400, error("Cannot cancel a batch that has ended")
                batch["status"] = "cancelling"
            else:
                self.look(batch)
            return 200, public(batch)
        return 404, error("Unknown request URL", "unknown_url")

    def upload(self, raw):
        boundary = re.search("boundary=(.*)", self.headers.get("Content-Type", ""))
        fields = {}
        for part in raw.split(b"--" + boundary.group(1).encode())[1:-1] if boundary else []:
            head, _, data = part[2:-2].partition(b"\r\n\r\n")
            name = re.search(b'name="([^"]*)"', head).group(1).decode()
            file_name = re.search(b'filename="([^"]*)"', head)
            fields[name] = (file_name.group(1).decode() if file_name else None, data)
        if fields.get("purpose", ("", b""))[1] != b"batch" or "file" not in fields:
            return 400, error("purpose and file are needed")
        return 200, public(self.server.store.add_file(fields["file"][0], "batch", fields["file"][1]))

    def order(self, request):
        store = self.server.store
        file = store.files.get(request.get("input_file_id"))
        if not file:
            return 400, error("No such input file")
        batch_id = "batch_%d" % (len(store.batches) + 1)
        batch = {"id": batch_id, "object": "batch", "endpoint": request["endpoint"], "errors": None,
                 "input_file_id": file["id"], "completion_window": request["completion_window"], "status": "validating",
                 "output_file_id": None, "error_file_id": None, "expires_at": 1893456000, "looks": 0,
                 "request_counts": {"total": file["data"].count(b"\n"), "completed": 0, "failed": 0}}
        store.batches[batch_id] = batch
        return 200, public(batch)

    def page(self, query):
        store = self.server.store
        batches = list(reversed(list(store.batches.values())))
        names = [b["id"] for b in batches]
        after = query["after"][0] if "after" in query else query["cursor"][0].rstrip("+/") if "cursor" in query else None
        begin = names.index(after) + 1 if after else 0
        data = [public(b) for b in batches[begin:begin + PAGE]]
        more = begin + PAGE < len(batches)
        if store.plan.get("openai"):
            return {"object": "list", "data": data, "has_more": more}
        # A cursor is opaque, and need not be made of letters.
        return {"object": "list", "data": data, "paging": {"next_cursor": data[-1]["id"] + "+/" if more else None}}

    # ---- what becomes of a batch ----

    def look(self, batch):
        plan = self.server.store.plan
        batch["looks"] += 1
        if batch["status"] == "validating":
            batch["status"] = "in_progress"
        if batch["status"] == "cancelling":
            self.end(batch, "cancelled")
        elif batch["status"] == "in_progress" and batch["looks"] > plan.get("after", 0):
            self.end(batch, plan.get("state", "completed"))

    def end(self, batch, state):
        store, plan = self.server.store, self.server.store.plan
        batch["status"], batch["errors"] = state, plan.get("errors")
        if state == "failed":
            return
        output, errors, first = [], [], ""
        questions = [json.loads(line) for line in store.files[batch["input_file_id"]]["data"].splitlines()]
        assert len({q["custom_id"] for q in questions}) == len(questions)
        for number, question in enumerate(questions):
            first = first or question["custom_id"]
            line, good = self.result(batch, question, number)
            if line:
                (output if good else errors).extend([json.dumps(line, ensure_ascii=False)] * plan.get("repeat", 1))
        if plan.get("shuffle"):
            output.sort(key=lambda line: hashlib.sha256(line.encode()).digest())
        counts = {"total": len(questions), "completed": len(output), "failed": len(errors)}
        batch["request_counts"] = dict(counts, **plan.get("counts", {}))
        output += [line.replace("{id}", first) for line in plan.get("extra", [])]
        for name, lines in (("output_file_id", output), ("error_file_id", errors)):
            if lines:
                data = "".join(line + "\n" for line in lines).encode()
                batch[name] = store.add_file(name + ".jsonl", "batch_output", data)["id"]

    def result(self, batch, question, number):
        plan = self.server.store.plan
        request = question["body"]
        sentence = request["messages"][-1]["content"].rsplit("Sentence: ", 1)[-1]
        line = {"id": "batch_req_%d" % number, "custom_id": question["custom_id"], "response": None, "error": None}
        if question["method"] != "POST" or question["url"] != batch["endpoint"]:
            line["error"] = {"code": "bad_line", "message": "method or url"}
            return line, False
        if any(part in sentence for part in plan.get("unanswered", [])):
            line["error"] = {"code": "batch_expired", "message": "The batch has ended before this request was executed."}
            return None if plan.get("silent") else line, False
        rule = next((r for r in plan.get("answers", []) if r.get("sentence", "") in sentence), {})
        body = rule["body"] if "body" in rule else self.completion(rule, request, sentence, number)
        line["response"] = {"status_code": rule.get("status", 200), "request_id": "req_%d" % number, "body": body}
        return line, rule.get("status", 200) == 200


def main():
    parser = argparse.ArgumentParser()
    for name in ("--rows", "--plan", "--log"):
        parser.add_argument(name)
    parser.add_argument("--port-file", required=True)
    parser.add_argument("--model", default="recorded")
    options = parser.parse_args()
    server = teacher.Server(("127.0.0.1", 0), Handler)
    server.rows, server.model, server.delay = {}, options.model, 0
    server.store = Store(options.plan)
    server.log = open(options.log, "a") if options.log else None
    if options.rows:
        for line in open(options.rows, encoding="utf-8"):
            row = json.loads(line)
            server.rows[row["sentence"]] = teacher.recorded(row["teacher"])
    with open(options.port_file + ".tmp", "w") as f:
        f.write("%d\n" % server.server_address[1])
    os.rename(options.port_file + ".tmp", options.port_file)
    server.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
