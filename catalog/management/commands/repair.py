"""`manage.py repair CODE …`: mend what verify_catalog found, where that is safe."""

import json
import sys
import tempfile
from argparse import ArgumentParser
from collections import Counter
from typing import IO, Any

from django.core.management.base import CommandError
from rich.progress import Progress

from catalog.importing.run import AnotherRun
from catalog.management.commands.verify_catalog import BarObserver
from catalog.verifying import registry
from catalog.verifying.command import copy_spool, troubles_as_sentences
from catalog.verifying.repairs.changes import Result, Status
from catalog.verifying.repairs.run import REPAIRS, Order, UnknownCode, repair
from stemset.commands import Exit, StemsetCommand, jobs, printable, progress_bar, set_aside, terminate_like_ctrl_c


class Command(StemsetCommand):
    """Renders catalog.verifying.repairs."""

    help = (
        "Mend what verify_catalog found, by the codes of the findings. Nothing that is there and not empty is "
        "overwritten, and gains stay. Without a code, the repairs are listed. Exit codes: 0 done, 1 cannot run, 2 some "
        "could not be repaired, 130 interrupted (run again to continue)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("codes", nargs="*", metavar="CODE", help="what to repair")
        parser.add_argument("--profile", action="append", metavar="P", help="only this profile (may be repeated)")
        parser.add_argument("--dry-run", action="store_true", help="find out everything, but write nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON document to stdout when done")
        parser.add_argument("--jobs", type=jobs, metavar="N", help="files to read at a time (default: all cores)")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, and exit with the code that tells how it went."""
        registry.load()
        if not options["codes"]:
            self._list(as_json=options["json"])
            return
        order = Order(list(dict.fromkeys(options["codes"])), options["profile"], options["dry_run"], options["jobs"])
        totals: Counter[Status] = Counter()
        interrupted = False
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            try:
                with troubles_as_sentences(), terminate_like_ctrl_c(), progress_bar() as bar:
                    for results in repair(order, BarObserver(bar)):
                        totals.update(one.status for one in results)
                        self._show(results, spool, bar, options)
            except (UnknownCode, AnotherRun) as error:
                raise CommandError(str(error), returncode=Exit.CANNOT_RUN) from error
            except KeyboardInterrupt:
                interrupted = True
            if options["json"]:
                rest = {"finished": not interrupted, "totals": {status.value: totals[status] for status in Status}}
                copy_spool("results", spool, rest, self.stdout)
            else:
                self.stdout.write(_summary(totals))
        if interrupted:
            self.stderr.write("Interrupted: what was repaired is complete. Run the same command again to continue.")
            sys.exit(Exit.INTERRUPTED)
        if totals[Status.REFUSED]:
            sys.exit(Exit.SOME_FAILED)

    def _show(self, results: list[Result], spool: IO[str], bar: Progress, options: dict[str, Any]) -> None:
        if options["json"]:
            for one in results:
                spool.write(json.dumps(one.as_dict()) + "\n")
        elif results:
            with set_aside(bar):
                for one in results:
                    stream = self.stderr if one.status is Status.REFUSED else self.stdout
                    status = one.status.value.replace("_", " ")
                    stream.write(printable(f"{status:13} {one.subject}: {one.detail} ({one.code})"))

    def _list(self, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"repairs": {code: repair.words for code, repair in REPAIRS.items()}}))
            return
        for code, one in REPAIRS.items():
            self.stdout.write(f"{code:20} {one.words}")
        self.stdout.write("manage.py verify_catalog tells which of these there are to do.")


def _summary(totals: Counter[Status]) -> str:
    if not totals:
        return "There is nothing of that kind to repair."
    return ", ".join(f"{totals[status]} {status.value.replace('_', ' ')}" for status in Status if totals[status]) + "."
