"""Signing in and out: the one way in which a session begins or ends, whatever proved who somebody is."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth import login
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts import sessions, tokens
from accounts.authentication import COOKIE, session_token
from accounts.cookie import take_cookie
from accounts.models import User

GOOGLE = "accounts.google.backend.Google"


def sign_in(request: HttpRequest, user: User, backend: str = GOOGLE) -> str:
    """Begin a session in this browser, in place of whatever was signed in here. Return its token."""
    sign_out(request)
    login(request, user, backend=backend)
    return tokens.token_of_session(request.session, user)  # type: ignore[arg-type]  # ours, by SESSION_ENGINE


def sign_out(request: HttpRequest) -> None:
    """End the session that this request came with, by whatever it said so. Its token is dead from now on."""
    token_id = session_token(request)
    if token_id is not None:
        sessions.sign_out(token_id)
    request.session.flush()


def sign_out_everywhere(request: HttpRequest, *, with_tokens: bool = False) -> None:
    """End all sessions of the person who asks, this one too; with_tokens ends their personal tokens as well."""
    user = request.user
    sessions.sign_out_everywhere(user)  # type: ignore[arg-type]  # nobody else gets here
    if with_tokens:
        user.api_tokens.all().delete()  # type: ignore[union-attr]
    request.session.flush()


def with_its_token(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Wrap a view of Django's that signs in or out: the token of the session before goes along with it.

    Otherwise the cookie would go on saying that the person before is here.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        before = request.session.session_key
        token_id = tokens.session_token_id(request.COOKIES.get(COOKIE, ""))
        response = view(request, *args, **kwargs)
        if COOKIE in request.COOKIES and request.session.session_key != before:
            if token_id is not None:
                sessions.sign_out(token_id)
            take_cookie(request, response)
        return response

    return wrapped
