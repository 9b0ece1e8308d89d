"""A bare server of actions in a process of its own: quick to start, and to be killed."""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cad_studio.config import AppConfig
from cad_studio.core.errors import CadStudioError
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.container import Services


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path)
    parser.add_argument("--port", type=int)
    given = parser.parse_args()
    services = Services(AppConfig(given.project))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer({"components": [{"id": 1, "props": {"elem_id": "annotate-page"}}]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]
            (action,) = body["actions"]
            try:
                answer = services.annotation.act(body["dataset"], ActionRequest(**action))
            except CadStudioError as error:
                answer = {"error": str(error)}
            self._answer({"answers": [answer]})

        def log_message(self, *_given):
            pass

        def _answer(self, value):
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    ThreadingHTTPServer(("127.0.0.1", given.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
