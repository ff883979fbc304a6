"""What benchmarks/api.py measures: a database with a band in it, and two servers on it, ours and the minimal one."""

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parents[1]
WORKERS = 2
STATEMENT = re.compile(rb"(?m)^\S.* LOG:  (?:statement|execute [^:]*): ")
# What a variable or a .env file of this checkout says must not reach another database or bucket, nor change settings.
NEUTRAL = {
    "STEMSET_LOCAL_STORAGE": "true",
    "DEBUG": "false",
    "STEMSET_BYPASS_AUTH": "false",
    "STEMSET_HTTPS": "false",
    "STEMSET_SIDECARS": "false",
    "STEMSET_SENDFILE": "",
    "STEMSET_ACCESS_LOG": "",
    "FRONTEND_URL": "",
    "BACKEND_URL": "",
    "ALLOWED_HOSTS": "localhost,127.0.0.1",
    # Neither models nor collected static files matter here.
    "SILENCED_SYSTEM_CHECKS": "stemset.E003,processing.E002,processing.W002",
}


@dataclass(frozen=True)
class Site:
    """A folder, a database, and how processes are told of them."""

    folder: Path
    dsn: str
    database_url: str
    # Where the server logs its statements, if we can read it.
    log: Path | None

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the variables for a process of this site."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("R2_", "DJANGO_", "DATABASE_"))
        }
        own = {
            "DATABASE_URL": self.database_url,
            "STEMSET_VAR_DIR": str(self.folder / "var"),
            "STEMSET_CONFIG": str(self.folder / "config.yaml"),
            "MEDIA_ROOT": str(self.folder / "media"),
            "BENCH_DSN": self.dsn,
            "WEB_CONCURRENCY": str(WORKERS),
            "STEMSET_BIND": "127.0.0.1:0",
        }
        return inherited | NEUTRAL | own | variables

    def run(self, *arguments: str) -> str:
        """Run a Python script of the checkout to its end, and return what it printed. Ends everything if it fails."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment(DATABASE_POOL="false"),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return done.stdout

    def seed(self, sizes: dict[str, int]) -> dict[str, Any]:
        """Make the tables and the band; return what benchmarks/api_data.py tells."""
        self.run("manage.py", "migrate", "--verbosity", "0")
        found: dict[str, Any] = json.loads(self.run("benchmarks/api_data.py", json.dumps(sizes)))
        return found

    @contextmanager
    def counting_statements(self) -> Iterator[Callable[[], int]]:
        """Have all statements of new connections logged; gives a function that counts those since it was last asked."""
        import psycopg

        assert self.log
        log, seen = self.log, self.log.stat().st_size

        def since() -> int:
            nonlocal seen
            text = log.read_bytes()
            found, seen = len(STATEMENT.findall(text[seen:])), len(text)
            return found

        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("ALTER DATABASE postgres SET log_statement = 'all'")
            connection.execute("ALTER DATABASE postgres SET log_parameter_max_length = 0")
            try:
                yield since
            finally:
                connection.execute("ALTER DATABASE postgres RESET ALL")


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """Give a site with an empty database on the server that DATABASE_URL names, else on an embedded one in `folder`."""
    folder.chmod(0o755)  # the embedded server runs as a user of its own
    (folder / "config.yaml").write_text(
        "strategies: {four: {_: 'dsp:4stems', vocals: vocals, drums: drums, bass: bass, other: other}}\n"
        "profiles: [{name: unused, source_folder: in, strategy: four}]\n"
    )
    url = os.environ.get("DATABASE_URL", "")
    with _own_database(url) if url else _embedded_server(folder) as (dsn, database_url, log):
        yield Site(folder, dsn, database_url, log)


@contextmanager
def _own_database(url: str) -> Iterator[tuple[str, str, Path | None]]:
    import psycopg

    name = f"stemset_bench_{uuid.uuid4().hex[:8]}"
    ours = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield ours, ours, None
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _embedded_server(folder: Path) -> Iterator[tuple[str, str, Path | None]]:
    command = [sys.executable, __file__, str(folder / "var" / "postgres")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdin
            assert holder.stdout
            socket = holder.stdout.readline().strip()
            assert socket, "the database server did not start"
            # Ours finds it by itself: DATABASE_URL is empty and the folder is the same.
            yield f"postgresql://postgres@{quote(socket, safe='')}/postgres", "", folder / "var" / "postgres" / "log"
        finally:
            holder.stdin.close()  # it stops the server and ends


def hold(folder: Path) -> None:
    """Keep the embedded server running until stdin is closed; tell the folder of its socket."""
    sys.path.insert(0, str(ROOT))
    from stemset.embedded_postgres.server import socket_folder

    print(socket_folder(folder), flush=True)
    sys.stdin.read()


class Server:
    """A gunicorn with the shipped settings."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.address = ("127.0.0.1", port)

    def workers(self) -> list[Any]:
        """Return the worker processes, as psutil has them."""
        import psutil

        found: list[Any] = psutil.Process(self.process.pid).children()
        return found

    def megabytes(self) -> float:
        """Return the resident memory of the largest worker."""
        return float(max(worker.memory_info().rss for worker in self.workers()) / 1e6)


@contextmanager
def serving(site: Site, *application: str, **variables: str) -> Iterator[Server]:
    """Start gunicorn for an application, and stop it in the end."""
    # Beside the interpreter, not where its link leads to.
    gunicorn = str(Path(sys.executable).parent / "gunicorn")
    command = [gunicorn, "--config", "python:stemset.gunicorn", *application]
    complaints = site.folder / f"{uuid.uuid4().hex}.log"
    with (
        complaints.open("w") as stderr,
        subprocess.Popen(
            command, cwd=ROOT, env=site.environment(**variables), stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        try:
            assert process.stdout
            port = next((int(line.split(":")[2].split("/")[0]) for line in process.stdout if "http://" in line), 0)
            if not port:
                sys.exit(f"The server did not start:\n{complaints.read_text()[-3000:]}")
            yield Server(process, port)
            said = complaints.read_text()
            if said:
                sys.exit(f"The server complained:\n{said[-3000:]}")
        finally:
            process.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    hold(Path(sys.argv[1]))
