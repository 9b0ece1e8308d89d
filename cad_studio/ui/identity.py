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
    cookie = getattr(app, "cookie_id", None)
    if cookie is not None:
        for name in (f"access-token-{cookie}", f"access-token-unsecure-{cookie}"):
            token = inner.cookies.get(name)
            if token and token in tokens:
                return str(tokens[token])
    info = (scope.get("session") or {}).get("oauth_info") or {}
    if info.get("expires_at") is not None and info["expires_at"] < time.time():
        return None
    return (info.get("userinfo") or {}).get("preferred_username")


def visitor_of_event() -> str | None:
    """The name of the one whose event or server function Gradio is running."""
    return visitor(LocalContext.request.get(None))
