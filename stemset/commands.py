"""What our management commands share: exit codes that mean something, and a progress bar that keeps out of the way."""

import contextlib
import math
import signal
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from enum import IntEnum
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

# Interruptions that follow each other faster than this are one.
IMPATIENT_SECONDS = 2.0


class Exit(IntEnum):
    """Exit codes of every command of ours."""

    DONE = 0
    CANNOT_RUN = 1
    SOME_FAILED = 2
    NEEDS_CHOICE = 3
    INTERRUPTED = 130


class StemsetCommand(BaseCommand):
    """A command whose misuse exits with CANNOT_RUN; argparse's own 2 would look like SOME_FAILED."""

    # Our commands judge what they need themselves: a web machine imports or exports without any engine installed.
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return Django's parser with our exit code for misuse."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)

        def error(message: str) -> None:
            if not parser.called_from_command_line:
                raise CommandError(f"Error: {message}")
            parser.print_usage(sys.stderr)
            parser.exit(Exit.CANNOT_RUN, f"{parser.prog}: error: {message}\n")

        parser.error = error  # type: ignore[method-assign]
        return parser


def jobs(text: str) -> int:
    """Read the value of --jobs."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= 256:
        raise ArgumentTypeError("must be a number from 1 to 256")
    return number


@contextlib.contextmanager
def terminate_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM clean up the same way as Ctrl-C does, and let impatient people not disturb the cleaning up.

    Whatever the cleaning up fails with is an interruption too.
    """
    last = -math.inf

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() - last >= IMPATIENT_SECONDS:
            last = time.monotonic()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    except Exception as error:
        if not _is_of_an_interruption(error):
            raise
        # Interrupted in the middle of a statement, a connection can neither be rolled back nor used.
        connections.close_all()
        raise KeyboardInterrupt from error
    finally:
        # After an interruption the process is on its way out, and is to get there: Python's own end has no handlers.
        for number, handler in before.items():
            signal.signal(number, handler if last < 0 else signal.SIG_IGN)


def _is_of_an_interruption(error: BaseException) -> bool:
    while error.__context__ is not None:
        error = error.__context__
        if isinstance(error, KeyboardInterrupt):
            return True
    return False


def progress_bar() -> Progress:
    """Return a bar with step and estimate on stderr, silent when that is not a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[step]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def printable(text: str) -> str:
    """Return text that cannot steer a terminal or forge a line of output, whatever is in a file's name."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


@contextlib.contextmanager
def set_aside(bar: Progress) -> Iterator[None]:
    """Take the bar off the terminal while something is printed, and put it back."""
    bar.stop()
    try:
        yield
    finally:
        bar.start()
