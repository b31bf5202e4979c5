#!/usr/bin/env python3
"""A file server on 127.0.0.1 with bad manners, for t/11-sst2-dump-download.t.

    files.py FOLDER PORT_FILE LOG_FILE

The path says how FOLDER/FILE is served: /MANNER/.../FILE, where the manners are

    break:N:T      the first T transfers end after N bytes of the body
    no-range       ranges are ignored
    wrong-range    a range is answered with another one
    weak           the ETag is weak
    dated          no ETag, only Last-Modified
    unversioned    neither
    chunked        no Content-Length
    changing:B     after the first transfer FOLDER/B is served, under its own ETag
    status:N:T     the first T requests are answered with the status N (T 0: all)
    html           a login page instead of the file, status 200
    to:URL         a redirection, the path of the URL with ! for /
PORT_FILE gets the port once it listens. LOG_FILE gets one line a request: STATUS RANGE IF-RANGE BODY-BYTES.
Only the standard library is used.
"""
import hashlib
import http.server
import os
import sys
import threading

folder, port_file, log_file = sys.argv[1:4]
lock = threading.Lock()
seen = {}  # requests so far for each path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    def note(self, status, size):
        with lock, open(log_file, "a", encoding="utf-8") as file:
            file.write(f"{status} {self.headers.get('Range', '-')} {self.headers.get('If-Range', '-')} {size}\n")

    def answer(self, status, headers, body, size=None):
        """Sends the body's first `size` bytes and then hangs up; all of them where it is None."""
        self.note(status, len(body) if size is None else min(size, len(body)))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body if size is None else body[:size])
        self.close_connection = True

    def do_GET(self):
        *manners, name = self.path.strip("/").split("/")
        manners = dict((m.split(":", 1) + [""])[:2] for m in manners)
        with lock:
            count = seen[self.path] = seen.get(self.path, 0) + 1
        if "status" in manners:
            status, times = (int(n) for n in manners["status"].split(":"))
            if times == 0 or count <= times:
                return self.answer(status, [("Content-Length", "5")], b"sorry")
        if "html" in manners:
            page = b"<html>please log in</html>"
            return self.answer(200, [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))], page)
        if "to" in manners:
            return self.answer(302, [("Location", manners["to"].replace("!", "/")), ("Content-Length", "0")], b"")
        if "changing" in manners and count > 1:
            name = manners["changing"]
        try:
            with open(os.path.join(folder, name), "rb") as file:
                whole = file.read()
        except OSError:
            return self.answer(404, [("Content-Length", "9")], b"not found")
        self.send_file(manners, count, whole)

    def send_file(self, manners, count, whole):
        etag = '"%s"' % hashlib.sha256(whole).hexdigest()[:16]
        date = "Thu, 01 Jan 2026 00:00:%02d GMT" % (len(whole) % 60)
        headers = [("Content-Type", "application/zip")]
        if "unversioned" not in manners:
            headers.append(("Last-Modified", date))
            if "dated" not in manners:
                headers.append(("ETag", ("W/" if "weak" in manners else "") + etag))
        status, begin = 200, 0
        asked = self.headers.get("Range", "")
        fits = self.headers.get("If-Range") in (None, date, etag if "weak" not in manners else None)
        if asked.startswith("bytes=") and asked.endswith("-") and fits and "no-range" not in manners:
            begin = int(asked[6:-1])
            if begin >= len(whole):
                return self.answer(416, [("Content-Range", f"bytes */{len(whole)}"), ("Content-Length", "0")], b"")
            if "wrong-range" in manners:
                begin = max(0, begin - 7)
            status = 206
            headers.append(("Content-Range", f"bytes {begin}-{len(whole) - 1}/{len(whole)}"))
        body = whole[begin:]
        if "chunked" not in manners:
            headers.append(("Content-Length", str(len(body))))
        size = None
        if "break" in manners:
            size, times = (int(n) for n in manners["break"].split(":"))
            size = size if count <= times else None
        self.answer(status, headers, body, size)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w", encoding="utf-8") as out:
    out.write(str(server.server_address[1]))
os.rename(port_file + ".new", port_file)
server.serve_forever()
