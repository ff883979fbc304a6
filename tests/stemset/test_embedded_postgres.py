"""The embedded server: shared by processes, stopped by the last one, and not confused by kill -9."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stemset.gunicorn import listens_on_loopback
from tests.site import ROOT

pytestmark = pytest.mark.faults

# Connects like the site does, from several threads at once; says where, and waits to be told to leave.
CLIENT = textwrap.dedent("""
    import json, sys
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path
    from stemset.embedded_postgres.server import socket_folder
    import psycopg
    with ThreadPoolExecutor(8) as threads:
        (folder,) = set(threads.map(socket_folder, [Path(sys.argv[1])] * 8))
    with psycopg.connect(host=folder, user="postgres", dbname="postgres") as connection:
        version = connection.execute("SHOW server_version_num").fetchone()[0]
    print(json.dumps({"folder": folder, "version": int(version)}), flush=True)
    sys.stdin.read()
""")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's own user can reach: pytest closes its temporary folders to everybody else."""
    with tempfile.TemporaryDirectory(prefix="stemset-pg-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def client(folder):
    data = folder / "var" / "postgres"
    clients = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(data)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        clients.append(process)
        process.answer = json.loads(process.stdout.readline())
        return process

    start.postmaster = lambda: _postmaster(data)
    yield start
    for process in clients:
        process.kill()
        process.communicate()
    postmaster = _postmaster(data)
    if postmaster is not None:
        postmaster.terminate()
        postmaster.wait(10)


def _postmaster(data) -> psutil.Process | None:
    try:
        return psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate("")
    assert process.returncode == 0


def test_two_processes_share_it_and_the_last_one_stops_it(client):
    first, second = client(), client()
    assert first.answer == second.answer
    assert first.answer["version"] >= 150000
    server = client.postmaster()
    leave(first)
    assert server.is_running()
    leave(second)
    assert client.postmaster() is None


@pytest.mark.parametrize("pause", [0, 0.02, 0.1])
def test_ctrl_c_that_arrives_twice_stops_it_all_the_same(client, pause):
    process = client()
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(pause)
    process.wait(20)
    assert client.postmaster() is None


def test_a_killed_process_does_not_keep_it_running_for_ever(client):
    first, second = client(), client()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert client.postmaster() is not None
    leave(second)
    assert client.postmaster() is None


def test_when_all_were_killed_the_next_one_takes_over(client):
    first = client()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    running = client.postmaster()
    second = client()
    assert client.postmaster().pid == running.pid
    leave(second)
    assert client.postmaster() is None


def test_a_killed_server_is_started_again(client):
    first = client()
    server = client.postmaster()
    server.kill()
    server.wait(10)
    time.sleep(0.5)  # its children notice
    second = client()
    assert client.postmaster().pid != server.pid
    leave(second)
    leave(first)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("localhost:80", True),
        ("unix:/run/stemset.sock", True),
        ("0.0.0.0:8000", False),
        (":8000", False),
        ("192.0.2.1:8000", False),
        ("band.example:8000", False),
    ],
)
def test_which_addresses_are_this_machine_only(address, local):
    assert listens_on_loopback(address) is local
