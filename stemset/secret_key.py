"""The signing key of an installation that did not set SECRET_KEY: made once, kept beside the database."""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def stored_secret_key(path: Path) -> str:
    """Return the key in `path`, making it (mode 0600) when there is none.

    Two processes may start at once: the file is linked into place complete, and whoever comes second reads it.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_text(get_random_secret_key())
        temporary.chmod(0o600)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text().strip()
