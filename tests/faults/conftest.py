"""Processes that a failing test left running are ended with it."""

import pytest

from tests import site


@pytest.fixture(autouse=True)
def no_process_stays():
    yield
    for process in site.started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    site.started.clear()
