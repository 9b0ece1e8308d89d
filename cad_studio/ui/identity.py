"""Who asks: the name Gradio's login or Hugging Face's has checked, wherever a request comes in."""

import time
from typing import Any

from gradio.context import LocalContext


def visitor(request: Any) -> str | None:
    """The name of the one who asks, or None when nobody has logged in.

    Args:
        request: Of Starlette, or Gradio's wrapper of one.
    """
    inner = getattr(request, "request", request)
    scope = getattr(inner, "scope", None)
    if not scope:
        return getattr(request, "username", None)
    app = scope.get("app")
    tokens = getattr(app, "tokens", None) or {}
    for name in login_cookies(app):
        token = inner.cookies.get(name)
        if token and token in tokens:
            return str(tokens[token])
    info = (scope.get("session") or {}).get("oauth_info") or {}
    if info.get("expires_at") is not None and info["expires_at"] < time.time():
        return None
    return (info.get("userinfo") or {}).get("preferred_username")


def login_cookies(app: Any) -> tuple[str, ...]:
    """Names of the cookies Gradio looks for: over HTTPS, and else; none where it has no login."""
    cookie = getattr(app, "cookie_id", None)
    if cookie is None:
        return ()
    return (f"access-token-{cookie}", f"access-token-unsecure-{cookie}")


def visitor_of_event() -> str | None:
    """The name of the one whose event or server function Gradio is running."""
    return visitor(LocalContext.request.get(None))
