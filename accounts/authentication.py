"""Who is asking: a Bearer token, the contract's cookie and Django's session are accepted on every route."""

from typing import Any
from uuid import UUID

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, empty
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import sessions, tokens
from accounts.admission import is_admitted
from accounts.models import User
from stemset.bearer import bearer_token
from stemset.errors import is_api

COOKIE = "stemset_token"  # a name
# What a request's `auth` says when a script asked. Everything else is a person before a screen.
BY_SCRIPT = "personal token"


class PersonMiddleware(AuthenticationMiddleware):
    """Sets `request.user`, which costs one statement, and only when somebody asks."""

    def process_request(self, request: HttpRequest) -> None:
        """Prepare the question."""
        request.user = LazyPerson(lambda: person_of(request))  # type: ignore[assignment]

        async def auser() -> Any:
            return request.user

        request.auser = auser


class LazyPerson(SimpleLazyObject):  # type: ignore[type-arg]
    """Whoever it is, once somebody asks."""

    def person(self) -> User | AnonymousUser:
        """Return the person without this shell, through which every look costs."""
        if self._wrapped is empty:
            self._setup()
        found: User | AnonymousUser = self._wrapped
        return found


class RequestPerson(BaseAuthentication):
    """What the API asks: the person whom the middleware has found."""

    def authenticate(self, request: Request) -> tuple[User, str | None] | None:
        """Return the person and whether a script speaks for them, or None for the anonymous one."""
        user = request._request.user
        if isinstance(user, LazyPerson):
            user = user.person()
        if not user.is_authenticated:
            return None
        return user, BY_SCRIPT if is_personal_token(bearer_token(request._request)) else None

    def authenticate_header(self, request: Request) -> str:
        """Have refusals of strangers answered by 401."""
        return "Bearer"


def person_of(request: HttpRequest) -> User | AnonymousUser:
    """Return the person who is asking, or the anonymous one."""
    user = _credentials(request)
    return user if user is not None and is_admitted(user) else AnonymousUser()


def is_personal_token(token: str | None) -> bool:
    """Return whether a token looks like one for scripts."""
    return token is not None and token.startswith(tokens.PERSONAL_PREFIX)


def session_token(request: HttpRequest) -> UUID | None:
    """Return the token id that this request's Bearer token or cookie leads to, if any."""
    bearer = bearer_token(request)
    return tokens.session_token_id(request.COOKIES.get(COOKIE, "") if bearer is None else bearer)


def _credentials(request: HttpRequest) -> User | None:
    bearer = bearer_token(request)
    if bearer is None:
        return _of_session_token(request.COOKIES.get(COOKIE, "")) or _of_session(request)
    # A token that does not count is never made good by a cookie: a page that may not know who is signed in could
    # otherwise borrow their cookie.
    if is_personal_token(bearer):
        return tokens.person_of_personal_token(bearer) if _is_for_scripts(request) else None
    return _of_session_token(bearer)


def _is_for_scripts(request: HttpRequest) -> bool:
    # Not the pages and not the admin: a token that leaks from a script must not be able to make itself a password.
    return is_api(request) or request.path.startswith("/media/")


def _of_session_token(token: str) -> User | None:
    token_id = tokens.session_token_id(token) if token else None
    return sessions.person_of_token(token_id) if token_id else None


def _of_session(request: HttpRequest) -> User | None:
    """Return the person whom Django's own session has signed in; one whose password changed since is ended."""
    session: Any = request.session
    user: User | None = session.person()
    if user is None and session.user is not None:
        session.flush()
    return user
