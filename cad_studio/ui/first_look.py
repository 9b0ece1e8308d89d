"""The window before Gradio is there: its own styles and scripts come with the page itself.

Gradio's page is some seventy scripts, which fetch each other. What the studio draws needs none of
them, so it begins at once, and Gradio when that stands or is asked for something; then what was
drawn moves to Gradio's places (`studio.js`).
"""

from html import escape
from urllib.parse import parse_qsl, quote

import brotli
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cad_studio.ui.addresses import PREFIX

_HEAD, _SCRIPT, _ROOT = b"</head>", b'<script type="module"', b"<gradio-app"
_READS = PREFIX.lstrip("/")
_AS_IN_SCRIPTS = "!'()*"  # left as they are by encodeURIComponent
FIRST_ROWS = "offset=0&limit=200"
"""What the Dataset page asks for first (`dataset_samples.js`)."""
_FACES = "".join(
    f"@font-face {{ font-family: '{family}'; font-weight: {weight}; font-display: fallback; "
    f"src: url(static/fonts/{file}.woff2) }}"
    for family, weight, file in (
        ("IBM Plex Sans", 400, "IBMPlexSans/IBMPlexSans-Regular"),
        ("IBM Plex Sans", 700, "IBMPlexSans/IBMPlexSans-Bold"),
        ("IBM Plex Mono", 400, "IBMPlexMono/IBMPlexMono-Regular"),
    )
)
# Gradio's own files, which it would ask for later; a slow line has more urgent things to carry.
_FONTS = (
    "<script>if ((navigator.connection?.effectiveType ?? '4g') === '4g') "
    f'document.head.insertAdjacentHTML("beforeend", "<style>{_FACES}</style>");</script>'
)
_BEGIN = (
    "<script>window.cadScripts.then(studio => studio.begin(), () => document.body.prepend("
    "'The scripts of this page did not come. Reload it.'));</script>"
)
_HELD = b'<script type="held" id="gradio-script"'
_PACKING = 5


class FirstLook:
    """Puts what begins the studio into Gradio's page, and packs the page, which Gradio does not."""

    def __init__(self, app: ASGIApp, head: str) -> None:
        """Stand before the page.

        Args:
            app: What answers with the page.
            head: HTML for its head: the styles, and scripts that define `window.cadScripts`.
        """
        self._app = app
        self._changes = {
            _HEAD: (head + _FONTS).encode() + _HEAD,
            _SCRIPT: _HELD,
            _ROOT: _BEGIN.encode() + _ROOT,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http" or scope["method"] != "GET" or not _is_page(scope):
            await self._app(scope, receive, send)
            return
        start: Message = {}
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                headers = MutableHeaders(raw=list(start["headers"]))
                reads = _reads(scope["query_string"])
                page = self._changed(b"".join(parts), reads, headers, Headers(scope=scope))
                await send({**start, "headers": headers.raw})
                await send({"type": "http.response.body", "body": page})

        await self._app(scope, receive, keep)

    def _changed(self, page: bytes, reads: bytes, headers: MutableHeaders, asked: Headers) -> bytes:
        # the scripts work on a page that is not as expected as well, only later
        if not all(page.count(mark) == 1 for mark in self._changes):
            return page

        for mark, changed in self._changes.items():
            page = page.replace(mark, changed)
        page = page.replace(_HEAD, reads + _HEAD)
        headers["Vary"] = "Accept-Encoding"
        if "br" in asked.get("accept-encoding", ""):
            page = brotli.compress(page, mode=brotli.MODE_TEXT, quality=_PACKING)
            headers["Content-Encoding"] = "br"
        headers["Content-Length"] = str(len(page))
        return page


def _reads(query: bytes) -> bytes:
    """Links to what the scripts will read first, so that it is asked for before they are there."""
    asked = dict(parse_qsl(query.decode("latin-1")))
    asked.pop("__theme", None)
    paths = ["state"]
    if asked.keys() == {"open", "dataset"} and asked["open"] == "dataset":
        own = f"datasets/{quote(asked['dataset'], safe=_AS_IN_SCRIPTS)}"
        paths += [own, f"{own}/rows?{FIRST_ROWS}"]
    links = (
        f'<link rel="preload" as="fetch" crossorigin href="{escape(f"{_READS}/{path}")}">'
        for path in paths
    )
    return "".join(links).encode()


def _is_page(scope: Scope) -> bool:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path in {"", "/"}
