"""The token that a request carries in its Authorization header."""

from django.http import HttpRequest


def bearer_token(request: HttpRequest) -> str | None:
    """Return the token of `Authorization: Bearer`, "" if that is all it says, or None if it says something else.

    The empty one is a token too, and no good one: a script whose variable was never set must not be taken at a cookie.
    """
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
