"""`manage.py import_metadata`: the older version's JSON store goes into the catalogue."""

import contextlib
import json
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError, ProgrammingError
from rich.progress import Progress

from catalog.importing.items import Action, Item
from catalog.importing.receipts import WORDS
from catalog.importing.report import ReportTarget, Totals, UnusableTarget
from catalog.importing.run import AnotherRun, Observer, Options, Outcome, UnknownProfile, run_import
from catalog.importing.runs import Cancelled, NotWaiting, Recorder, keep_receipt, new_run, taken_on
from catalog.importing.sources import UnusableSource
from catalog.importing.views import Stores
from catalog.models import ImportRun
from stemset.commands import Exit, StemsetCommand, jobs, printable, progress_bar, set_aside, terminate_like_ctrl_c

# What is printed for every folder concerned; of the others the summary tells the number.
PRINTED = {Action.CONFLICT, Action.QUARANTINE}


class Command(StemsetCommand):
    """Renders catalog.importing."""

    help = (
        "Bring the older version's JSON store into the catalogue. Files are never moved or changed; running again "
        "completes what is missing and changes nothing else. Exit codes: 0 done, 1 cannot run, 2 something was left "
        "out or the report could not be written, 3 something is to be decided, 130 interrupted (run again to continue)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--profile", action="append", metavar="P", help="only this profile (may be repeated)")
        parser.add_argument("--source", metavar="DIR|storage", help="the store; by default media/ and the object store")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.add_argument("--json", action="store_true", help="print one JSON document to stdout when done")
        parser.add_argument("--report", metavar="FILE", help="write every folder, totals and a receipt there")
        parser.add_argument("--rebuild", action="store_true", help="read imported recordings anew from the store")
        parser.add_argument(
            "--overwrite-display-names", action="store_true", help="take the store's names where people renamed here"
        )
        parser.add_argument("--jobs", type=jobs, metavar="N", help="files to read at a time (default: all cores)")
        parser.add_argument("--no-input", action="store_true", help="ask nothing")
        parser.add_argument("--run", help=SUPPRESS)  # the admin page's

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, and exit with the code that tells how it went."""
        asked = Options(
            profiles=options["profile"],
            source=options["source"],
            dry_run=options["dry_run"],
            rebuild=options["rebuild"],
            overwrite_display_names=options["overwrite_display_names"],
            jobs=options["jobs"],
        )
        options["report"] = _report_target(options["report"])
        if asked.rebuild and not asked.dry_run and not options["no_input"]:
            self._confirm()
        with (
            _recorder(options["run"]) as recorder,
            self._failures(recorder),
            terminate_like_ctrl_c(),
            recorder.beating() if recorder is not None else contextlib.nullcontext(),
            progress_bar() as bar,
        ):
            watcher = _Watcher(bar, recorder, None if options["json"] else self._teller(asked))
            with run_import(asked, watcher) as outcome:
                bar.stop()
                code = self._tell(outcome, asked, options, recorder)
        if code is not Exit.DONE:
            sys.exit(code)

    def _tell(self, outcome: Outcome, asked: Options, options: dict[str, Any], recorder: Recorder | None) -> Exit:
        kept = recorder is not None or (outcome.totals.changed > 0 and not asked.dry_run)
        if recorder is not None:
            recorder.finish(outcome)
        elif kept:
            keep_receipt(new_run(asked), outcome)
        target: ReportTarget | None = options["report"]
        with _done_but("what came of it cannot be printed"):
            self.stdout.flush()  # the report may go there as well
            trouble = _place_report(outcome, target) if target is not None else ""
            if options["json"]:
                self._print_json(outcome)
            else:
                self._summarise(outcome, asked, None if trouble else target)
            if trouble:
                if not kept and not asked.dry_run:
                    keep_receipt(new_run(asked), outcome)
                self.stderr.write(_without_report(trouble, outcome, dry_run=asked.dry_run))
        if outcome.totals.actions[Action.CONFLICT]:
            return Exit.NEEDS_CHOICE
        return Exit.SOME_FAILED if outcome.totals.attention or trouble else Exit.DONE

    def _confirm(self) -> None:
        if not sys.stdin.isatty():
            raise CommandError(
                "--rebuild replaces what was imported before. Say --no-input to go ahead without asking."
            )
        self.stderr.write(
            "This reads every imported recording anew: measurements and stems in the catalogue become those of the "
            "store. Names given here stay."
        )
        if input("Go ahead? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise CommandError("Nothing was done.")

    @contextlib.contextmanager
    def _failures(self, recorder: Recorder | None) -> Iterator[None]:
        """Turn what ends a run early into a sentence, here and in the run's row."""

        def end(state: ImportRun.State, message: str) -> None:
            if recorder is not None:
                with contextlib.suppress(OperationalError, InterfaceError):
                    recorder.fail(state, message)

        try:
            yield
        except (KeyboardInterrupt, Cancelled):
            message = "Interrupted: what has been imported is complete. Run the same command again to continue."
            if recorder is not None:
                with contextlib.suppress(OperationalError, InterfaceError):
                    recorder.cancel()
            self.stderr.write(message)
            sys.exit(Exit.INTERRUPTED)
        except (AnotherRun, UnknownProfile, UnusableSource) as error:
            end(ImportRun.State.FAILED, str(error))
            raise CommandError(str(error), returncode=Exit.CANNOT_RUN) from error
        except ProgrammingError as error:
            raise CommandError(
                f"The database is not up to date ({str(error).partition(chr(10))[0]}). Run manage.py migrate first.",
                returncode=Exit.CANNOT_RUN,
            ) from error
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The database cannot be reached: {error}", returncode=Exit.CANNOT_RUN) from error
        except (BotoCoreError, ClientError) as error:
            end(ImportRun.State.FAILED, f"The object store cannot be read: {error}")
            raise CommandError(f"The object store cannot be read: {error}", returncode=Exit.CANNOT_RUN) from error
        except OSError as error:
            message = printable(f"The import cannot go on: {_in_words(error)}")
            end(ImportRun.State.FAILED, message)
            raise CommandError(message, returncode=Exit.CANNOT_RUN) from error

    def _print_json(self, outcome: Outcome) -> None:
        """One document, written as the report is read: a store may have many thousands of folders."""
        write = self.stdout.write
        separator = ""
        tail: dict[str, Any] = {}
        write('{"items": [', ending="")
        with outcome.report.open(encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                if "action" in entry:
                    write(f"{separator}\n  {line.rstrip()}", ending="")
                    separator = ","
                elif "report" not in entry and "profile" not in entry:
                    tail |= entry
        notes = [{"profile": profile, "message": message} for profile, message in outcome.notes]
        rest = json.dumps({"stores": outcome.stores, "notes": notes, **tail})
        write(f"\n], {rest[1:]}")

    def _summarise(self, outcome: Outcome, asked: Options, report: ReportTarget | None) -> None:
        totals = outcome.totals
        for profile, message in outcome.notes:
            self.stderr.write(f"{profile}: {printable(message)}")
        if not totals.folders:
            self.stdout.write(f"{outcome.stores} has no folders of recordings. Is it the older version's media folder?")
            return
        self.stdout.write(
            f"{totals.folders} folders in {outcome.stores}{': this would be done' if asked.dry_run else ''}"
        )
        for action, words in WORDS.items():
            if totals.actions[action]:
                word = words.of(dry_run=asked.dry_run)
                self.stdout.write(f"  {totals.actions[action]:>6} {word}{_details(totals, action)}")
        if totals.attention:
            self.stdout.write(f"Of {totals.attention} folders something was left out; each is named above.")
        if totals.actions[Action.CONFLICT]:
            self.stdout.write(f"{totals.actions[Action.CONFLICT]} folders need a decision; each is named above.")
        if report is not None:
            self.stdout.write(f"Report: {printable(report.name)} (SHA-256 {outcome.sha256})")

    def _teller(self, asked: Options) -> Callable[[Item], None]:
        """Return what prints an item that a person should know about."""
        left_out = WORDS[Action.QUARANTINE].of(dry_run=asked.dry_run)

        def tell(item: Item) -> None:
            if item.action in PRINTED or (item.action is Action.UPDATE and item.code == "display_name"):
                word = WORDS[item.action].of(dry_run=asked.dry_run)
                self.stderr.write(printable(f"{word:14} {item.path}: {item.reason} ({item.code})"))
            for note in item.notes:
                if note.serious or note.code in TOLD:
                    where = f"{item.path}/{note.file}" if note.file else item.path
                    word = left_out if note.serious else "note"
                    self.stderr.write(printable(f"{word:14} {where}: {note.message} ({note.code})"))

        return tell


# Notes that are no trouble, but that people want to hear of.
TOLD = {
    "display_name_differs",
    "copies_differ",
    "path_refused",
    "stems_differ_in_length",
    "file_not_listed",
    "duplicate_key",
}


def _details(totals: Totals, action: Action) -> str:
    prefix = f"{action.value}: "
    codes = {code.removeprefix(prefix): count for code, count in totals.codes.items() if code.startswith(prefix)}
    if set(codes) <= {"new", "unchanged"}:
        return ""
    return " (" + ", ".join(f"{count} {code}" for code, count in sorted(codes.items())) + ")"


class _Watcher(Observer):
    """Shows a bar, has told what needs attention and keeps the run's row."""

    def __init__(self, bar: Progress, recorder: Recorder | None, tell: Callable[[Item], None] | None) -> None:
        self._bar, self._recorder, self._tell = bar, recorder, tell
        self._task = bar.add_task("looking", step="", total=None)

    def begin(self, stores: Stores, folders: int) -> None:
        self._bar.update(self._task, description="importing", total=folders)
        if self._recorder is not None:
            self._recorder.begin(stores, folders)

    def advance(self, items: list[Item]) -> None:
        if self._tell is not None:
            worth_telling = [one for one in items if one.action in PRINTED or one.notes or one.code == "display_name"]
            if worth_telling:
                with set_aside(self._bar):
                    for item in worth_telling:
                        self._tell(item)
        self._bar.advance(self._task, len(items))
        if self._recorder is not None:
            self._recorder.advance(items)


@contextlib.contextmanager
def _recorder(run_id: str | None) -> Iterator[Recorder | None]:
    if run_id is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            recorder = stack.enter_context(taken_on(run_id))
        except NotWaiting as error:
            raise CommandError(str(error), returncode=Exit.CANNOT_RUN) from error
        yield recorder


def _report_target(name: str | None) -> ReportTarget | None:
    """Return where the report goes; an import of hours must not end with a report that has no place."""
    try:
        return None if name is None else ReportTarget(name)
    except UnusableTarget as error:
        raise CommandError(printable(str(error)), returncode=Exit.CANNOT_RUN) from error


def _place_report(outcome: Outcome, target: ReportTarget) -> str:
    """Put the report where it is wanted; return where it could not be put and why, if so."""
    try:
        target.place(outcome.report)
    except OSError as error:
        return f"{target.name}: {error.strerror or error}"
    return ""


def _without_report(trouble: str, outcome: Outcome, *, dry_run: bool) -> str:
    if dry_run:
        return printable(f"The look is done, but the report cannot be written to {trouble}. Run it again.")
    return printable(
        f"The import is done, but the report cannot be written to {trouble}. The receipt (SHA-256 {outcome.sha256}) is "
        "kept in the database: download it from the page Imports of the admin."
    )


@contextlib.contextmanager
def _done_but(trouble: str) -> Iterator[None]:
    """Keep what goes wrong while people are told of a run from looking as if the run had failed."""
    try:
        yield
    except OSError as error:
        message = printable(f"The import is done, but {trouble}: {_in_words(error)}")
        raise CommandError(message, returncode=Exit.SOME_FAILED) from error


def _in_words(error: OSError) -> str:
    if error.filename is None:
        return error.strerror or str(error)
    return f"{error.filename}: {error.strerror}"
