"""The web server refuses to start with a mistake, and says where the site is."""

import logging
import os
import platform
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from stemset.gunicorn import (
    hang_up_on_the_stalled,
    is_this_machine_only,
    is_worth_logging,
    refuse_mistakes,
    when_ready,
)
from tests.site import ROOT, site_environment

# Beside the interpreter, not where its link leads to.
GUNICORN = [str(Path(sys.executable).parent / "gunicorn"), "--config", "python:stemset.gunicorn", "stemset.wsgi"]


def serve(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start the real server; it is stopped as soon as it says that it runs."""
    environment = {**site_environment(), "DATABASE_POOL": "false", "STEMSET_BIND": "127.0.0.1:0", **variables}
    with subprocess.Popen(
        [*GUNICORN, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as server:
        lines = []
        for line in server.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                server.send_signal(signal.SIGTERM)
        stderr = server.stderr.read()
        return subprocess.CompletedProcess(server.args, server.wait(timeout=60), "".join(lines), stderr)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (("127.0.0.1", 8000), True),
        (("::1", 8000), True),
        (("localhost", 8000), True),
        ("/run/stemset.sock", True),
        (("0.0.0.0", 8000), False),  # noqa: S104
        (("::", 8000), False),
        (("band.example", 80), False),
        (3, False),
    ],
)
def test_which_addresses_are_this_machine_only(address, local):
    assert is_this_machine_only(address) is local


def test_every_address_is_judged(settings, capsys):
    settings.STEMSET_BYPASS_AUTH = True
    refuse_mistakes([("127.0.0.1", 8000), "/run/stemset.sock"])
    with pytest.raises(SystemExit) as caught:
        refuse_mistakes([("127.0.0.1", 8000), "/run/stemset.sock", ("192.0.2.1", 80), ("::", 81), 3])
    assert caught.value.code == 1
    assert "not on http://192.0.2.1:80, http://[::]:81, fd://3." in capsys.readouterr().err


def test_without_the_bypass_every_address_is_fine(settings):
    refuse_mistakes([("0.0.0.0", 8000)])  # noqa: S104


def test_the_real_addresses_are_printed(capsys):
    class Listener:
        def __init__(self, text):
            self.text = text

        def __str__(self):
            return self.text

    when_ready(SimpleNamespace(LISTENERS=[Listener("http://127.0.0.1:4321"), Listener("unix:/run/s.sock")]))
    output = capsys.readouterr().out
    assert "Open http://127.0.0.1:4321/library\n" in output
    assert "listens at unix:/run/s.sock\n" in output
    # With --reuse-port the sockets are made later.
    when_ready(SimpleNamespace(LISTENERS=[], cfg=SimpleNamespace(address=[("::1", 80)])))
    assert "Open http://[::1]:80/library\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "variables", "needle"),
    [
        ([], {"STEMSET_CONFIG": "/nowhere/config.yaml"}, "there is no such file"),
        ([], {"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY must be at least 1"),
        ([], {"STEMSET_CLIENT_DIR": "/nowhere", "DEBUG": "true"}, "STEMSET_CLIENT_DIR has no index.html"),
        (["--bind", "0.0.0.0:0"], {"DEBUG": "true", "STEMSET_BYPASS_AUTH": "true"}, "not on http://0.0.0.0:0"),
    ],
)
def test_a_mistake_is_a_message(arguments, variables, needle):
    run = serve(*arguments, **variables)
    assert run.returncode == 1
    assert needle in run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr.splitlines()) <= 3
    assert "running" not in run.stdout


def test_the_address_of_a_port_that_the_system_chose():
    run = serve(DEBUG="true")
    assert run.returncode == 0, run.stderr
    port = int(run.stdout.partition("Open http://127.0.0.1:")[2].partition("/")[0])
    assert port > 0


def test_uncollected_static_files_stop_the_server(settings, capsys, tmp_path):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    with pytest.raises(SystemExit) as caught:
        refuse_mistakes([("127.0.0.1", 8000)])
    assert caught.value.code == 1
    assert "collectstatic" in capsys.readouterr().err
    settings.SILENCED_SYSTEM_CHECKS = ["stemset.E003"]
    refuse_mistakes([("127.0.0.1", 8000)])


def test_gunicorn_itself_does_not_load_the_settings():
    """Else its workers would inherit them, and `make run` would not reload a changed settings module."""
    code = "import sys, stemset.gunicorn; sys.exit('stemset.settings' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ, check=False).returncode == 0


def connected(seconds: float) -> tuple[socket.socket, socket.socket]:
    """A server's end and a client's end of a connection that ends when nothing is taken for so long."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hang_up_on_the_stalled([listener], seconds)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.connect(listener.getsockname())
        return listener.accept()[0], client


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
def test_who_stops_taking_bytes_does_not_hold_a_thread_for_ever():
    server, client = connected(seconds=1)
    with server, client:
        server.settimeout(None)
        with pytest.raises(TimeoutError):
            server.sendall(b"x" * 50_000_000)


def test_who_is_slow_gets_everything():
    size = 3_000_000
    server, client = connected(seconds=1)

    def take_slowly() -> None:
        left = size
        while left:
            time.sleep(0.01)
            left -= len(client.recv(100_000))

    with server, client:
        reader = threading.Thread(target=take_slowly)
        reader.start()
        server.sendall(b"x" * size)
        reader.join(60)
        assert not reader.is_alive()


def test_a_phone_that_went_away_is_no_error_in_the_log():
    def record(error: BaseException | None) -> logging.LogRecord:
        about = (type(error), error, None) if error else None
        return logging.LogRecord("gunicorn.error", logging.ERROR, __file__, 1, "Socket error", (), about)

    assert not is_worth_logging(record(TimeoutError()))
    assert is_worth_logging(record(OSError()))
    assert is_worth_logging(record(None))


# Lists of thousands come and go; what lies between them stays.
LISTS = textwrap.dedent("""
    import psutil
    from stemset.gunicorn import keep_memory_flat
    keep_memory_flat()
    size, count = 4_000_000, 20
    bytes(3 * size)  # from now on glibc would take such blocks for small ones
    blocks = [(bytearray(b"x") * size, [object() for _ in range(1000)]) for _ in range(count)]
    full = psutil.Process().memory_info().rss
    blocks = [small if number % 2 else (block, small) for number, (block, small) in enumerate(blocks)]
    freed = full - psutil.Process().memory_info().rss
    assert freed > 0.8 * size * count / 2, freed
""")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc")
def test_large_answers_give_their_memory_back():
    done = subprocess.run([sys.executable, "-c", LISTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
