"""The signing key of an installation that did not set SECRET_KEY: made once, kept beside the database."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key


def stored_secret_key(path: Path) -> str:
    """Return the key in `path`, making it (mode 0600) when there is none.

    Raises ImproperlyConfigured when it can neither be read nor made.
    """
    try:
        if not path.exists():
            _make(path)
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"The secret key cannot be kept in {path}: {error}. "
            "Point STEMSET_VAR_DIR at a folder that this user may write to, or set SECRET_KEY."
        ) from None


def _make(path: Path) -> None:
    """Two processes may start at once: the file is linked into place complete, and whoever comes second reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    # What a killed process with this number left behind may have any mode.
    temporary.unlink(missing_ok=True)
    # Nobody else may read it at any moment, so it is made with that mode instead of given it afterwards.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(get_random_secret_key())
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
