"""The DATABASES entry: the server that DATABASE_URL names, or the embedded one in var/."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from django.core.exceptions import ImproperlyConfigured

from stemset.env import StrictEnv

POSTGRESQL = "django.db.backends.postgresql"


def database_settings(env: StrictEnv, embedded_folder: Path) -> dict[str, Any]:
    """Return Django's settings for the one database.

    A process that serves many requests keeps 10 connections open and may go to 30 (DATABASE_POOL_SIZE,
    DATABASE_POOL_OVERFLOW). Commands end soon and use one connection: manage.py switches DATABASE_POOL off.
    """
    if env.str("DATABASE_URL", default=""):
        database: dict[str, Any] = env.db("DATABASE_URL")
        if database["ENGINE"] != POSTGRESQL:
            raise ImproperlyConfigured(
                "DATABASE_URL must name a PostgreSQL database: postgresql://user:password@host:5432/name"
            )
        # A folder with a unix socket is written percent-encoded in the place of the host.
        database["HOST"] = unquote(database["HOST"])
    else:
        # The server's own first database is enough, so nothing has to be created before the first connection.
        database = {
            "ENGINE": "stemset.embedded_postgres",
            "NAME": "postgres",
            "USER": "postgres",
            "EMBEDDED_FOLDER": str(embedded_folder),
            "TEST": {"NAME": "test_stemset"},
        }
    database["CONN_MAX_AGE"] = 0  # the pool keeps connections, not Django
    database.setdefault("OPTIONS", {})
    size = env.number("DATABASE_POOL_SIZE", default=10, at_least=1)
    overflow = env.number("DATABASE_POOL_OVERFLOW", default=20)
    if env.flag("DATABASE_POOL", default=True):
        database["OPTIONS"]["pool"] = {"min_size": size, "max_size": size + overflow, "timeout": 10}
    return database
