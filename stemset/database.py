"""The DATABASES entry: the server that DATABASE_URL names, or the embedded one in var/."""

import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from django.core.exceptions import ImproperlyConfigured

from stemset.env import StrictEnv
from stemset.pool import check_connection

POSTGRESQL = "django.db.backends.postgresql"


def _from_url(env: StrictEnv) -> dict[str, Any]:
    # Neither the library's errors nor its warnings are shown: they quote parts of the address, maybe of the password.
    try:
        with warnings.catch_warnings(action="ignore"):
            database: dict[str, Any] = env.db("DATABASE_URL")
    except ValueError:
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read. It must look like postgresql://user:password@host:5432/name, where the port "
            "is a number and characters such as / @ : # in the password are percent-encoded."
        ) from None
    if database.get("ENGINE") != POSTGRESQL:
        raise ImproperlyConfigured(
            "DATABASE_URL must name a PostgreSQL database: postgresql://user:password@host:5432/name"
        )
    return database


def database_settings(env: StrictEnv, embedded_folder: Path) -> dict[str, Any]:
    """Return Django's settings for the one database.

    A process that serves many requests keeps 10 connections open and may go to 30 (DATABASE_POOL_SIZE,
    DATABASE_POOL_OVERFLOW). Commands end soon and use one connection: manage.py switches DATABASE_POOL off.
    """
    database: dict[str, Any]
    if env.str("DATABASE_URL", default=""):
        database = _from_url(env)
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
    # A connection that a restart of the server has broken is replaced, instead of costing somebody an error page.
    database["CONN_HEALTH_CHECKS"] = True
    database.setdefault("OPTIONS", {})
    # Django switches prepared statements off. With any number here its own cursors still do not prepare, but those of
    # stemset.prepared do, and save the planning, which takes longer than a look-up.
    database["OPTIONS"].setdefault("prepare_threshold", 5)
    size = env.number("DATABASE_POOL_SIZE", default=10, at_least=1)
    overflow = env.number("DATABASE_POOL_OVERFLOW", default=20)
    if env.flag("DATABASE_POOL", default=True):
        database["OPTIONS"]["pool"] = {
            "min_size": size,
            "max_size": size + overflow,
            "timeout": 10,
            "check": check_connection,
        }
    return database
