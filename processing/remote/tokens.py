"""The token with which the remote worker answers. Only its hash is kept: who reads the database cannot answer."""

import hashlib
import secrets
from typing import NamedTuple

from django.utils.crypto import constant_time_compare


class Token(NamedTuple):
    """A new one: `text` for the remote worker, `digest` for the job's row."""

    text: str
    digest: str


def new_token() -> Token:
    """Return a token that nobody can guess."""
    text = secrets.token_urlsafe(32)
    return Token(text, _digest(text))


def fits(text: str, digest: str) -> bool:
    """Whether this is the token with that digest. No token fits the digest of a job that was never handed over."""
    return bool(digest) and constant_time_compare(_digest(text), digest)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
