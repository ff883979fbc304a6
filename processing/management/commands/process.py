"""`manage.py process <profile> [file …]`: recordings go in, catalogued stems come out."""

import itertools
import json
import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError

from catalog import services
from catalog.storage import LocalStorage
from processing import batch, workdir
from processing.disk import naming_disk_troubles
from processing.errors import ProcessingError
from processing.known_files import KnownFiles
from processing.leftovers import clear_abandoned
from processing.models import Job
from processing.pipeline import Report
from processing.plan import Item, make_plan, would_process
from processing.scanner import SourceFile, content_hash
from processing.strategies import require_ready, require_sound
from stemset.commands import Exit, StemsetCommand, printable, progress_bar, set_aside, terminate_like_ctrl_c
from stemset.config.schema import ProfileConfig
from stemset.config.strategy import Node


class Command(StemsetCommand):
    """Renders processing.batch."""

    help = (
        "Separate the recordings of a profile into stems and catalogue them. Without files, its source folder is "
        "scanned; what is catalogued already is left alone. Exit codes: 0 done, 1 cannot run, 2 some files failed, "
        "130 interrupted (run again to continue)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("profile", help="a profile of config.yaml")
        parser.add_argument("files", nargs="*", type=Path, metavar="file", help="process these instead of the folder")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--local", action="store_true", help="separate on this machine, whatever the profile says")
        where.add_argument("--remote", action="store_true", help="leave it to the remote GPU worker, through the queue")
        where.add_argument("--queue", action="store_true", help="leave it to the workers (manage.py worker)")
        parser.add_argument("--strategy", help="use this strategy instead of the profile's")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.add_argument("--force", action="store_true", help="process again what is catalogued already")
        parser.add_argument("--json", action="store_true", help="print one JSON document to stdout when done")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run, and exit with the code that tells how it went."""
        config, strategy_name, tree = self._choose(options)
        items: list[Item] = []
        code = Exit.DONE
        try:
            with terminate_like_ctrl_c():
                self._run(config, strategy_name, tree, options, items)
        except KeyboardInterrupt:
            self.stderr.write("Interrupted: nothing half-made was kept. Run the same command again to continue.")
            code = Exit.INTERRUPTED
        except ProcessingError as error:
            raise CommandError(str(error), returncode=Exit.CANNOT_RUN) from error
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The database cannot be reached: {error}", returncode=Exit.CANNOT_RUN) from error
        totals: Counter[str] = Counter(item.status for item in items)
        if options["json"]:
            document = {
                "profile": config.name,
                "strategy": strategy_name,
                "items": [item.as_dict() for item in items],
                "totals": dict(totals),
            }
            self.stdout.write(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            self.stdout.write(self._summary(totals))
        if code is Exit.DONE and totals["failed"]:
            code = Exit.SOME_FAILED
        if code is not Exit.DONE:
            sys.exit(code)

    def _choose(self, options: dict[str, Any]) -> tuple[ProfileConfig, str, Node]:
        config = settings.STEMSET.profile(options["profile"])
        if config is None:
            known = ", ".join(profile.name for profile in settings.STEMSET.profiles)
            raise CommandError(f"config.yaml has no profile {options['profile']!r}; it has: {known}")
        strategy_name = options["strategy"] or config.strategy
        tree = settings.STEMSET.strategies.get(strategy_name)
        if tree is None:
            known = ", ".join(sorted(settings.STEMSET.strategies))
            raise CommandError(f"config.yaml has no strategy {strategy_name!r}; it has: {known}")
        if options["remote"] and not (config.remote and settings.STEMSET.gpu_worker_url):
            raise CommandError(
                "There is no remote GPU worker for this profile: it needs `remote: true` and config.yaml needs "
                "gpu_worker_url."
            )
        return config, strategy_name, tree

    def _run(
        self, config: ProfileConfig, strategy_name: str, tree: Node, options: dict[str, Any], items: list[Item]
    ) -> None:
        require_sound(tree, f"strategies.{strategy_name}")

        # A folder may hold thousands of known recordings; who names files wants to hear about each.
        silent = set() if options["files"] or options["verbosity"] > 1 else {"known"}

        def note(*news: Item) -> None:
            items.extend(news)
            if not options["json"]:
                with set_aside(bar):
                    for item in news:
                        if item.status not in silent:
                            self._print(item, config.name)

        if not options["dry_run"]:
            self._sweep()
        with progress_bar() as bar:
            task = bar.add_task("reading", step="")
            memory = None if options["files"] else KnownFiles(config.name)
            plan = make_plan(
                config,
                options["files"] or None,
                force=options["force"],
                hash_of=memory.hash_of if memory else content_hash,
                hashing=lambda done, total: bar.update(task, completed=done, total=total),
            )
            note(*plan.settled)
            if options["dry_run"]:
                note(*would_process(plan))
                return
            if memory:
                memory.save(services.sync_profile(config))
            if not plan.todo:
                return
            if options["queue"] or options["remote"] or (config.remote and not options["local"]):
                force = options["force"]
                note(*batch.queue_plan(plan, config, strategy_name, force=force, origin=Job.Origin.COMMAND))
                return
            # Before an hour of work is spent: can the last model of the tree run here?
            require_ready(tree)

            count = itertools.count(1)

            def report(source: SourceFile) -> Report:
                bar.reset(
                    task, description=f"{next(count)} of {len(plan.todo)}: {printable(source.name)}", total=1.0, step=""
                )
                return lambda step, fraction: bar.update(task, completed=fraction, step=step)

            for item in batch.run_plan(plan, config, strategy_name, force=options["force"], report=report):
                note(item)

    def _sweep(self) -> None:
        """Remove what a killed run left behind."""
        with naming_disk_troubles():
            workdir.sweep(settings.STEMSET_WORK_DIR, before_removal=clear_abandoned)
            if isinstance(default_storage, LocalStorage):
                default_storage.sweep_incoming()

    def _print(self, item: Item, profile: str) -> None:
        if item.status in ("created", "replaced"):
            detail = f"{', '.join(item.stems)}: /library/{profile}/{item.output_name}"
        elif item.message:
            # The end of an engine's log may follow in lines of its own.
            detail = "\n    ".join(printable(line) for line in f"{item.path}: {item.message}".split("\n"))
        else:
            detail = printable(f"{item.path} ({item.output_name})")
        stream = self.stderr if item.status == "failed" else self.stdout
        stream.write(f"{item.status.replace('_', ' '):13} {detail}")
        for warning in item.warnings:
            self.stderr.write(f"{'warning':13} {printable(warning)}")

    def _summary(self, totals: Counter[str]) -> str:
        if not any(totals[status] for status in ("queued", "created", "replaced", "would_process", "failed", "busy")):
            return f"Nothing to do: {totals['known']} known, {totals['duplicate']} duplicates."
        return ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in sorted(totals.items())) + "."
