#!/usr/bin/env python3
"""A local server that answers POST /v1/chat/completions like Groq's, from rows that have a `teacher` member.

    teacher.py --rows FILE [--faults FILE] [--log FILE] [--delay SECONDS] [--cert FILE --key-pem FILE] --port-file FILE

Listens on 127.0.0.1 on a port of the system's choice, which it writes to the port file once it is ready. A sentence
that is in no row gets an answer that depends on its text alone. The log gets one JSON line a request (what was asked,
whether a key came with it), so that tests can count.

Faults are NDJSON rules, tried in order; the first that fits a request and is not used up is applied. The file is read
again when it has changed.
    {"sentence": "part of it", "times": 2, "status": 429, "headers": {"Retry-After": "1"}, "body": {...} or "text"}
    {"content": "the message's content", "message": {more members}, "finish_reason": "length", "usage": null}
    {"mode": "drop" | "reset" | "truncate" | "silent" | "drip" | "endless" | "slow" | "chunks", "seconds": 5}
    {"raw": "bytes in place of a response", "cut": 20}
"sentence" absent: any request; "times" absent: always. "{auth}" in a body becomes the request's own key, "{escaped}"
the same with each character written as \\uXXXX. Modes: drop closes without a word, reset breaks the connection, truncate
promises more than it sends, silent sends headers alone, drip sends byte after byte, slow waits before the first byte,
chunks sends "size" bytes a chunk. "cut" leaves out the last bytes of the body and says so in Content-Length.

It keeps nothing secret and checks no limits: it is for tests and for recording the demo's journal.
"""
import argparse
import hashlib
import json
import os
import re
import socket
import ssl
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
served = 0


def invented(sentence, labels):
    """An answer for a sentence that no row has: a function of its text."""
    digest = hashlib.sha256(sentence.encode()).digest()
    label = labels[digest[0] % len(labels)]
    word = max(sentence.split(), key=len, default=sentence)
    return {"reasoning": "The word '%s' decides it." % word, "cues": [{"text": word, "polarity": digest[1] % 3 - 1}],
            "label": label, "confidence": round(0.5 + digest[2] / 512, 3), "counterfactual": "not " + sentence}


def recorded(teacher):
    """The answer that a row's teacher member came from."""
    polarity = teacher.get("cue_polarity") or [0] * len(teacher["cues"])
    answer = {"reasoning": teacher["reasoning"],
              "cues": [{"text": t, "polarity": p} for t, p in zip(teacher["cues"], polarity)],
              "label": teacher["label_text"], "confidence": teacher["confidence"]}
    if "counterfactual" in teacher:
        answer["counterfactual"] = teacher["counterfactual"]
    return answer


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    faults, faults_file, faults_time = [], None, None
    resets = set()

    def read_faults(self):
        if not self.faults_file:
            return
        changed = os.stat(self.faults_file).st_mtime_ns
        if changed != self.faults_time:
            with open(self.faults_file, encoding="utf-8") as f:
                self.faults = [json.loads(line) for line in f if line.strip()]
            self.faults_time = changed

    def shutdown_request(self, request):
        if request in self.resets:  # without the orderly end, and what it leaves unsent is thrown away
            self.resets.discard(request)
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass  # a client that was killed is no news


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_POST(self):
        global served
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            request = json.loads(raw)
            text = request["messages"][-1]["content"]
        except (ValueError, KeyError, IndexError):
            request, text = {}, ""
        sentence = text.rsplit("Sentence: ", 1)[-1]
        with lock:
            served += 1
            number = served
            rule = self.find_rule(sentence)
            if self.server.log:
                self.server.log.write(json.dumps({
                    "n": number, "path": self.path, "sentence": sentence, "user_agent": self.headers.get("User-Agent"),
                    "authorised": "Authorization" in self.headers, "request": request}) + "\n")
                self.server.log.flush()
        if self.server.delay:
            time.sleep(self.server.delay)
        if not self.path.endswith("/v1/chat/completions"):
            rule = {"status": 404, "body": {"error": {"message": "Unknown request URL", "type": "invalid_request_error",
                                                      "code": "unknown_url"}}}
        self.answer(rule or {}, request, sentence, number)

    do_GET = do_POST

    def find_rule(self, sentence):
        self.server.read_faults()
        for rule in self.server.faults:
            if rule.get("sentence", "") in sentence and rule.get("times", 1) > 0:
                if "times" in rule:
                    rule["times"] -= 1
                return rule
        return None

    def completion(self, rule, request, sentence, number):
        system = request.get("messages", [{}])[0].get("content", "")
        named = re.search('"label": one of (.*);', system)
        labels = json.loads("[%s]" % named.group(1)) if named else ["negative", "positive"]
        answer = self.server.rows.get(sentence) or invented(sentence, labels)
        if "counterfactual" not in system:
            answer = {k: v for k, v in answer.items() if k != "counterfactual"}
        content = rule.get("content", json.dumps(answer, ensure_ascii=False))
        message = {"role": "assistant", "content": content}
        message.update(rule.get("message", {}))
        prompt = sum(len(m["content"].encode()) for m in request.get("messages", [])) // 4
        output = len((content or "").encode()) // 4
        reply = {"id": "chatcmpl-%d" % number, "object": "chat.completion", "created": 1, "model": self.server.model,
                 "system_fingerprint": "fp_stub",
                 "choices": [{"index": 0, "message": message, "logprobs": None,
                              "finish_reason": rule.get("finish_reason", "stop")}],
                 "usage": {"queue_time": 0.01, "prompt_tokens": prompt, "prompt_time": 0.01, "completion_tokens": output,
                           "completion_time": 0.1, "total_tokens": prompt + output, "total_time": 0.11},
                 "x_groq": {"id": "req_%d" % number}}
        if "usage" in rule:
            reply["usage"] = rule["usage"]
        return reply

    def answer(self, rule, request, sentence, number):
        body = rule["body"] if "body" in rule else self.completion(rule, request, sentence, number)
        key = self.headers.get("Authorization", "").replace("Bearer ", "")
        escaped = "".join("\\u%04x" % ord(c) for c in key)
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        data = text.replace("{auth}", key).replace("{escaped}", escaped).encode()
        data = data[:len(data) - rule.get("cut", 0)]
        mode = rule.get("mode")
        if mode in ("drop", "reset") or "raw" in rule:
            self.wfile.write(rule.get("raw", "").encode())
            self.close_connection = True
            if mode == "reset":
                self.server.resets.add(self.request)
            return
        if mode == "slow":
            time.sleep(rule.get("seconds", 1))
        self.send_response(rule.get("status", 200))
        self.send_header("Content-Type", rule.get("type", "application/json"))
        headers = {"x-ratelimit-limit-requests": "14400",
                   "x-ratelimit-remaining-requests": str(14400 - number % 1000),
                   "x-ratelimit-limit-tokens": "18000", "x-ratelimit-remaining-tokens": "17000",
                   "x-ratelimit-reset-requests": "6s", "x-ratelimit-reset-tokens": "120ms"}
        headers.update(rule.get("headers", {}))
        for name, value in headers.items():
            self.send_header(name, value)
        if mode == "endless":
            self.endless(rule)
            return
        if mode == "chunks":
            self.chunks(data, rule.get("size", 1))
            return
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if mode == "silent":  # headers, then nothing
            time.sleep(rule.get("seconds", 5))
            self.close_connection = True
        elif mode == "drip":
            for byte in data:
                self.wfile.write(bytes([byte]))
                time.sleep(rule.get("seconds", 0.001))
        elif mode == "truncate":
            self.wfile.write(data[:len(data) // 2])
            self.close_connection = True
        else:
            self.wfile.write(data)

    def chunks(self, data, size):
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i in range(0, len(data), size):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data[i:i + size]), data[i:i + size]))
        self.wfile.write(b"0\r\n\r\n")

    def endless(self, rule):
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        while True:
            self.wfile.write(b" " * 65536)


def main():
    parser = argparse.ArgumentParser()
    for name in ("--rows", "--faults", "--log", "--cert", "--key-pem"):
        parser.add_argument(name)
    parser.add_argument("--port-file", required=True)
    parser.add_argument("--model", default="recorded")
    parser.add_argument("--delay", type=float, default=0)
    options = parser.parse_args()

    server = Server(("127.0.0.1", 0), Handler)
    server.rows, server.faults_file = {}, options.faults
    server.read_faults()
    server.model, server.delay = options.model, options.delay
    server.log = open(options.log, "a") if options.log else None
    if options.rows:
        for line in open(options.rows, encoding="utf-8"):
            row = json.loads(line)
            server.rows[row["sentence"]] = recorded(row["teacher"])
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key_pem)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    temporary = options.port_file + ".tmp"
    with open(temporary, "w") as f:
        f.write("%d\n" % server.server_address[1])
    os.rename(temporary, options.port_file)
    server.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
