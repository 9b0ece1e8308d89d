"""Another person's web site on this machine, which tries to drive a studio."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

EVIL, REBOUND = "evil.example", "rebound.example"
RESOLVER = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1,MAP {REBOUND} 127.0.0.1"

CALLS = ("form", "form-multipart", "no-cors", "cors", "beacon", "upload", "queue", "run", "login",
         "logout", "read", "config", "events", "image", "script", "socket")  # fmt: skip
"""What a page tries; each is a function of `ATTACK`."""

READING = {"read", "config", "events", "image", "script", "socket", "cors", "queue", "run"}
"""Calls that tell the page whether they worked; the others are seen at the studio alone."""

ATTACK = (Path(__file__).parent / "other_site.js").read_text(encoding="utf-8")
"""Defines `prepare(target, body, image)`, which defines `attack(name)`."""


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = b"<!doctype html><title>A nice page</title><h1>Kittens</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def other_site() -> Iterator[int]:
    """The port of a site that other people wrote."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
