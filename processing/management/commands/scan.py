"""`manage.py scan [profile …] [--watch]`: leaves what is new in the source folders to the workers."""

import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import Error, connection

from processing.errors import ProcessingError
from processing.plan import Item
from processing.scanning import scan_profile
from processing.strategies import require_sound
from stemset.commands import Exit, StemsetCommand, printable, progress_bar, terminate_like_ctrl_c
from stemset.config.schema import ProfileConfig

# What happens to a file again at every pass is told once.
QUIET = {"known", "busy", "duplicate"}


class Command(StemsetCommand):
    """Renders processing.scanning."""

    help = (
        "Queue the recordings in the source folders that are not in the catalogue yet; workers separate them "
        "(manage.py worker). Files that are still being written are left for the next pass. Exit codes: 0 done, "
        "1 cannot run, 2 some files or folders failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("profiles", nargs="*", metavar="profile", help="profiles of config.yaml (default: all)")
        parser.add_argument("--watch", action="store_true", help="go on for ever, and look every --every seconds")
        parser.add_argument("--every", type=float, default=15.0, metavar="SECONDS", help="default 15")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Scan once, or until stopped."""
        configs = [self._config(name) for name in options["profiles"]] or list(settings.STEMSET.profiles)
        if not options["every"] >= 1:
            raise CommandError("--every must be at least 1 second.")
        told: set[tuple[str, str]] = set()
        with terminate_like_ctrl_c():
            try:
                failures = self._scan_all(configs, told, first=True)
                while options["watch"]:
                    time.sleep(options["every"])
                    self._scan_all(configs, told, first=False)
            except KeyboardInterrupt:
                raise SystemExit(Exit.DONE if options["watch"] else Exit.INTERRUPTED) from None
        if failures:
            raise SystemExit(Exit.SOME_FAILED)

    def _config(self, name: str) -> ProfileConfig:
        config: ProfileConfig | None = settings.STEMSET.profile(name)
        if config is None:
            known = ", ".join(profile.name for profile in settings.STEMSET.profiles)
            raise CommandError(f"config.yaml has no profile {name!r}; it has: {known}")
        return config

    def _scan_all(self, configs: list[ProfileConfig], told: set[tuple[str, str]], *, first: bool) -> int:
        """Scan each profile; one that cannot be scanned does not keep the others waiting. Return how much failed."""
        failures = 0
        for config in configs:
            try:
                failures += self._scan(config, told, first=first)
            except ProcessingError as error:
                self._tell((config.name, str(error)), told)
                failures += 1
            except Error as error:
                connection.close()
                self._tell((config.name, f"the database cannot be reached: {error}"), told)
                failures += 1
        return failures

    def _scan(self, config: ProfileConfig, told: set[tuple[str, str]], *, first: bool) -> int:
        require_sound(settings.STEMSET.strategies[config.strategy], f"strategies.{config.strategy}")
        with progress_bar() as bar:
            task = bar.add_task(config.name, step="reading")
            items = scan_profile(
                config,
                config.strategy,
                hashing=lambda done, total: bar.update(task, completed=done, total=total),
            )
        for item in items:
            if item.status not in QUIET:
                self._tell((config.name, self._line(item)), told)
        totals = Counter(item.status for item in items)
        if first or totals["queued"]:
            self.stdout.write(
                f"{config.name}: " + (", ".join(f"{n} {s}" for s, n in sorted(totals.items())) or "empty")
            )
        return totals["failed"]

    def _line(self, item: Item) -> str:
        return printable(
            f"{item.status.replace('_', ' ')}: {item.path}" + (f": {item.message}" if item.message else "")
        )

    def _tell(self, what: tuple[str, str], told: set[tuple[str, str]]) -> None:
        if what not in told:
            told.add(what)
            self.stderr.write(": ".join(what))
