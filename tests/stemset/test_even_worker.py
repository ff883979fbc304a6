"""Connections that are opened at once are shared by the worker processes."""

import http.client
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site import ROOT

APPLICATION = """
import os

def application(environ, start_response):
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
CONNECTIONS, TIMES = 8, 10


@pytest.fixture
def port(tmp_path) -> Iterator[int]:
    """The port of a small application with two workers."""
    (tmp_path / "small.py").write_text(APPLICATION)
    # Beside the interpreter, not where its link leads to.
    command = [str(Path(sys.executable).parent / "gunicorn"), "--bind", "127.0.0.1:0", "--workers", "2"]
    command += ["--threads", "8", "--worker-class", "stemset.even_worker.EvenWorker", "--pythonpath", str(tmp_path)]
    with subprocess.Popen([*command, "small:application"], cwd=ROOT, stderr=subprocess.PIPE, text=True) as server:
        said = ""
        while said.count("Booting worker") < 2:
            line = server.stderr.readline()
            assert line, said
            said += line
        yield int(re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", said)[1])
        server.terminate()
        server.stderr.read()


def shares(port: int) -> list[int]:
    """Open connections at once, as a browser does, and return how many of them each worker has."""
    connections = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    for connection in connections:
        connection.connect()
    pids = []
    for connection in connections:
        connection.request("GET", "/")
        pids.append(connection.getresponse().read())
    for connection in connections:
        connection.close()
    return sorted(Counter(pids).values())


def test_the_workers_take_turns(port):
    shares(port)  # a worker may have been late to start
    smaller_halves = [found[0] if len(found) == 2 else 0 for found in (shares(port) for _ in range(TIMES))]
    # Turns give 0.45 on average, a coin would give 0.36, and who is up already leaves the other less than 0.2.
    assert sum(smaller_halves) > 0.3 * CONNECTIONS * TIMES, smaller_halves
