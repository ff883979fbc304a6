"""`manage.py make_peaks`: what the mixer draws stems from, for those that have none yet."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from catalog.models import Profile
from catalog.verifying.command import troubles_as_sentences
from processing.peaks import AnotherRun, Made, make_peaks, without_peaks
from stemset.commands import Exit, StemsetCommand, jobs, printable, progress_bar, set_aside, terminate_like_ctrl_c


class Command(StemsetCommand):
    """Renders processing.peaks."""

    help = (
        "Make the files that the mixer draws waveforms from, for stems that have none: imported ones, and those whose "
        "audio was replaced. Until then their pictures are shown. Exit codes: 0 done, 1 cannot run, 2 some files could "
        "not be read, 130 interrupted (run again to continue)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--profile", action="append", metavar="P", help="only this profile (may be repeated)")
        parser.add_argument("--jobs", type=jobs, metavar="N", help="files to read at a time (default: all cores)")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Make them all, or until interrupted."""
        made: list[Made] = []
        interrupted = False
        try:
            with troubles_as_sentences(), terminate_like_ctrl_c(), progress_bar() as bar:
                stems = without_peaks(_known(options["profile"]))
                task = bar.add_task("peaks", total=stems.count(), step="")
                for one in make_peaks(stems, options["jobs"]):
                    made.append(one)
                    bar.update(task, advance=1, step=printable(one.audio))
                    if one.trouble:
                        with set_aside(bar):
                            self.stderr.write(printable(f"{one.audio}: {one.trouble}"))
        except AnotherRun as error:
            raise CommandError(str(error), returncode=Exit.CANNOT_RUN) from error
        except KeyboardInterrupt:
            interrupted = True
        failed = sum(bool(one.trouble) for one in made)
        is_done = not made and not interrupted
        self.stdout.write("Every stem has its peaks." if is_done else f"{len(made) - failed} made, {failed} failed.")
        if interrupted:
            self.stderr.write("Interrupted: what was made is complete. Run the same command again to continue.")
            sys.exit(Exit.INTERRUPTED)
        if failed:
            sys.exit(Exit.SOME_FAILED)


def _known(profiles: list[str] | None) -> list[str] | None:
    known = set(Profile.objects.values_list("name", flat=True))
    for name in profiles or []:
        if name not in known:
            raise CommandError(
                f"There is no profile {name!r} in the catalogue; known: {', '.join(sorted(known))}",
                returncode=Exit.CANNOT_RUN,
            )
    return profiles
