"""Starting the importer from a page, as a process of its own that outlives the web worker that started it."""

import contextlib
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error, connection, transaction

from catalog.importing.run import Options
from catalog.importing.runs import going_run, new_run, stopped
from catalog.models import ImportRun
from stemset.commands import printable

LOG_NAME = "import.log"
_LAST_WORDS = 500  # characters


class AlreadyGoing(Exception):
    """Another run is going; `run` is it."""

    def __init__(self, run: ImportRun) -> None:
        super().__init__(f"{'A look at the store' if run.dry_run else 'An import'} is going already.")
        self.run = run


def start(options: Options, started_by: Any) -> ImportRun:
    """Start a run for somebody and return its row; its process starts when the transaction commits.

    Raises AlreadyGoing.
    """
    with transaction.atomic():
        # Two clicks at once: the second one waits here until it can see the row of the first.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", ["start_import_run"])
        going = going_run()
        if going is not None:
            raise AlreadyGoing(going)
        run = new_run(options, started_by)
        run.save()
        arguments = command_line(run.pk, options)
        transaction.on_commit(lambda: _launch(run.pk, arguments))
    return run


def request_cancel(run_id: UUID) -> None:
    """Ask a run to end. What it has imported by then is complete."""
    ImportRun.objects.filter(pk=run_id).update(cancel_requested=True)


def log_file() -> Path:
    """Where the process of the last run writes."""
    return Path(settings.STEMSET_WORK_DIR) / LOG_NAME


def command_line(run_id: UUID, options: Options) -> list[str]:
    """Return the command of a run, without a shell in between."""
    return [
        sys.executable,
        str(Path(settings.BASE_DIR) / "manage.py"),
        "import_metadata",
        f"--run={run_id}",
        "--no-input",
        *(["--dry-run"] if options.dry_run else []),
        *(["--overwrite-display-names"] if options.overwrite_display_names else []),
        *(f"--profile={name}" for name in options.profiles or []),
    ]


def _launch(run_id: UUID, arguments: list[str]) -> None:
    try:
        log = log_file()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        with log.open("xb") as output:
            process = subprocess.Popen(
                arguments,
                cwd=settings.BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Neither Ctrl-C in the terminal of the site nor a signal to its group is meant for it.
                start_new_session=True,
            )
    except OSError as error:
        stopped(run_id, f"Its process could not be started: {error}.")
        return
    thread = threading.Thread(target=_see_it_end, args=(run_id, process), name=f"import-run-{run_id}", daemon=True)
    thread.start()


def _see_it_end(run_id: UUID, process: "subprocess.Popen[bytes]") -> None:
    """Collect the process, and say why if it could not even begin. If we end before it does, its lock tells."""
    code = process.wait()
    try:
        with contextlib.suppress(Error):
            stopped(run_id, _why(code))
    finally:
        connection.close()


def _why(code: int) -> str:
    if code < 0:
        names = {one.value: one.name for one in signal.Signals}
        return f"(It was ended by {names.get(-code, -code)}.)"
    words = _last_words()
    return f"The last it said: {words}" if words else ""


def _last_words() -> str:
    try:
        with log_file().open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - 4 * _LAST_WORDS))
            text = log.read().decode(errors="replace").rstrip()
    except OSError:
        return ""
    # The last line that is not indented, with those below it: a message of several lines, or the end of a traceback.
    paragraph = re.split(r"\n(?=\S)", text)[-1]
    return printable(" ".join(paragraph.split()))[-_LAST_WORDS:]
