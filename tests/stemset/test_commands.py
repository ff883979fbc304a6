"""What goes to a terminal cannot steer it, and an interruption ends as one."""

import os
import signal
import time

import pytest
from django.db import ProgrammingError

from stemset.commands import printable, terminate_like_ctrl_c


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Übung 日本 🎸.wav", "Übung 日本 🎸.wav"),
        ("\x1b[31mred\x1b]0;pwn\x07.wav", r"\x1b[31mred\x1b]0;pwn\x07.wav"),
        ("take.wav\ncreated  other.wav", r"take.wav\ncreated  other.wav"),
        ("right\u202eto left", r"right\u202eto left"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown


@pytest.fixture
def handlers():
    """Put back what handles signals: a process that was interrupted ignores them from then on."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_what_the_cleaning_up_after_an_interruption_fails_with_is_one():
    """Interrupted within a commit, for instance, psycopg refuses to change a connection that is at work still."""

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            raise ProgrammingError("can't change 'autocommit' now: connection in transaction status ACTIVE")

    with pytest.raises(KeyboardInterrupt), terminate_like_ctrl_c():
        work()


def test_what_fails_without_an_interruption_fails():
    def work():
        try:
            raise KeyError
        finally:
            raise ProgrammingError("no such table")

    with pytest.raises(ProgrammingError, match="no such table"), terminate_like_ctrl_c():
        work()
