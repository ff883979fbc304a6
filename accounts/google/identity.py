"""Whom Google says somebody is, in words that the database takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAME_LENGTH = 200
URL_LENGTH = 500
EMAIL_LENGTH = 254


@dataclass(frozen=True)
class Identity:
    """A Google account."""

    # What Google calls the account, for ever; the rest may change.
    sub: str
    email: str
    is_verified: bool
    name: str
    picture_url: str


def identity_of(signed: Mapping[str, Any], told: Mapping[str, Any]) -> Identity:
    """Return the account in Google's answer. Address and verification count only if they are signed.

    An address that is none is "". A missing `email_verified` means that it was not verified.
    """
    email = _text(signed.get("email")).lower()
    return Identity(
        sub=_text(signed.get("sub")),
        email=email if "@" in email and len(email) <= EMAIL_LENGTH else "",
        is_verified=signed.get("email_verified") is True,
        name=_text(told.get("name"))[:NAME_LENGTH],
        picture_url=_url(told.get("picture")),
    )


def _url(value: Any) -> str:
    address = _text(value)
    return address if len(address) <= URL_LENGTH else ""


def _text(value: Any) -> str:
    """Return a text without what cannot be shown or, like NUL, not even stored."""
    return "".join(letter for letter in value if letter.isprintable()).strip() if isinstance(value, str) else ""
