"""A provider of logins as Hugging Face is one, on this machine: OpenID Connect over plain HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "the-studio", "a secret of the Space"


class Provider(ThreadingHTTPServer):
    """Logs everybody in as `name`, for `seconds`."""

    name = "olga"
    seconds = 3600

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.key = RSAKey.generate_key(2048, {"kid": "k", "use": "sig", "alg": "RS256"})
        self.nonces: dict[str, str] = {}

    def told(self, path: str, given: dict[str, str]) -> dict:
        """What it answers as JSON."""
        if path == "/.well-known/openid-configuration":
            ends = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
            known = {f"{name}_endpoint": f"{self.url}/{end}" for name, end in ends.items()}
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **known}
        if path == "/keys":
            return {"keys": [self.key.as_dict(private=False)]}
        assert (path, given["grant_type"]) == ("/token", "authorization_code")
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 3600,
            "nonce": self.nonces.pop(given["code"]), "preferred_username": self.name,
            "name": self.name, "profile": "", "picture": "",
        }  # fmt: skip
        token = jwt.encode({"alg": "RS256", "kid": "k"}, claims, self.key)
        kept = {"access_token": "a", "token_type": "bearer", "expires_in": self.seconds}
        return {**kept, "id_token": token}


class _Answers(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(asked.query).items()}
        if asked.path != "/authorize":
            return self._say(self.server.told(asked.path, given))
        code = f"code-{len(self.server.nonces)}"
        self.server.nonces[code] = given["nonce"]
        answer = urlencode({"code": code, "state": given["state"]})
        self.send_response(302)
        self.send_header("Location", f"{given['redirect_uri']}&{answer}")
        self.send_header("Content-Length", "0")
        return self.end_headers()

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        given = {name: values[0] for name, values in parse_qs(text).items()}
        self._say(self.server.told(self.path, given))

    def _say(self, value: dict) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def provider() -> Iterator[Provider]:
    """Run one until the end of the block."""
    server = Provider()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
