"""Whom the site lets in at all: the one rule, asked at every sign-in and at every request. It fails closed."""

from django.conf import settings

from accounts.models import User


def is_allowed_address(email: str) -> bool:
    """Return whether config.yaml names this address. With no addresses there, nobody's is."""
    address = email.strip().lower()
    return bool(address) and address in settings.SIGN_IN.allowed_emails


def is_admitted(user: User) -> bool:
    """Return whether a person may be here: switched on, and staff, invited or named in config.yaml."""
    return user.is_active and (user.is_staff or user.is_invited or is_allowed_address(user.email))
