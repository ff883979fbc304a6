"""Tokens: the contract's JWT, which leads to a session, and personal ones for scripts, of which only a hash is kept."""

import hashlib
import secrets
import time
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import jwt
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.sessions import PERSON, SessionStore, person_from
from stemset.prepared import fetch

LIFETIME = timedelta(days=30)
ALGORITHM = "HS256"
PERSONAL_PREFIX = "stemset_"
# How many personal tokens somebody may have at once.
MOST_TOKENS = 50
# How exactly "last used" is known: not every request is a write.
LAST_USED_STEP = timedelta(minutes=5)
SHORT_KEY = 32


_TOKEN = f"""
    SELECT api_tokens.id, api_tokens.last_used_at, {PERSON} FROM api_tokens JOIN users ON users.id = api_tokens.user_id
    WHERE secret_sha256 = %(hash)s AND (expires_at IS NULL OR expires_at > %(now)s)
"""  # noqa: S608


class TooManyTokens(Exception):
    """Somebody has as many personal tokens as anybody may have."""


def token_of_session(session: SessionStore, user: User) -> str:
    """Return the JWT that stands for a signed-in session. The session must be saved afterwards."""
    now = timezone.now()
    claims = {"sub": str(user.pk), "jti": session.token_id(), "iat": now, "exp": now + LIFETIME}
    return jwt.encode(claims, _key(), ALGORITHM)


def session_token_id(token: str) -> UUID | None:
    """Return the token id in a JWT of ours, or None for anything else: expired, altered, of another secret."""
    try:
        token_id, expires = _claims(token, _key())
    except (jwt.InvalidTokenError, ValueError):
        return None
    return token_id if time.time() < expires else None


@lru_cache(maxsize=4096)
def _claims(token: str, key: bytes) -> tuple[UUID, int]:
    """Return the token id and when the token expires (seconds since 1970).

    Remembered, because a tab brings the same token with every request. Whether it still counts is asked each time.
    """
    claims = jwt.decode(token, key, [ALGORITHM], options={"require": ["exp", "jti", "sub"]})
    return UUID(claims["jti"]), int(claims["exp"])


@transaction.atomic
def make_personal_token(user: User, name: str, expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """Make a token for scripts; return its row and the token itself, which is not seen again.

    Raises TooManyTokens.
    """
    # One at a time, or many at once would all count the same.
    User.objects.select_for_update(no_key=True).filter(pk=user.pk).values_list("pk").first()
    if user.api_tokens.count() >= MOST_TOKENS:
        raise TooManyTokens
    secret = PERSONAL_PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(user=user, name=name, secret_sha256=_hash(secret), expires_at=expires_at)
    row.refresh_from_db(fields=["created_at"])
    return row, secret


def person_of_personal_token(secret: str) -> User | None:
    """Return whose token this is, if it has not expired, and note that it was used."""
    now = timezone.now()
    for key, last_used_at, *columns in fetch(_TOKEN, {"hash": _hash(secret), "now": now}):
        if last_used_at is None or last_used_at < now - LAST_USED_STEP:
            ApiToken.objects.filter(pk=key).update(last_used_at=Now())
        return person_from(columns)
    return None


def _key() -> bytes:
    # HMAC fills a short key up with zeros (RFC 2104). Doing that here changes no signature, and spares everybody a
    # warning at every request about a short JWT_SECRET that a band has had for years; a system check speaks of it once.
    key: bytes = settings.SIGN_IN.jwt_secret.encode()
    return key.ljust(SHORT_KEY, b"\0")


def _hash(secret: str) -> str:
    # The token is 256 random bits: a plain hash cannot be guessed from, and can be looked up.
    return hashlib.sha256(secret.encode()).hexdigest()
