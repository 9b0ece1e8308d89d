"""Before all routes of the studio: who asks, and whether they may look."""

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from cad_studio.services.access import acting_as
from cad_studio.services.container import Services
from cad_studio.ui.addresses import PREFIX
from cad_studio.ui.identity import login_cookies, visitor


class Door:
    """The one way in, behind `SiteGuard`, which has seen to host and origin.

    Within, everything is done in the name of the one who asks, and what was read of the database
    is not read again.
    """

    def __init__(self, app: Starlette, services: Services) -> None:
        """Stand before the routes."""
        self.routes = app.routes  # for those who list them
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not scope["path"].startswith(scope["root_path"]):
            # A proxy in front has taken its own path off, of which the root still tells.
            scope = {**scope, "root_path": PREFIX}
        request = Request(scope)  # its app is Gradio's, which knows who has logged in
        if scope["method"] == "HEAD":  # as GET; the server leaves the content out
            scope = {**scope, "method": "GET"}
        if not is_allowed(request):
            refused = JSONResponse({"error": "Log in first."}, 401)
            await refused(scope, receive, _closing(send))
            return
        with acting_as(visitor(request)), self._services.project.database.one_look():
            await self._app(scope, receive, _closing(send))


def is_allowed(request: Request) -> bool:
    """Whether the visitor has logged in, where the studio asks for that.

    Gradio's own login does not cover routes beside its own; this looks where Gradio looks.
    """
    app = request.app
    if getattr(app, "auth", None) is None:
        return True
    tokens = map(request.cookies.get, login_cookies(app))
    return any(token in app.tokens for token in tokens if token)


def _closing(send: Send) -> Send:
    """Adds what holds for every answer that does not say otherwise."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
