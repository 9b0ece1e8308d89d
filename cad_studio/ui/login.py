"""Logging in and out, and what a request may do by the role of the one who sends it."""

import secrets
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cad_studio.core.assets import ASSETS
from cad_studio.core.errors import CadStudioError
from cad_studio.services.access import acting_as
from cad_studio.services.container import Services
from cad_studio.services.login_limit import TooManyTriesError
from cad_studio.ui.identity import login_cookies, visitor
from cad_studio.ui.site_guard import LOGIN, PREFIX_KEY, UPLOAD

_PAGE = Path(__file__).parent / "components" / "login.html"
_STYLE = ASSETS / "theme.css"
_MOST_BYTES = 10_000
_MOST_WAITING = 50
_NO_STORE = {"Cache-Control": "no-store"}
_PAGE_FUNCTIONS = "/component_server"


def login_routes(services: Services) -> list[Route]:
    """`/login` where passwords are asked for, and `/logout`, in the place of Gradio's own."""
    found = [Route(path, _log_out, methods=["GET", "POST"]) for path in ("/logout", "/logout/")]
    if services.login is not None and not services.login.by_hub:
        log_in = _log_in(services)
        found += [Route(path, log_in, methods=["POST"]) for path in (LOGIN, f"{LOGIN}/")]
    return found


def _log_in(services: Services) -> Any:  # a handler of Starlette
    # One after another: a hash takes a core for a while, and the others are for those at work.
    one_at_a_time = CapacityLimiter(1)
    is_space = bool(services.config.space_hosts)

    async def log_in(request: Request) -> Response:
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > _MOST_BYTES:
            return _told("A login is a name and a password.", 413)
        name, password = await _credentials(request)
        if one_at_a_time.statistics().tasks_waiting >= _MOST_WAITING:
            return _told("Many people are logging in at once. Try again in a moment.", 429)
        try:
            is_right = await to_thread.run_sync(
                services.access.may_log_in, name, password, _address(services, request),
                limiter=one_at_a_time,
            )  # fmt: skip
        except TooManyTriesError as error:
            answer = _told(str(error), 429)
            answer.headers["Retry-After"] = str(error.seconds)
            return answer
        if not is_right:
            return _told("This name and password do not belong together.", 401)
        token = secrets.token_urlsafe(32)
        request.app.tokens[token] = name
        secure = request.url.scheme == "https"
        answer = JSONResponse({"success": True}, headers=_NO_STORE)
        # Lax, not Strict: a link to the studio in a mail keeps its reader logged in, and opening
        # one changes nothing. In a Space the studio is a frame of huggingface.co, where only None
        # reaches it; the origin is checked in any case.
        answer.set_cookie(
            login_cookies(request.app)[0 if secure else 1], token, path=_root(request),
            httponly=True, secure=secure, samesite="none" if is_space and secure else "lax",
        )  # fmt: skip
        return answer

    return log_in


async def _credentials(request: Request) -> tuple[str, str]:
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            given = await request.json()
        except ValueError:
            given = None
        fields: Any = given if isinstance(given, dict) else {}
    else:
        fields = await request.form(max_files=0, max_fields=10)
    name, password = (fields.get(part) for part in ("username", "password"))
    return str(name or "").strip(), str(password or "")


async def _log_out(request: Request) -> Response:
    """Ends the session that asks, in this browser alone."""
    if request.method != "POST":
        return PlainTextResponse("Log out with the button in the header.", 405, {"Allow": "POST"})
    request.scope.get("session", {}).pop("oauth_info", None)
    answer = JSONResponse({"success": True}, headers=_NO_STORE)
    for cookie in login_cookies(request.app):
        request.app.tokens.pop(request.cookies.get(cookie), None)
        answer.delete_cookie(cookie, path=_root(request))
    return answer


class RoleGate:
    """Behind everything that finds out who asks: the login page, and uploads for owners alone."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        """Stand before the routes."""
        self._app = app
        self._services = services
        login = services.login
        self._asks = login is not None and not login.by_hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        answer = self._answer(Request(scope)) if scope["type"] == "http" else None
        # What a page asks a function for looks each record up once, as what it reads does. No
        # other call of Gradio's: some go on for as long as the page is open.
        is_short = scope["type"] == "http" and scope["path"].endswith(_PAGE_FUNCTIONS)
        looking = self._services.project.database.one_look() if is_short else nullcontext()
        with looking:
            await (answer or self._app)(scope, receive, send)

    def _answer(self, request: Request) -> Response | None:
        path = request.url.path.removeprefix(request.scope.get("root_path", "")).rstrip("/")
        if request.method == "POST" and path == UPLOAD:
            return self._refused_upload(request)
        if not path and self._asks and request.method == "GET" and visitor(request) is None:
            return HTMLResponse(_page(), headers=_NO_STORE)
        return None

    def _refused_upload(self, request: Request) -> Response | None:
        name = visitor(request)
        if name is None and self._asks:
            return None  # Gradio answers that a login is needed
        try:
            with acting_as(name):
                self._services.require_writable()
        except CadStudioError as error:
            return _told(str(error), 403)
        return None


def _page() -> str:
    style = _STYLE.read_text(encoding="utf-8")
    return _PAGE.read_text(encoding="utf-8").replace("/* theme */", style)


def _told(words: str, status: int) -> JSONResponse:
    return JSONResponse({"error": words}, status, headers=_NO_STORE)


def _root(request: Request) -> str:
    path = urlsplit(request.app.root_path or "").path.rstrip("/")
    return path or request.scope.get(PREFIX_KEY) or "/"


def _address(services: Services, request: Request) -> str:
    """Of the visitor's machine; behind a proxy of the owner's, as that one saw it."""
    if services.config.trust_proxy or services.config.space_hosts:
        told = request.headers.getlist("x-forwarded-for")
        if told:
            return told[-1].rpartition(",")[2].strip()
    return request.client.host if request.client else ""
