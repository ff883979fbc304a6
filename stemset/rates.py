"""How many requests are let through in how much time, as the environment has it."""

import re

from django.core.exceptions import ImproperlyConfigured

_a_rate = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)").fullmatch
UNLIMITED = "unlimited"


def request_rate(name: str, text: str) -> str | None:
    """Return a rate such as `1200/minute`, or None for `unlimited`.

    Raises ImproperlyConfigured, naming the variable, for anything else.
    """
    word = text.strip().lower()
    if word == UNLIMITED:
        return None
    if not _a_rate(word):
        raise ImproperlyConfigured(
            f"{name} must be a number of requests in a second, minute, hour or day, such as 1200/minute, "
            f"or {UNLIMITED}, not {text!r}."
        )
    return word
