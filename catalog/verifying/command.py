"""What the commands verify_catalog and repair share."""

import contextlib
import json
from collections.abc import Iterator
from typing import IO, Any

from django.core.management.base import CommandError, OutputWrapper
from django.db import InterfaceError, OperationalError, ProgrammingError

from catalog.importing.run import UnknownProfile
from catalog.storage import STORAGE_ERRORS
from stemset.commands import Exit

# PostgreSQL's codes for a table and a column that are not there.
_UNDEFINED = {"42P01", "42703"}


@contextlib.contextmanager
def troubles_as_sentences() -> Iterator[None]:
    """Turn what ends a run early into a sentence."""
    try:
        yield
    except UnknownProfile as error:
        raise _cannot_run(str(error)) from error
    except ProgrammingError as error:
        if getattr(error.__cause__, "sqlstate", "") not in _UNDEFINED:
            raise
        raise _cannot_run("The database is not up to date. Run manage.py migrate, and then this again.") from error
    except (OperationalError, InterfaceError) as error:
        raise _cannot_run(f"The database cannot be reached: {error}") from error
    except STORAGE_ERRORS as error:
        raise _cannot_run(f"The storage cannot be read: {error}") from error


def _cannot_run(message: str) -> CommandError:
    return CommandError(message, returncode=Exit.CANNOT_RUN)


def copy_spool(name: str, spool: IO[str], rest: dict[str, Any], out: OutputWrapper) -> None:
    """Print one JSON document: a list called `name` of the spool's lines, never in memory as a whole, and the rest."""
    out.write(f'{{"{name}": [', ending="")
    spool.seek(0)
    separator = ""
    for line in spool:
        out.write(f"{separator}\n  {line.rstrip()}", ending="")
        separator = ","
    out.write(f"\n], {json.dumps(rest)[1:]}")
