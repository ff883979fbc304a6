"""How often one address may try to sign in.

The count is kept in the memory of each process: with n processes an address has n times as many tries. That is enough
against guessing and against filling the database with sessions, and it costs no table and no other server.
"""

import hashlib
import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from rest_framework.throttling import SimpleRateThrottle

from stemset.errors import is_api, json_error


class SignInThrottle(SimpleRateThrottle):
    """Counts tries of an address. The rates are in settings.SIGN_IN_RATES, by what is tried."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__()

    def get_rate(self) -> str:
        """Return how many tries in how long."""
        rate: str = settings.SIGN_IN_RATES[self.scope]
        return rate

    def get_cache_key(self, request: HttpRequest, view: object) -> str:
        """Return under which name the tries are counted."""
        # Hashed, because a header may say anything.
        return f"sign-in:{self.scope}:{hashlib.sha256(client_address(request).encode()).hexdigest()}"


def client_address(request: HttpRequest) -> str:
    """Return where a request comes from. Only behind a proxy that we trust (STEMSET_HTTPS) is its word taken.

    Its word is the last one in X-Forwarded-For: what stands before that anybody may have written.
    """
    forwarded = request.headers.get("X-Forwarded-For", "")
    if settings.SECURE_PROXY_SSL_HEADER and forwarded:
        return forwarded.rpartition(",")[2].strip()
    return str(request.META.get("REMOTE_ADDR", ""))


def throttled(
    scope: str, *methods: str
) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Limit requests of these methods; who asks too often is answered 429 and told when to come back."""

    def decorator(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method in methods:
                throttle = SignInThrottle(scope)
                if not throttle.allow_request(request, view):
                    return _come_back(request, math.ceil(throttle.wait() or 1))
            return view(request, *args, **kwargs)

        return wrapped

    return decorator


def _come_back(request: HttpRequest, seconds: int) -> HttpResponse:
    if is_api(request) and "text/html" not in request.headers.get("Accept", ""):
        response: HttpResponse = json_error(429, f"Too many tries to sign in. Try again in {seconds} seconds.")
    else:
        response = render(request, "accounts/come_back.html", {"seconds": seconds}, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response
