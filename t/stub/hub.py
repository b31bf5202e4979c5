#!/usr/bin/env python3
"""A stand-in for the Hugging Face Hub on 127.0.0.1, for t/70-fetch-model.t.

    hub.py FOLDER PORT_FILE LOG_FILE

FOLDER/ORGANISATION/MODEL/FILE is served as the Hub does it: small files with their ETag, *.safetensors by a redirection
to a second server ("the file store"), which supports ranges. PORT_FILE gets the port once it listens. LOG_FILE gets one
line a request: SERVER METHOD PATH CODE RANGE AUTHORIZATION.

Files in FOLDER/.control change its manners:
    break      a number: so many transfers from the file store end in the middle
    no-range   the file store ignores ranges
    corrupt    the file store sends other bytes than it should
    busy       a number: so many requests are answered 503
    secret     ORGANISATION "private" needs this token
Only the standard library is used.
"""
import hashlib
import http.server
import os
import sys
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"
folder, port_file, log_file = sys.argv[1:4]
lock = threading.Lock()


def control(name):
    try:
        with open(os.path.join(folder, ".control", name), encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return None


def count_down(name):
    """Whether one more of the counted mishaps is due."""
    with lock:
        left = int(control(name) or 0)
        if left > 0:
            with open(os.path.join(folder, ".control", name), "w", encoding="utf-8") as file:
                file.write(str(left - 1))
        return left > 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_name = "hub"

    def log_message(self, format, *args):
        pass

    def note(self, code):
        with lock, open(log_file, "a", encoding="utf-8") as file:
            file.write(
                f"{self.server_name} {self.command} {self.path} {code} {self.headers.get('Range', '-')} "
                f"{self.headers.get('Authorization', '-')}\n"
            )

    def answer(self, code, headers=(), body=b""):
        self.note(code)
        self.send_response(code)
        names = [name for name, _ in headers]
        for name, value in headers:
            self.send_header(name, value)
        if "Content-Length" not in names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()


class Hub(Handler):
    def do_GET(self):
        if count_down("busy"):
            return self.answer(503)
        parts = self.path.strip("/").split("/")
        if len(parts) == 4 and parts[1] == "resolve":  # a model's old name
            return self.answer(307, [("Location", "/renamed" + self.path)])
        if len(parts) != 5 or parts[2] != "resolve":
            return self.answer(404)
        organisation, model, _, revision, name = parts
        if organisation == "old":
            return self.answer(307, [("Location", f"/new/{model}/resolve/{revision}/{name}")])
        if organisation == "private" and self.headers.get("Authorization") != f"Bearer {control('secret')}":
            return self.answer(401, [("X-Error-Code", "RepoNotFound")])
        if not os.path.isdir(os.path.join(folder, organisation, model)):
            return self.answer(401, [("X-Error-Code", "RepoNotFound")])
        if revision not in ("main", "v1", COMMIT):
            return self.answer(404, [("X-Error-Code", "RevisionNotFound")])
        path = os.path.join(folder, organisation, model, name)
        if not os.path.isfile(path):
            return self.answer(404, [("X-Error-Code", "EntryNotFound"), ("X-Repo-Commit", COMMIT)])
        with open(path, "rb") as file:
            body = file.read()
        if name.endswith(".safetensors"):
            digest = hashlib.sha256(body).hexdigest()
            return self.answer(
                302,
                [
                    ("X-Repo-Commit", COMMIT),
                    ("X-Linked-ETag", f'"{digest}"'),
                    ("X-Linked-Size", str(len(body))),
                    ("Location", f"http://localhost:{store.server_port}/{organisation}/{model}/{name}"),
                ],
            )
        digest = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        return self.answer(200, [("X-Repo-Commit", COMMIT), ("ETag", f'"{digest}"')], body)


class Store(Handler):
    server_name = "store"

    def do_GET(self):
        if self.headers.get("Authorization"):
            return self.answer(400)
        with open(os.path.join(folder, self.path.lstrip("/")), "rb") as file:
            body = file.read()
        size = len(body)
        if control("corrupt") is not None:
            body = bytes(size)
        code, begin = 200, 0
        wanted = self.headers.get("Range")
        if wanted and control("no-range") is None:
            begin = int(wanted.removeprefix("bytes=").split("-")[0])
            if begin >= size:
                return self.answer(416, [("Content-Range", f"bytes */{size}")])
            code = 206
        headers = [("Content-Length", str(size - begin))]
        if code == 206:
            headers.append(("Content-Range", f"bytes {begin}-{size - 1}/{size}"))
        body = body[begin:]
        if count_down("break"):
            body = body[: len(body) // 2]
            self.close_connection = True
        return self.answer(code, headers, body)


store = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
hub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=store.serve_forever, daemon=True).start()
with open(port_file + ".tmp", "w", encoding="utf-8") as ready:
    ready.write(str(hub.server_port))
os.rename(port_file + ".tmp", port_file)
hub.serve_forever()
