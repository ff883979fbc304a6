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
from tests.site import ROOT, site_environment

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


def test_a_server_restarted_by_another_process_is_stopped_too(client):
    first, second = client(), client()
    client.postmaster().kill()
    time.sleep(0.5)
    third = client()
    for process in (third, second, first):  # the last to leave never saw the new server
        assert client.postmaster() is not None
        leave(process)
    assert client.postmaster() is None


FAILS_ONCE = textwrap.dedent("""
    import sys
    from pathlib import Path
    from stemset.embedded_postgres import server
    working = server._start
    def broken(folder):
        server._start = working
        raise OSError("no memory")
    server._start = broken
    data = Path(sys.argv[1])
    try:
        server.socket_folder(data)
    except OSError as error:
        print(error)
    server.socket_folder(data)
""")


def test_a_process_that_fails_to_start_it_once_still_stops_it_in_the_end(folder):
    data = folder / "postgres"
    done = subprocess.run(
        [sys.executable, "-c", FAILS_ONCE, str(data)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "no memory\n"), done.stderr
    assert (data / "PG_VERSION").is_file()
    assert _postmaster(data) is None


def test_a_number_that_another_program_has_by_now(client):
    first = client()
    data = Path(first.answer["folder"])
    leave(first)
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1700000000\n5432\n{data}\n\n  0 0\nready\n")
    leave(client())
    assert client.postmaster() is None


# A web process of the site: a pool of connections that was filled before the server died.
POOLED = textwrap.dedent("""
    import os, sys, time, psutil
    from pathlib import Path
    import django
    django.setup()
    from django.db import connection, close_old_connections
    def ask():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                return cursor.fetchone()
        finally:
            connection.close()
    assert ask() == (1,)
    time.sleep(1)
    postmaster = psutil.Process(int(Path(sys.argv[1], "postmaster.pid").read_text().split()[0]))
    postmaster.kill()
    postmaster.wait()
    time.sleep(1)
    assert ask() == (1,)
""")


def test_a_pool_recovers_when_the_server_was_killed(folder):
    environment = site_environment() | {
        "DJANGO_SETTINGS_MODULE": "stemset.settings",
        "STEMSET_VAR_DIR": str(folder),
        "DATABASE_POOL": "true",
        "DATABASE_URL": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", POOLED, str(folder / "postgres")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert _postmaster(folder / "postgres") is None


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
