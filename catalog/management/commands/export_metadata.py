"""`manage.py export_metadata --to DIR|storage`: the catalogue goes back into metadata.json files."""

import contextlib
import json
import sys
import tempfile
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any

from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError, ProgrammingError
from rich.progress import Progress

from catalog.exporting import ExportError, Item
from catalog.exporting.pending import STORE_CHANGED
from catalog.exporting.run import STORAGE, Export, Order, target_for
from stemset.commands import Exit, StemsetCommand, printable, progress_bar, set_aside, terminate_like_ctrl_c

# PostgreSQL's codes for a table and a column that are not there.
UNDEFINED = {"42P01", "42703"}
# Not printed one by one unless asked for.
QUIET = {"unchanged"}


class Command(StemsetCommand):
    """Renders catalog.exporting."""

    help = (
        "Write metadata.json of every recording and .processed_hashes.json of every profile, as the older version "
        "reads them, from one moment's state of the catalogue. Only files whose content changes are written, and none "
        "that was changed in storage since the last import. Exit codes: 0 done, 1 cannot run, 2 some files failed, "
        "were changed in storage or, with --check, something would be written or deleted, 130 interrupted (run again "
        "to continue)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--to",
            required=True,
            metavar=f"DIR|{STORAGE}",
            help=f"a folder, or “{STORAGE}” for the media folder or bucket where the audio is",
        )
        parser.add_argument(
            "--profile", action="append", default=[], metavar="NAME", help="only this one (may be given several times)"
        )
        parser.add_argument("--check", action="store_true", help="write nothing; exit with 2 if there is a difference")
        parser.add_argument(
            "--prune",
            action="store_true",
            help="delete metadata.json in folders that have nothing else and belong to no recording",
        )
        parser.add_argument(
            "--overwrite",
            action="store_true",
            help="write also over what was changed in storage since the last import, or is damaged; that is lost then",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document to stdout when done")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, and exit with the code that tells how it went."""
        totals: Counter[str] = Counter()
        code = Exit.DONE
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            try:
                with _troubles_as_sentences(), terminate_like_ctrl_c():
                    target, to_storage = target_for(options["to"])
                    order = Order(
                        target,
                        to_storage,
                        options["profile"],
                        check=options["check"],
                        prune=options["prune"],
                        overwrite=options["overwrite"],
                    )
                    self._run(order, options, totals, spool)
            except KeyboardInterrupt:
                self.stderr.write("Interrupted: every file is whole. Run the same command again to continue.")
                code = Exit.INTERRUPTED
            if options["json"]:
                self._print_document(options, totals, spool)
            else:
                self.stdout.write(_summary(totals))
        differs = options["check"] and (totals["would_write"] or totals["would_prune"])
        if code is Exit.DONE and (totals["failed"] or totals[STORE_CHANGED] or differs):
            code = Exit.SOME_FAILED
        if code is not Exit.DONE:
            sys.exit(code)

    def _run(self, order: Order, options: dict[str, Any], totals: Counter[str], spool: IO[str]) -> None:
        silent = QUIET if options["verbosity"] < 2 else set()
        with progress_bar() as bar:
            task = bar.add_task("exporting", step="")
            export = Export(
                order,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
                waiting=lambda: self._tell(bar, "Another export to the same place is under way; waiting for it."),
            )
            with contextlib.closing(export.run()) as items:
                for item in items:
                    totals[item.status] += 1
                    if options["json"]:
                        # Not kept in memory: there may be any number of them.
                        spool.write((",\n" if totals.total() > 1 else "") + json.dumps(item.as_dict()))
                    elif item.status not in silent:
                        with set_aside(bar):
                            self._print(item)

    def _tell(self, bar: Progress, sentence: str) -> None:
        with set_aside(bar):
            self.stderr.write(sentence)

    def _print(self, item: Item) -> None:
        message = f": {item.message}" if item.message else ""
        stream = self.stderr if item.status in {"failed", STORE_CHANGED} else self.stdout
        stream.write(f"{item.status.replace('_', ' '):14} {printable(item.path + message)}")

    def _print_document(self, options: dict[str, Any], totals: Counter[str], spool: IO[str]) -> None:
        head = {"to": options["to"], "profiles": options["profile"], "check": options["check"]}
        self.stdout.write(json.dumps(head)[:-1] + ', "items": [', ending="\n")
        spool.seek(0)
        for line in spool:
            self.stdout.write(line, ending="")
        self.stdout.write(f'], "totals": {json.dumps(dict(totals))}}}')


@contextlib.contextmanager
def _troubles_as_sentences() -> Iterator[None]:
    try:
        yield
    except ExportError as error:
        raise CommandError(printable(str(error)), returncode=Exit.CANNOT_RUN) from error
    except ProgrammingError as error:
        if getattr(error.__cause__, "sqlstate", "") not in UNDEFINED:
            raise
        raise CommandError(
            "The database is not up to date. Run manage.py migrate, and then this again.", returncode=Exit.CANNOT_RUN
        ) from error
    except (OperationalError, InterfaceError) as error:
        raise CommandError(f"The database cannot be reached: {error}", returncode=Exit.CANNOT_RUN) from error


def _summary(totals: Counter[str]) -> str:
    if not totals:
        return "Nothing to export: the catalogue is empty."
    return ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in sorted(totals.items())) + "."
