"""How fast the JSON store moves into the database and back: import_metadata and export_metadata as whole processes.

    python benchmarks/cutover.py [--recordings 5000] [--baseline-recordings 300] [--runs 3]

A store of the last generation is made up: recordings of four stems, each a 4-minute Opus file (hard links to a few real
ones), each with a metadata.json of its own and an entry in .processed_hashes.json. In the same run are measured

- the floor: read the same metadata.json and audio headers on all cores and do nothing else, without Django;
- the baseline: benchmarks/row_by_row.py, an importer that works as the older version's did. Its import is measured on
  a smaller store; its start-up, measured by itself, is counted once and the rest in proportion. Its second run is
  measured on the whole store, once where it reads each folder before it asks the database for the recording, and once
  where it only asks: that one reads nothing and so notices nothing, and is no goal;
- the import of a fifth of the recordings, to see whether memory grows with the store.

Times are medians, start-up included; the embedded server runs all the while. Memory (the sum over the command's own
processes, pages they share counted once for each) and statements (what the server logs, BEGIN and COMMIT included)
come from one more round that is not timed. Exits with 1 unless import and second run are 15 and 6 times faster than
the baseline (the one that reads) and the import reaches half the floor.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "demo" / "input" / "harbour.flac"
PROFILES = ("thursday", "sunday", "choir", "studio")
STEMS = ("vocals", "drums", "bass", "other")
MINUTES, KBPS = 4, 96
MOST = 60_000  # a file may have 65,000 names on ext4
GOALS = {"import": 15, "second run": 6, "floor": 0.5}
TABLES_THAT_STAY = {"django_migrations", "django_content_type", "auth_permission"}
STATEMENT = re.compile(rb"(?m)^\S.* LOG:  (?:statement|execute [^:]*): ")
# What a variable or a .env file of this checkout says must not reach another database or bucket.
NEUTRAL = {"DATABASE_URL": "", "STEMSET_LOCAL_STORAGE": "true", "DEBUG": "false", "STEMSET_BYPASS_AUTH": "false"}


# --- the store ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Store:
    """A generated media folder."""

    media: Path
    recordings: int


def make_audio(folder: Path) -> list[tuple[Path, Path]]:
    """Encode one file for each stem from the demo recording, and draw its waveform."""
    sys.path.insert(0, str(ROOT))
    import numpy as np
    import soundfile

    from processing.audio.encode import encode
    from processing.audio.waveform import WIDTH, render_waveform

    song, rate = soundfile.read(DEMO, dtype="float32")
    frames = MINUTES * 60 * rate
    whole = np.resize(song, (frames, 2))
    made = []
    for number, stem in enumerate(STEMS):
        audio, picture = folder / f"{stem}.opus", folder / f"{stem}_waveform.png"
        encode([np.roll(whole, number * rate, axis=0)], audio, format="opus", bitrate_kbps=KBPS, frames=frames)
        picture.write_bytes(render_waveform(np.abs(np.sin(np.linspace(0, 9 + number, WIDTH))), scale=1.2))
        made.append((audio, picture))
    return made


def make_store(media: Path, recordings: int, audio: list[tuple[Path, Path]]) -> Store:
    """Write so many recordings, spread over the profiles."""
    generator = random.Random(recordings)
    indexes: dict[str, dict[str, str]] = {profile: {} for profile in PROFILES}
    for number in range(recordings):
        profile = PROFILES[number % len(PROFILES)]
        file_hash = hashlib.sha256(f"recording {number}".encode()).hexdigest()
        day = date(2015, 1, 1) + timedelta(days=number // 4)
        folder = media / profile / f"Rehearsal_{day}_take_{number:05}_{file_hash[:8]}"
        folder.mkdir(parents=True)
        for original, picture in audio:
            os.link(original, folder / original.name)
            os.link(picture, folder / picture.name)
        document = make_document(generator, number)
        (folder / "metadata.json").write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
        when = 1_420_070_400 + number * 21_600
        os.utime(folder / "metadata.json", (when, when))
        os.utime(folder, (when, when))
        indexes[profile][file_hash] = folder.name
    for profile, entries in indexes.items():
        (media / profile).mkdir(parents=True, exist_ok=True)
        (media / profile / ".processed_hashes.json").write_text(json.dumps(entries, indent=2), encoding="utf-8")
    return Store(media, recordings)


def make_document(generator: random.Random, number: int) -> dict[str, Any]:
    """Return a metadata.json of the last generation; every third recording has a name."""
    stems = {
        stem: {
            "stem_type": stem,
            "measured_lufs": round(generator.uniform(-40, -12), 2),
            "peak_amplitude": round(generator.uniform(0.05, 1), 4),
            "stem_gain_adjustment_db": round(generator.uniform(-12, 6.02), 2),
            "stem_url": f"{stem}.opus",
            "waveform_url": f"{stem}_waveform.png",
        }
        for stem in STEMS
    }
    return {"stems": stems, "display_name": "" if number % 3 else f"Übung № {number}"}


# --- the floor ------------------------------------------------------------------------------------------------------


def floor(media: Path) -> None:
    """Read every metadata.json and the header of every stem it names, on all cores."""
    import soundfile  # noqa: F401  # before the other processes are forked

    folders = []
    for profile in os.scandir(media):
        folders += [entry.path for entry in os.scandir(profile) if entry.is_dir()]
        json.loads(Path(profile.path, ".processed_hashes.json").read_bytes())
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    with context.Pool(cores()) as pool:
        stems = sum(pool.imap_unordered(read_folder, folders, chunksize=32))
    print(f"{len(folders)} recordings, {stems} stems")


def read_folder(path: str) -> int:
    """Read one recording as the floor does; return the number of its stems."""
    import soundfile

    sizes = {entry.name: entry.stat().st_size for entry in os.scandir(path)}
    with open(f"{path}/metadata.json", "rb") as stream:
        stems = json.loads(stream.read())["stems"]
    assert all(
        sizes[stem["stem_url"]] and soundfile.info(f"{path}/{stem['stem_url']}").frames for stem in stems.values()
    )
    return len(stems)


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# --- the database ---------------------------------------------------------------------------------------------------


def hold(folder: Path) -> None:
    """Keep the embedded server running until stdin is closed; tell the folder of its socket."""
    sys.path.insert(0, str(ROOT))
    from stemset.embedded_postgres.server import socket_folder

    print(socket_folder(folder), flush=True)
    sys.stdin.read()


class Site:
    """An installation of its own: configuration, folders and a database server."""

    def __init__(self, folder: Path, socket: str) -> None:
        import psycopg

        self.folder = folder
        self.log = folder / "var" / "postgres" / "log"
        self.config = folder / "config.yaml"
        self.config.write_text(
            "strategies: {four: {_: 'dsp:4stems', vocals: vocals, drums: drums, bass: bass, other: other}}\nprofiles:\n"
            + "".join(
                f"  - {{name: {name}, source_folder: {folder / 'in' / name}, strategy: four}}\n" for name in PROFILES
            )
        )
        for name in PROFILES:
            (folder / "in" / name).mkdir(parents=True)
        self.database = psycopg.connect(host=socket, user="postgres", dbname="postgres", autocommit=True)

    def environment(self, media: Path) -> dict[str, str]:
        """Return the variables for a command on this media folder."""
        # Without that last one Python would compile every module anew at each start, which happens to nobody.
        foreign = ("R2_", "DJANGO_", "DATABASE_", "PYTHONDONTWRITEBYTECODE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return (
            inherited
            | NEUTRAL
            | {
                "STEMSET_VAR_DIR": str(self.folder / "var"),
                "STEMSET_CONFIG": str(self.config),
                "MEDIA_ROOT": str(media),
            }
        )

    def empty_the_database(self) -> None:
        """Remove all rows, and have the server write what it still has to write."""
        names = self.database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        tables = ", ".join(f'"{name}"' for (name,) in names if name not in TABLES_THAT_STAY)
        self.database.execute(f"TRUNCATE {tables}")
        self.database.execute("CHECKPOINT")

    def counts(self) -> tuple[int, int]:
        """Return the numbers of recordings and of stems."""
        row = self.database.execute("SELECT (SELECT count(*) FROM recordings), (SELECT count(*) FROM stems)").fetchone()
        return row[0], row[1]

    @contextmanager
    def counting_statements(self) -> Iterator[Callable[[], int]]:
        """Have every statement of new connections logged; gives a function that tells how many there were."""
        before = self.log.stat().st_size
        self.database.execute("ALTER DATABASE postgres SET log_statement = 'all'")
        self.database.execute("ALTER DATABASE postgres SET log_parameter_max_length = 0")
        try:
            yield lambda: len(STATEMENT.findall(self.log.read_bytes()[before:]))
        finally:
            self.database.execute("ALTER DATABASE postgres RESET ALL")


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """Set a site up in `folder`, its server running and its tables made, and stop the server in the end."""
    command = [sys.executable, __file__, "--hold", str(folder / "var" / "postgres")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdin
            assert holder.stdout
            socket = holder.stdout.readline().strip()
            assert socket, "the database server did not start"
            site = Site(folder, socket)
            run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], site.environment(folder / "media"))
            yield site
            site.database.close()
        finally:
            holder.stdin.close()  # it stops the server and ends


# --- measuring ------------------------------------------------------------------------------------------------------


@dataclass
class Figures:
    """What one command took. Memory and statements are known only of the round that looks at them."""

    seconds: float
    megabytes: float = 0.0
    statements: int = 0


def run(command: list[str], environment: dict[str, str], *, watch: bool = False) -> Figures:
    """Run a command to its end; `watch` its memory. Ends the benchmark when it fails."""
    peak = 0.0
    with tempfile.TemporaryFile() as log:
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        while watch and process.poll() is None:
            peak = max(peak, resident_megabytes(process.pid))
            time.sleep(0.01)
        code = process.wait()
        seconds = time.monotonic() - began
        if code:
            log.seek(0)
            sys.exit(f"{' '.join(command)} ended with {code}:\n{log.read().decode(errors='replace')[-3000:]}")
    return Figures(seconds, peak)


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process and all its descendants."""
    import psutil

    total = 0
    try:
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            try:
                total += member.memory_info().rss
            except psutil.Error:
                continue  # it has just ended
    except psutil.Error:
        return 0
    return total / 1e6


class Round:
    """Every command once, in an order that gives each the database it needs."""

    def __init__(self, site: Site, stores: dict[str, Store], *, watch: bool) -> None:
        self.site = site
        self.stores = stores
        self.watch = watch
        self.figures: dict[str, Figures] = {}

    def measure(self) -> dict[str, Figures]:
        """Run all of them."""
        whole = self.stores["whole"]
        self._run("floor", whole, [__file__, "--floor", str(whole.media)])
        self.site.empty_the_database()
        self._manage("import", whole, "import_metadata", "--no-input")
        self._must_hold(whole)
        self._manage("second run", whole, "import_metadata", "--no-input")
        self._row_by_row("baseline, second run", whole, "--read-first")
        self._row_by_row("baseline, only asking", whole)
        self._must_hold(whole)
        with tempfile.TemporaryDirectory(dir=self.site.folder) as target:
            self._manage("export", whole, "export_metadata", "--to", target)
            self._manage("second export", whole, "export_metadata", "--to", target)
            self._must_be_equal(whole.media, Path(target))
        self.site.empty_the_database()
        self._manage("a fifth", self.stores["fifth"], "import_metadata", "--no-input")
        self.site.empty_the_database()
        self._row_by_row("baseline, nothing", self.stores["none"])
        self._row_by_row("baseline", self.stores["slice"])
        self._must_hold(self.stores["slice"])
        return self.figures

    def _manage(self, name: str, store: Store, *arguments: str) -> None:
        self._run(name, store, ["manage.py", *arguments])

    def _row_by_row(self, name: str, store: Store, *arguments: str) -> None:
        self._run(name, store, [str(ROOT / "benchmarks" / "row_by_row.py"), *arguments])

    def _run(self, name: str, store: Store, arguments: list[str]) -> None:
        command = [sys.executable, *arguments]
        environment = self.site.environment(store.media)
        if not self.watch:
            self.figures[name] = run(command, environment)
            return
        with self.site.counting_statements() as count:
            self.figures[name] = run(command, environment, watch=True)
            self.figures[name].statements = count()

    def _must_hold(self, store: Store) -> None:
        wanted = (store.recordings, store.recordings * len(STEMS))
        if self.site.counts() != wanted:
            sys.exit(f"The database holds {self.site.counts()} recordings and stems, not {wanted}.")

    def _must_be_equal(self, media: Path, exported: Path) -> None:
        for path in (*media.glob("*/*/metadata.json"), *media.glob("*/.processed_hashes.json")):
            copy = exported / path.relative_to(media)
            if not copy.is_file() or copy.read_bytes() != path.read_bytes():
                sys.exit(f"The export of {path.relative_to(media)} differs from what was imported.")


def combined(rounds: list[dict[str, Figures]], watched: dict[str, Figures]) -> dict[str, Figures]:
    """Return medians of the times, with the memory and statements of the watched round."""
    return {
        name: Figures(statistics.median(figures[name].seconds for figures in rounds), seen.megabytes, seen.statements)
        for name, seen in watched.items()
    }


# --- telling --------------------------------------------------------------------------------------------------------


def tell(figures: dict[str, Figures], stores: dict[str, Store]) -> bool:
    """Print the table and the ratios; return whether all goals are reached."""
    whole, part, fifth = (stores[name].recordings for name in ("whole", "slice", "fifth"))
    rows = (
        ("floor: read everything on all cores", "floor", whole),
        (f"row by row, {part:,} recordings", "baseline", part),
        ("row by row, second run", "baseline, second run", whole),
        ("row by row, second run, only asking", "baseline, only asking", whole),
        ("import_metadata", "import", whole),
        ("import_metadata, second run", "second run", whole),
        ("export_metadata", "export", whole),
        ("export_metadata, second run", "second export", whole),
        (f"import_metadata, {fifth:,} recordings", "a fifth", fifth),
    )
    print(f"{'':38}{'seconds':>9}{'recordings/s':>14}{'peak MB':>9}{'statements':>12}{'each':>7}")
    for title, name, recordings in rows:
        found = figures[name]
        print(
            f"{title:38}{found.seconds:9.2f}{recordings / found.seconds:14.0f}{found.megabytes:9.0f}"
            f"{found.statements:12,}{found.statements / recordings:7.2f}"
        )
    ratios = {
        "import": baseline_seconds(figures, part, whole) / figures["import"].seconds,
        "second run": figures["baseline, second run"].seconds / figures["second run"].seconds,
        "only asking": figures["baseline, only asking"].seconds / figures["second run"].seconds,
        "floor": figures["floor"].seconds / figures["import"].seconds,
    }
    print(f"import: {ratios['import']:.1f} times row by row", end="")
    print(f" ({whole / baseline_seconds(figures, part, whole):.0f} recordings/s on the whole store)", end="")
    print(f", {ratios['floor']:.2f} of the floor; goals {GOALS['import']} and {GOALS['floor']}")
    print(f"second run: {ratios['second run']:.1f} times row by row; goal {GOALS['second run']}", end="")
    print(f" ({ratios['only asking']:.1f} times the one that only asks)")
    growth = figures["import"].megabytes / figures["a fifth"].megabytes
    print(f"memory of the import: {growth:.2f} × that of a fifth of the recordings")
    return all(ratios[name] >= goal for name, goal in GOALS.items())


def baseline_seconds(figures: dict[str, Figures], measured: int, wanted: int) -> float:
    """Return what the baseline's import of `wanted` recordings would take: start-up once, the rest in proportion."""
    start = figures["baseline, nothing"].seconds
    return start + (figures["baseline"].seconds - start) * wanted / measured


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=5000)
    parser.add_argument("--baseline-recordings", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", help="where the temporary files go: links of one file, so one file system")
    parser.add_argument("--floor", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--hold", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor:
        floor(options.floor)
        return
    if options.hold:
        hold(options.hold)
        return
    if not 5 <= options.recordings <= MOST:
        parser.error(f"5 to {MOST:,} recordings can be made")
    numbers = {
        "whole": options.recordings,
        "slice": min(options.baseline_recordings, options.recordings),
        "fifth": max(1, options.recordings // 5),
        "none": 0,
    }
    with (
        tempfile.TemporaryDirectory(prefix="stemset-bench-", dir=options.folder) as name,
        running_site(Path(name)) as site,
    ):
        audio = make_audio(site.folder)
        stores = {key: make_store(site.folder / key / "media", number, audio) for key, number in numbers.items()}
        rounds = [Round(site, stores, watch=False).measure() for _ in range(options.runs)]
        watched = Round(site, stores, watch=True).measure()
    print(f"cutover: {options.recordings:,} recordings of 4 stems, median of {options.runs}, {cores()} cores")
    if not tell(combined(rounds, watched), stores):
        sys.exit("A goal was missed.")


if __name__ == "__main__":
    main()
