"""`manage.py verify_catalog`: whether the catalogue, the storage and the JSON store agree."""

import json
import sys
import tempfile
from argparse import ArgumentParser
from collections import Counter
from typing import IO, Any

from rich.progress import Progress

from catalog.verifying import registry
from catalog.verifying.command import copy_spool, troubles_as_sentences
from catalog.verifying.findings import Finding, Severity
from catalog.verifying.run import Observer, Options, Verification
from stemset.commands import Exit, StemsetCommand, jobs, printable, progress_bar, set_aside, terminate_like_ctrl_c


class Command(StemsetCommand):
    """Renders catalog.verifying."""

    help = (
        "Compare the catalogue with the files in storage, with the JSON store, with config.yaml and with itself. "
        "Nothing is written; what can be mended is named with the command that does. Exit codes: 0 nothing at the "
        "level of --fail-on, 1 cannot run, 2 something at that level or above, 130 interrupted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--profile", action="append", metavar="P", help="only this profile (may be repeated)")
        parser.add_argument(
            "--checksums", action="store_true", help="read every stem and source, and compare it with its SHA-256"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document to stdout when done")
        parser.add_argument(
            "--fail-on",
            choices=["warning", "error"],
            default="error",
            help="what makes it exit with 2 (default: error)",
        )
        parser.add_argument("--jobs", type=jobs, metavar="N", help="files to read at a time (default: all cores)")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, and exit with the code that tells how it went."""
        registry.load()
        asked = Options(options["profile"], options["checksums"], options["jobs"])
        tally = Tally()
        interrupted = False
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            with progress_bar() as bar:
                verification = Verification(asked, BarObserver(bar))
                try:
                    with troubles_as_sentences(), terminate_like_ctrl_c():
                        for findings in verification.run():
                            tally.add(findings)
                            self._show(findings, spool, bar, options)
                except KeyboardInterrupt:
                    interrupted = True
            if options["json"]:
                self._print_document(verification, tally, spool, finished=not interrupted)
            else:
                self._summarise(verification, tally)
        if interrupted:
            self.stderr.write("Interrupted: not everything was looked at.")
            sys.exit(Exit.INTERRUPTED)
        if tally.worst is not None and tally.worst.rank >= Severity(options["fail_on"]).rank:
            sys.exit(Exit.SOME_FAILED)

    def _show(self, findings: list[Finding], spool: IO[str], bar: Progress, options: dict[str, Any]) -> None:
        if options["json"]:
            # Not kept in memory: there may be any number of them.
            for finding in findings:
                spool.write(json.dumps(finding.as_dict()) + "\n")
            return
        # Of mere information there may be a line for every file; the summary tells the number.
        told = [one for one in findings if one.severity is not Severity.INFO or options["verbosity"] > 1]
        if told:
            with set_aside(bar):
                for one in told:
                    self.stdout.write(printable(f"{one.severity.value:7} {one.subject}: {one.detail} ({one.code})"))

    def _print_document(self, verification: Verification, tally: "Tally", spool: IO[str], *, finished: bool) -> None:
        looked = verification.looked
        rest = {
            "finished": finished,
            "profiles": looked.profiles,
            "records": looked.records,
            "looked_at": {
                "folders": looked.folders,
                "recordings": looked.recordings,
                "stems": looked.stems,
                "sources": looked.sources,
            },
            "totals": {severity.value: tally.severities[severity] for severity in Severity},
            "codes": dict(sorted(tally.codes.items())),
        }
        copy_spool("findings", spool, rest, self.stdout)

    def _summarise(self, verification: Verification, tally: "Tally") -> None:
        looked = verification.looked
        self.stdout.write(
            f"Looked at {looked.recordings} recordings with {looked.stems} stems, {looked.folders} folders and "
            f"{looked.sources} sources. The database has "
            + ", ".join(f"{count} {table}" for table, count in looked.records.items())
            + "."
        )
        if not tally.codes:
            self.stdout.write("Everything is as it should be.")
        for severity in reversed(Severity):
            for code, count in sorted(tally.codes.items()):
                example = tally.examples[code]
                if example.severity is severity:
                    self.stdout.write(f"{severity.value:7} {count:>6} {code}")
                    for hint in tally.hints(code):
                        self.stdout.write(printable(f"{'':14} {hint}"))


class Tally:
    """Counts findings by code."""

    def __init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.severities: Counter[Severity] = Counter()
        self.examples: dict[str, Finding] = {}
        self._hints: dict[str, set[str]] = {}

    def add(self, findings: list[Finding]) -> None:
        """Count some."""
        for one in findings:
            self.codes[one.code] += 1
            self.severities[one.severity] += 1
            self.examples.setdefault(one.code, one)
            self._hints.setdefault(one.code, set()).add(one.hint)

    @property
    def worst(self) -> Severity | None:
        """The worst severity there was."""
        return max(self.severities, key=lambda severity: severity.rank, default=None)

    def hints(self, code: str) -> list[str]:
        """Return what to do about a code; where it is a command, one for each profile."""
        return sorted(self._hints[code] - {""})


class BarObserver(Observer):
    """Shows a bar."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("looking", step="", total=None)

    def begin(self, step: str, total: int) -> None:
        """Start the bar anew."""
        self._bar.reset(self._task, description=f"looking at {step}", total=total)

    def advance(self, steps: int) -> None:
        """Move it."""
        self._bar.advance(self._task, steps)
