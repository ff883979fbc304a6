"""How a process of ours starts: a mistake in the configuration is a message, not a traceback."""

import contextlib
import sys
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured


@contextlib.contextmanager
def configuration_mistakes_as_text() -> Iterator[None]:
    """Print ImproperlyConfigured on stderr and exit 1. Everything else is a bug and keeps its traceback."""
    try:
        yield
    except ImproperlyConfigured as mistake:
        print(mistake, file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None
