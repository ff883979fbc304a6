"""Who may ask for a change: our own pages and those of configured origins. The client sends no CSRF token.

A browser says where a request comes from (`Origin`, or `Sec-Fetch-Site`), and no page can make it lie. What says
neither is no browser of today: it needs a CSRF token or a Bearer token, which no foreign page has. A refused request
has done nothing yet. Our own forms carry Django's token besides.
"""

import copy
import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render

from stemset.bearer import bearer_token
from stemset.errors import is_api, json_error

logger = logging.getLogger(__name__)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
REFUSAL = "This request did not come from a page of this site, so nothing was changed."


class OriginCheckMiddleware(CsrfViewMiddleware):
    """Refuses unsafe requests from elsewhere. Its parent judges the token of those that say nothing."""

    def process_request(self, request: HttpRequest) -> None:
        """Do nothing: the CSRF middleware proper sets up the cookie."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Do nothing, as above."""
        return response

    def process_view(
        self, request: HttpRequest, callback: Callable[..., HttpResponseBase], args: object, kwargs: object
    ) -> Any:
        """Let a request pass (None), or answer 403."""
        # Exempt is what looks at nobody's credentials, only at a secret in the request itself.
        exempt = getattr(callback, "is_origin_exempt", False) or getattr(request, "_dont_enforce_csrf_checks", False)
        if request.method in SAFE_METHODS or exempt:
            return None
        comes_from_us = _comes_from_us(request)
        if comes_from_us is not None:
            return None if comes_from_us else refusal(request)
        if bearer_token(request) is not None:
            return None  # whatever it is worth: nobody is taken at their cookie who sends one
        if not getattr(callback, "csrf_exempt", False):
            return None  # a form of ours: the CSRF middleware looks at its token next
        if settings.CSRF_HEADER_NAME not in request.META:
            return refusal(request)
        # Its parent reads the whole body of a POST, to look for the token there before it looks at the header.
        asked = copy.copy(request)
        asked.method = "PUT"
        return super().process_view(asked, _not_exempt, (), {})

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return refusal(request)


def _comes_from_us(request: HttpRequest) -> bool | None:
    """Return whether the browser says that a page of ours or of a configured origin asks; None if it says nothing."""
    origin = request.headers.get("Origin")
    if origin is not None:
        own = (f"{request.scheme}://{request.get_host()}", settings.BACKEND_URL)
        return bool(origin) and origin in (*own, *settings.TRUSTED_ORIGINS)
    site = request.headers.get("Sec-Fetch-Site")
    return None if site is None else site == "same-origin"


def _not_exempt(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError  # stands for a view that wants the token; it is never called


def refusal(request: HttpRequest) -> HttpResponse:
    """Answer 403, in the form that the asked place speaks. The log says what a wrong set-up of a proxy looks like."""
    logger.warning(
        "Refused %s %r: it says that it comes from %r, and this is %r.",
        request.method,
        request.path,
        request.headers.get("Origin") or request.headers.get("Sec-Fetch-Site"),
        f"{request.scheme}://{request.get_host()}",
    )
    return json_error(403, REFUSAL) if is_api(request) else render(request, "403_origin.html", status=403)
