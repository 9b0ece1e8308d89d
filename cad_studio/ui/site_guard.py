"""In front of everything the window answers: only its own pages, and programs, get in.

A browser sends requests to this server for any page that asks it to, with the user's cookies and,
on a laptop, from behind the user's firewall. What may pass, and why that is enough:

- **Host.** Every request names a host that the owner serves. A page under a name that its author
  points at 127.0.0.1 (DNS rebinding) is of the same origin as this server to the browser, so that
  no other check sees it; but it sends its own name as the host. The header is written by the
  browser and no page can change it. A proxy's `X-Forwarded-Host` can be set by any page of the same
  origin, so it is read only where the owner trusts a proxy, and only beside a good `Host`.
- **Origin.** A request that carries an `Origin` carries that of the page it goes to: equal scheme,
  host and port. Browsers send it with every POST of another site, forms included, and with every
  cross-origin `fetch`, and write `null` where they hide it, which counts as another site's.
- **Path.** A proxy's `X-Forwarded-Prefix` makes the addresses that the pages ask for, so it is read
  only where the owner trusts a proxy, and a path given at the start goes before it.
- **Sec-Fetch-Site.** Where the browser says how the asking page stands to this one (over HTTPS, and
  on localhost), it is `same-origin`, or `none` for an address the user typed. `same-site` is not
  enough: another port of this machine is the same site. One exception: a link or an iframe on
  another page may open a page of the studio, with GET, which changes nothing; who may frame it is
  said by `frame-ancestors`, so that nobody clicks on it unknowingly.
- **Content type.** What changes something is JSON, or multipart for an upload and a login. A form
  of another site cannot send JSON, and `fetch` asks with a preflight first, which is refused. This
  closes `text/plain`, which Gradio would read as JSON, also to a browser that sent no `Origin`.
- **No CORS.** The `Origin` is taken out of the request behind this door, so that Gradio's own
  middleware, which mirrors it, adds no header that lets another page read an answer.

A program such as curl or gradio_client sends neither `Origin` nor `Sec-Fetch-Site`, and no page can
make a browser leave out both on a request that changes something: it passes with the right host
and content type. A login, where there is one, is asked for behind this door as before.

Addresses of Gradio that this window does not use, and that write, fetch from elsewhere or hand out
the login's token, are shut.
"""

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGIN, UPLOAD = "/login", "/gradio_api/upload"

_SAFE = {"GET", "HEAD", "OPTIONS"}
_BODIES = {
    LOGIN: {"application/json", "multipart/form-data", "application/x-www-form-urlencoded"},
    UPLOAD: {"multipart/form-data"},
}
"""Content types of what changes something, by path; JSON elsewhere. gradio_client logs in by a
URL-encoded form."""
_PAGES = {"/", "", "/annotate", "/login/huggingface", "/login/callback"}
"""What a link on another page may open."""
_SHUT = re.compile(
    r"/monitoring|/gradio_api/(deep_link|token|proxy=|process_recording|vibe-|undo-vibe-|dev/|run-history"
    r"|profiling|file=(https?:|//)|file/https?:)",
    re.IGNORECASE,
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
PREFIX_KEY = "cad_studio.prefix"
"""Where a request's scope says under which path a proxy serves the studio."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_FOREIGN = (
    "Only the studio's own pages may ask for this; if this is one of them, the proxy before it "
    "must pass on the host and port it was asked for."
)
_FRAMES_OF_SPACE = "https://huggingface.co"


@dataclass(frozen=True)
class Sites:
    """Where the owner serves the studio.

    Attributes:
        hosts: Names and addresses that a request may be for, in lower case, without a port.
        origins: Origins that are the studio's alone, whatever host a proxy puts in their place.
        trust_proxy: Whether `X-Forwarded-Host` and `-Proto` are what a proxy of the owner says.
        frames: Sources of pages that may show the studio in a frame, beside its own.
    """

    hosts: frozenset[str]
    origins: frozenset[str] = frozenset()
    trust_proxy: bool = False
    frames: str = ""


def sites_of(
    host: str, allow_hosts: Iterable[str], space_hosts: Iterable[str], trust_proxy: bool,
    frames: str = "",
) -> Sites:  # fmt: skip
    """Where a studio is served.

    Args:
        host: The address it listens on.
        allow_hosts: Further names, as the owner gives them.
        space_hosts: Names of the Hugging Face Space it runs on; none elsewhere.
        trust_proxy: Whether a proxy of the owner's is all that can reach it, as on a Space.
        frames: Further pages that may show it in a frame.
    """
    space = [name.lower() for name in space_hosts]
    own = _bare(host)
    hosts = {"localhost", "127.0.0.1", "::1", own, *map(_bare, [*allow_hosts, *space])}
    if own in {"0.0.0.0", "::"}:
        name = socket.gethostname().lower()
        hosts |= {name, f"{name.partition('.')[0]}.local"}
    return Sites(
        hosts=frozenset(hosts),
        origins=frozenset(f"https://{name}" for name in space),
        trust_proxy=trust_proxy or bool(space),
        frames=f"{_FRAMES_OF_SPACE if space else ''} {frames}".strip(),
    )


class SiteGuard:
    """Refuses what other people's pages ask for; see the module."""

    def __init__(
        self,
        app: ASGIApp,
        sites: Sites,
        share_url: Callable[[], str | None] = lambda: None,
        root_path: str = "",
    ) -> None:
        """Stand before `app`.

        Args:
            app: Everything behind.
            sites: Where it is served.
            share_url: Gives the public Gradio link, which is known only some time after the start.
            root_path: The path it lies under at a proxy, e.g. `/studio`.
        """
        self._app = app
        self._sites = sites
        self._share_url = share_url
        self._root_path = urlsplit(root_path).path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self._app(self._cleaned(scope), receive, self._closing(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _refused(scope, refusal)(scope, receive, self._closing(send))

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        """Why a request may not pass, as a sentence, or None."""
        host = self._host_refused(scope, headers)
        if host is not None:
            return host
        path = self._path(scope)
        if _SHUT.match(path):
            return "This address is not in use here."
        is_safe = scope["type"] == "websocket" or scope["method"] in _SAFE
        if not self._is_from_here(headers, is_safe, self._may_be_opened(scope, headers, path)):
            return _FOREIGN
        if not is_safe:
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            allowed = _BODIES.get(path.rstrip("/"), {"application/json"})
            if kind not in allowed:
                ways = " or ".join(sorted(allowed))
                return f"Send this as {ways}, not as {kind[:60] or 'nothing'}."
        return None

    def _host_refused(self, scope: Scope, headers: Headers) -> str | None:
        given = headers.getlist("host")
        forwarded = headers.getlist("x-forwarded-host") if self._sites.trust_proxy else []
        if len(given) != 1:
            return "The request names no host."
        known = self._hosts(scope)
        for named in [*given, *_first(forwarded)]:
            host = _split(named)
            if host is None:
                return "The request names no host."
            if host[0] not in known:
                return (
                    f"This studio is not served as {host[0][:100]}. Whoever started it can add the "
                    f"name: --allow-host {host[0][:100]}."
                )
        return None

    def _hosts(self, scope: Scope) -> set[str]:
        hosts = set(self._sites.hosts)
        local = scope.get("server")
        if local and _is_address(str(local[0])):
            hosts.add(_bare(str(local[0])))  # the address of this machine that was connected to
        share = self._share_url()
        if share:
            hosts.add(_bare(urlsplit(share).netloc))
        return hosts

    def _is_from_here(self, headers: Headers, is_safe: bool, may_be_opened: bool) -> bool:
        origins = headers.getlist("origin")
        relation = headers.get("sec-fetch-site")
        for origin in origins:
            hidden = origin == "null" and relation == "same-origin"
            if not hidden and not self._is_own(origin, headers):
                return False
        if relation is None or relation == "same-origin":
            return True
        if relation == "none":
            return is_safe or bool(origins)
        return may_be_opened

    def _is_own(self, origin: str, headers: Headers) -> bool:
        share = self._share_url()
        if origin.lower() in self._sites.origins or (share and origin == share.rstrip("/")):
            return True
        named = headers["host"]
        if self._sites.trust_proxy:
            named = next(iter(_first(headers.getlist("x-forwarded-host"))), named)
        asked = _split(named)
        scheme, _, rest = origin.partition("://")
        own = _split(rest)
        if asked is None or own is None or scheme not in _DEFAULT_PORTS or own[0] != asked[0]:
            return False
        usual = _DEFAULT_PORTS[scheme]
        return (own[1] or usual) == (asked[1] or usual)

    def _may_be_opened(self, scope: Scope, headers: Headers, path: str) -> bool:
        return (
            scope.get("method") == "GET"
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") in {"document", "iframe"}
            and path in _PAGES
        )

    def _path(self, scope: Scope) -> str:
        path = str(scope["path"])
        if self._root_path and f"{path}/".startswith(f"{self._root_path}/"):
            path = path.removeprefix(self._root_path)
        return path

    def _cleaned(self, scope: Scope) -> Scope:
        """The request as the application sees it: without an origin, and with no name unasked."""
        dropped = {b"origin", b"x-forwarded-prefix"}
        added: list[tuple[bytes, bytes]] = []
        prefix = self._prefix(scope)
        scheme = scope["scheme"]
        if self._sites.trust_proxy:
            told = next(iter(_first(Headers(scope=scope).getlist("x-forwarded-proto"))), "")
            if told == "https":
                scheme = "wss" if scope["type"] == "websocket" else "https"
        else:
            dropped.add(b"x-forwarded-host")
        if prefix:
            # Gradio makes the addresses of its page of this header, path and all.
            given = Headers(scope=scope)
            host = next(iter(_first(given.getlist("x-forwarded-host"))), given["host"])
            dropped.add(b"x-forwarded-host")
            added.append((b"x-forwarded-host", f"{host}{prefix}".encode("latin-1")))
        headers = [pair for pair in scope["headers"] if pair[0].lower() not in dropped]
        return {**scope, "headers": headers + added, "scheme": scheme, PREFIX_KEY: prefix}

    def _prefix(self, scope: Scope) -> str:
        """The path that a trusted proxy says it has taken off; empty where none counts."""
        if not self._sites.trust_proxy or self._root_path:
            return ""
        told = _first(Headers(scope=scope).getlist("x-forwarded-prefix"))
        path = told[0].rstrip("/") if told else ""
        parts = path.split("/")
        return path if _PREFIX.fullmatch(path) and not {".", ".."} & set(parts) else ""

    def _closing(self, send: Send) -> Callable[[MutableMapping[str, Any]], Awaitable[None]]:
        """Adds who may show an answer, or load it into a page of theirs."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                policy = f"frame-ancestors 'self' {self._sites.frames}".rstrip()
                headers.append("Content-Security-Policy", policy)
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        return sending


def _refused(scope: Scope, words: str) -> Response:
    if "text/html" in Headers(scope=scope).get("accept", ""):
        return PlainTextResponse(words, 403)
    return JSONResponse({"error": words}, 403)


def _first(values: list[str]) -> list[str]:
    """What the outermost proxy wrote, in a list, or an empty one."""
    return [values[0].partition(",")[0].strip()] if values else []


def _split(text: str) -> tuple[str, int | None] | None:
    """Host and port of an authority, or None when it is none."""
    found = _HOST.fullmatch(text)
    if found is None:
        return None
    return _bare(found[1]), int(found[2]) if found[2] else None


def _bare(host: str) -> str:
    """A host in the one form it is compared in."""
    text = host.strip().lower().rstrip(".")
    found = _HOST.fullmatch(text)
    text = (found[1] if found else text).strip("[]")
    if not _is_address(text):
        return text
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
