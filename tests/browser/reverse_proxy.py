"""A reverse proxy on this machine that serves a studio under a path, as nginx would."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_OF_THE_CONNECTION = {"connection", "transfer-encoding", "keep-alive"}


@contextmanager
def reverse_proxy(
    port: int, prefix: str, keeps_host: bool = True, says_prefix: bool = False
) -> Iterator[str]:
    """The address under which the studio on `port` is then found.

    Args:
        port: Where the studio listens, on 127.0.0.1.
        prefix: The path that is taken off, e.g. `/studio`.
        keeps_host: Whether the host that was asked for is passed on as such; else it becomes
            127.0.0.1, and the one asked for stands in `X-Forwarded-Host`.
        says_prefix: Whether the path that is taken off stands in `X-Forwarded-Prefix`.
    """

    class Handler(BaseHTTPRequestHandler):
        def handle_request(self) -> None:
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            length = int(self.headers.get("Content-Length") or 0)
            sent = {name: value for name, value in self.headers.items()
                    if name.lower() not in _OF_THE_CONNECTION}  # fmt: skip
            if not keeps_host:
                sent |= {"Host": f"127.0.0.1:{port}", "X-Forwarded-Host": self.headers["Host"]}
            if says_prefix:
                sent["X-Forwarded-Prefix"] = prefix
            path = self.path.removeprefix(prefix) or "/"
            asked.request(self.command, path, self.rfile.read(length) or None, sent)
            answer = asked.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_THE_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            while part := answer.read1(65536):
                self.wfile.write(part)
                self.wfile.flush()
            asked.close()

        do_GET = do_POST = do_HEAD = do_OPTIONS = handle_request

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: object) -> None:
            """A browser that leaves is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{prefix}"
    finally:
        server.shutdown()
        server.server_close()
