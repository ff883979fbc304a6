"""The contract's cookie. One function says how it is marked, so that it is taken away as it was given."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.authentication import COOKIE
from accounts.places import client_is_on_another_host, own_origin
from accounts.tokens import LIFETIME


def give_cookie(request: HttpRequest, response: HttpResponseBase, token: str) -> None:
    """Have the browser keep a token."""
    response.set_cookie(COOKIE, token, max_age=LIFETIME, **_marks(request))


def take_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """Have the browser forget its token."""
    response.set_cookie(COOKIE, "", max_age=0, expires="Thu, 01 Jan 1970 00:00:00 GMT", **_marks(request))


def _marks(request: HttpRequest) -> dict[str, Any]:
    # Browsers send a cookie with requests of another site's pages only when it says so, and believe it only over TLS.
    foreign = client_is_on_another_host(request)
    over_tls = request.is_secure() or own_origin(request).startswith("https://")
    return {"path": "/", "httponly": True, "secure": over_tls or foreign, "samesite": "None" if foreign else "Lax"}
