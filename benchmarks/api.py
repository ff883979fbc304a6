"""How fast the web API is, beside a minimal application that runs one statement and returns its bytes.

    python benchmarks/api.py [--quick] [--rounds 3]        (DATABASE_URL=… for a server of your own)

Both run on the same data at the same time, by the shipped gunicorn settings with two workers, and are asked in turn by
benchmarks/load.py, one process of plain Python. Ours has DEBUG off and authentication on: requests come from 200
members in turn, each with a token, so that nobody reaches the limit of requests. benchmarks/minimal_app.py is the
baseline.

- Requests per second are those of 8 kept-alive connections, each of which asks again as soon as it has its answer.
- p50 alone is of 8 connections of which one asks at a time, so that both workers get their share.
- A changed list: a recording is renamed through our API, then one of the 8 connections asks for the list, then one of
  the other server does (every second time the other way round). Only the lists are timed; the new name must be in both.
  The figure is one list's median time; the ratio is the minimal application's time by ours.
- Renames are PATCH requests by 8 connections, each of another recording of the 1,000.
- Abandoned requests: while 24 connections take nothing of the list of 5,000 that they asked for, and four others are
  closed in the middle of that list and of audio, over and over, four ask for /api/profiles.
- Memory is the largest worker's after 1,000 and 10,000 mixed requests, among them renames and lists of 5,000.
- Statements are those that the embedded server logs for one warm request, authentication included.

Answers are checked: each one's status, every fiftieth's body. Medians of the rounds.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

from api_data import MEDIA_BYTES
from api_site import Server, Site, running_site, serving
from load import InTurn, hang_up, request, run, stalled

SIZES = {"thursday": 100, "sunday": 1_000, "festival": 5_000}
RENAMED = "sunday"
RANGE = (50_000, 149_999)
# The server that Stemset replaces, on a machine like ours: requests/s at 8 connections.
OLD_PROFILES, OLD_RENAMES, OLD_MEDIA = 807, 110, 1_700
PROFILES = "/api/profiles"
# Of how many runs a measurement of requests per second consists.
RUNS = 4
# How many people ask for the list of 5,000 and take nothing of it.
STALLED = 24
# How often a request is repeated to count its statements.
TIMES = 5


def files_path(profile: str) -> str:
    """Return the address of a profile's list."""
    return f"/api/profiles/{profile}/files"


@dataclass
class Goal:
    """What a row of the table is held to: a number of requests a second, or times the baseline."""

    times: float = 0.0
    per_second: float = 0.0

    def __str__(self) -> str:
        return f"{self.times:g} ×" if self.times else f"{self.per_second:,.0f}/s" if self.per_second else ""


class Bench:
    """Both servers and what they are asked."""

    def __init__(self, site: Site, seeded: dict[str, Any], servers: tuple[Server, Server], *, seconds: float) -> None:
        self.site = site
        self.ours, self.minimal = servers
        self.seconds = seconds
        self.tokens = cycle(seeded["tokens"])
        self.audio = f"/media/{quote(seeded['files'][0])}"
        self.bytes = (site.folder / "media" / seeded["files"][0]).read_bytes()
        self.people = len(seeded["tokens"])
        self.names = (f"Take {number}, ünlisted" for number in count(1))
        with InTurn(self.ours.address, 1) as connection:
            self.lists = {name: json.loads(connection.ask(self.get(files_path(name))).body) for name in SIZES}
            answers = {name: connection.ask(self.get(files_path(name))) for name in SIZES}
            self.etags = {name: answer.header("ETag") for name, answer in answers.items()}
        self.outputs = cycle(file["name"] for file in self.lists[RENAMED])

    def get(self, path: str, **headers: str) -> bytes:
        """Return a member's request for an address."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return request("GET", path, {"Host": "localhost", "Authorization": f"Bearer {next(self.tokens)}"} | named)

    def everybody(self, path: str, **headers: str) -> Iterator[bytes]:
        """Yield the request of each member in turn, for ever."""
        return cycle([self.get(path, **headers) for _ in range(self.people)])

    def rename(self, profile: str, output_name: str, name: str) -> bytes:
        """Return a member's request to rename a recording."""
        path = f"{files_path(profile)}/{quote(output_name)}/display-name"
        headers = {"Host": "localhost", "Authorization": f"Bearer {next(self.tokens)}", "Origin": "http://localhost"}
        return request("PATCH", path, headers, json.dumps({"display_name": name}).encode())

    def renames(self) -> Iterator[bytes]:
        """Yield renames of one recording after the other."""
        return (self.rename(RENAMED, next(self.outputs), next(self.names)) for _ in count())

    # --- one round ---

    def round(self) -> dict[str, tuple[float, float]]:
        """Measure everything once; return ours and the baseline (0 where there is none) by the row's name."""
        found: dict[str, tuple[float, float]] = {}
        plans: dict[str, tuple[Callable[[], float], Callable[[], float] | None]] = {
            "profiles": (partial(self.rate, PROFILES), partial(self.rate, PROFILES, self.minimal)),
        }
        for name, size in SIZES.items():
            path = files_path(name)
            plans[f"unchanged {size}"] = (partial(self.rate, path), partial(self.rate, path, self.minimal))
        for name, size in SIZES.items():
            plans[f"304 {size}"] = (partial(self.not_modified, name), None)
        plans["media"] = (partial(self.rate, self.audio), partial(self.rate, self.audio, self.minimal))
        plans["range"] = (self.part, None)
        for label, path in (("profiles", PROFILES), *((f"unchanged {s}", files_path(n)) for n, s in SIZES.items())):
            plans[f"alone, {label}"] = (partial(self.alone, path), partial(self.alone, path, self.minimal))
        for name, (ours, baseline) in plans.items():
            found[name] = (ours(), baseline() if baseline else 0.0)
        for name, size in SIZES.items():
            found[f"changed {size}"] = self.changed(name)
        found["renames"] = (self.rename_rate(), 0.0)
        return found

    def rate(self, path: str, server: Server | None = None) -> float:
        """Return how many requests for an address are answered in a second."""
        return self.per_second(server or self.ours, self.everybody(path), check=self.check(path))

    def not_modified(self, profile: str) -> float:
        """Return how many conditional requests for an unchanged list are answered in a second."""
        with InTurn(self.ours.address, 1) as connection:
            etag = connection.ask(self.get(files_path(profile))).header("ETag")
        return self.per_second(self.ours, self.everybody(files_path(profile), If_None_Match=etag), status=304)

    def part(self) -> float:
        """Return how many requests for a part of an audio file are answered in a second."""
        first, last = RANGE
        check = partial(must_equal, self.bytes[first : last + 1])
        requests = self.everybody(self.audio, Range=f"bytes={first}-{last}")
        return self.per_second(self.ours, requests, status=206, check=check)

    def rename_rate(self) -> float:
        """Return how many renames are answered in a second."""
        return self.per_second(self.ours, self.renames())

    def per_second(self, server: Server, requests: Iterator[bytes], **options: Any) -> float:
        """Return how many requests are answered in a second, by a few runs: chance gives connections to the workers."""
        loads = [run(server.address, requests, seconds=self.seconds / RUNS, **options) for _ in range(RUNS)]
        return sum(len(load.latencies) for load in loads) / sum(load.seconds for load in loads)

    def alone(self, path: str, server: Server | None = None) -> float:
        """Return the median of the milliseconds that an answer takes when nobody else asks."""
        with InTurn((server or self.ours).address) as connections:
            times = [connections.ask(self.get(path)).seconds for _ in range(self.often(path))]
        return statistics.median(times) * 1000

    def changed(self, profile: str) -> tuple[float, float]:
        """Return the median milliseconds of a list that has just changed: ours and the minimal application's."""
        times: dict[bool, list[float]] = {True: [], False: []}
        outputs = cycle(file["name"] for file in self.lists[profile])
        path = files_path(profile)
        with (
            InTurn(self.ours.address, 1) as writer,
            InTurn(self.ours.address) as ours,
            InTurn(self.minimal.address) as minimal,
        ):
            for number in range(self.often(path)):
                name = next(self.names)
                assert writer.ask(self.rename(profile, next(outputs), name)).status == 200
                for connections in (ours, minimal) if number % 2 else (minimal, ours):
                    answer = connections.ask(self.get(path))
                    assert name.encode() in answer.body, "a list without the new name"
                    times[connections is ours].append(answer.seconds)
        return statistics.median(times[True]) * 1000, statistics.median(times[False]) * 1000

    def often(self, path: str) -> int:
        """Return how often an address is asked one request at a time."""
        share = {files_path("sunday"): 0.2, files_path("festival"): 0.06}.get(path, 1.0)
        return max(8, int(100 * self.seconds * share))

    def check(self, path: str) -> Callable[[bytes], None]:
        """Return what must be true of an answer."""
        if path == self.audio:
            return partial(must_equal, self.bytes)
        number = len(SIZES) if path == PROFILES else SIZES[path.split("/")[3]]
        return partial(must_have, number)

    # --- once ---

    def memory(self, requests: int) -> tuple[float, float]:
        """Return the largest worker's megabytes after a tenth of so many mixed requests, and after all of them."""
        mixture = self.mixture()
        run(self.ours.address, (next(mixture) for _ in range(requests // 10)))
        early = self.ours.megabytes()
        run(self.ours.address, (next(mixture) for _ in range(requests - requests // 10)))
        return early, self.ours.megabytes()

    def mixture(self) -> Iterator[bytes]:
        """Yield requests as a band makes them, only more: polls, lists of all sizes, audio and renames."""
        for number in count():
            if number % 50 == 0:
                yield self.get(files_path("festival"))
            elif number % 10 == 1:
                yield self.get(files_path("sunday"))
            elif number % 10 == 2:
                yield self.get(files_path("thursday"))
            elif number % 10 == 3:
                yield self.get(self.audio)
            elif number % 50 == 4:
                profile = ("thursday", "sunday", "festival")[number % 3]
                name = self.lists[profile][number % len(self.lists[profile])]["name"]
                yield self.rename(profile, name, next(self.names))
            else:
                yield self.get(PROFILES)

    def abandoned(self) -> tuple[float, float, int]:
        """Return p99 in milliseconds of /api/profiles when nothing else goes on and while others go away in the middle
        of their answers, and how many did."""
        seconds = 2 * self.seconds
        whole_list = self.get(files_path("festival"))
        quiet = run(self.ours.address, self.everybody(PROFILES), connections=4, seconds=seconds)
        with (
            multiprocessing.get_context("fork").Pool(2) as pool,
            stalled(self.ours.address, whole_list, connections=STALLED),
        ):
            leave = partial(hang_up, self.ours.address, connections=2, seconds=seconds)
            leavers = [
                pool.apply_async(leave, (whole_list,), {"after": 1_000_000}),
                pool.apply_async(leave, (self.get(self.audio),), {"after": 50_000}),
            ]
            noisy = run(self.ours.address, self.everybody(PROFILES), connections=4, seconds=seconds)
            count = sum(leaver.get() for leaver in leavers)
        return quiet.milliseconds(0.99), noisy.milliseconds(0.99), count

    def longest(self) -> float:
        """Return what 99 % of small answers on kept-alive connections that ask in turn stay below, in milliseconds."""
        with InTurn(self.ours.address) as connections:
            return sorted(connections.ask(self.get(PROFILES)).seconds for _ in range(500))[494] * 1000

    def statements(self) -> dict[str, float]:
        """Return how many statements a request takes, in a server of its own, as the database logs them."""
        asked = {
            "profiles": self.get(PROFILES),
            **{f"list of {size:,}": self.get(files_path(name)) for name, size in SIZES.items()},
            "audio": self.get(self.audio),
        }
        found = {}
        with (
            self.site.counting_statements() as since,
            serving(self.site, "stemset.wsgi", WEB_CONCURRENCY="1") as server,
            InTurn(server.address, 1) as connection,
        ):
            for _ in range(TIMES * 10):  # until every connection of the pool was made and used
                connection.ask(asked["profiles"])
            for title, data in asked.items():
                connection.ask(data)
                since()
                for _ in range(TIMES):
                    connection.ask(data)
                found[title] = since() / TIMES
            for name, size in SIZES.items():
                connection.ask(self.rename(name, self.lists[name][0]["name"], next(self.names)))
                since()
                connection.ask(self.get(files_path(name)))
                found[f"list of {size:,} after a rename"] = float(since())
        return found


def must_equal(wanted: bytes, body: bytes) -> None:
    """Complain unless a body is what it should be."""
    assert body == wanted, "an answer with other bytes"


def must_have(number: int, body: bytes) -> None:
    """Complain unless a body is a list of so many."""
    assert len(json.loads(body)) == number, "a list of another length"


# --- telling --------------------------------------------------------------------------------------------------------


def rows() -> list[tuple[str, str, str, Goal]]:
    """Return for each row of the table its title, its figure, the baseline's figure and the goal."""
    table = [(f"`{PROFILES}`", "profiles", "profiles", Goal(per_second=1_600))]
    for size in SIZES.values():
        goal = Goal(times=5) if size == 1_000 else Goal()
        table.append((f"list of {size:,}, unchanged", f"unchanged {size}", f"unchanged {size}", goal))
    for size in SIZES.values():
        goal = Goal(times=10) if size == 1_000 else Goal()
        table.append((f"list of {size:,}, unchanged, conditional (304)", f"304 {size}", f"unchanged {size}", goal))
    table += [
        ("rename", "renames", "", Goal(per_second=3 * OLD_RENAMES)),
        (f"audio of {MEDIA_BYTES // 1000} kB", "media", "media", Goal(per_second=OLD_MEDIA)),
        (f"audio, a part of {(RANGE[1] - RANGE[0] + 1) // 1000} kB (206)", "range", "", Goal(per_second=OLD_MEDIA)),
    ]
    return table


def tell(found: dict[str, tuple[float, float]]) -> bool:
    """Print the tables; return whether all goals are reached."""
    reached = []
    print("\n| at 8 connections | requests/s | minimal application | ratio | goal |\n|---|---|---|---|---|")
    for title, name, baseline, goal in rows():
        ours, other = found[name][0], found[baseline][1] if baseline else 0.0
        ratio = ours / other if other else 0.0
        reached.append(ours >= goal.per_second and ratio >= goal.times)
        missed = "" if reached[-1] else " (missed)"
        print(f"| {title} | {ours:,.0f} | {f'{other:,.1f}' if other else '—'} ", end="")
        print(f"| {f'{ratio:.2f}' if other else '—'} | {goal}{missed} |")
    print("\n| one request at a time, p50 | ms | minimal application | ratio | goal |\n|---|---|---|---|---|")
    for size in SIZES.values():
        ours, other = found[f"changed {size}"]
        reached.append(other / ours >= 0.7)
        missed = "" if reached[-1] else " (missed)"
        print(f"| list of {size:,} after a rename | {ours:.2f} | {other:.2f} | {other / ours:.2f} | 0.7 ×{missed} |")
    for title, name in ((f"`{PROFILES}`", "profiles"), *((f"list of {s:,}", f"unchanged {s}") for s in SIZES.values())):
        ours, other = found[f"alone, {name}"]
        print(f"| {title}, unchanged | {ours:.2f} | {other:.2f} | {other / ours:.2f} | |")
    return all(reached)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it works")
    options = parser.parse_args()
    rounds, seconds, requests = (1, 1.0, 1_000) if options.quick else (options.rounds, 2.0, 10_000)
    with tempfile.TemporaryDirectory(prefix="stemset-bench-") as name, running_site(Path(name)) as site:
        seeded = site.seed(SIZES)
        with (
            serving(site, "stemset.wsgi") as ours,
            serving(site, "--pythonpath", "benchmarks", "minimal_app:application") as minimal,
        ):
            bench = Bench(site, seeded, (ours, minimal), seconds=seconds)
            measured = []
            for number in range(rounds + 1):  # the first one warms up
                bench.seconds = seconds if number else 0.2
                measured.append(bench.round())
                print(f"round {number} of {rounds}", file=sys.stderr)
            found = {
                row: (
                    statistics.median(each[row][0] for each in measured[1:]),
                    statistics.median(each[row][1] for each in measured[1:]),
                )
                for row in measured[0]
            }
            quiet, noisy, left = bench.abandoned()
            longest = bench.longest()
            early, late = bench.memory(requests)
        statements = bench.statements() if site.log else {}
    print(f"api: median of {rounds} rounds, {len(ours_cores())} cores")
    good = tell(found)
    print(f"\nMemory of the largest worker: {early:.0f} MB after {requests // 10:,} mixed requests, ", end="")
    print(f"{late:.0f} MB after {requests:,}; goal: flat, below 200 MB.")
    print(
        f"While {left:,} requests were abandoned and {STALLED} more stalled, p99 of {PROFILES} at 4 connections ",
        end="",
    )
    print(f"was {noisy:.1f} ms, else {quiet:.1f} ms.")
    print(f"Of 500 small answers one after the other, 99 % took less than {longest:.1f} ms.")
    for title, number in statements.items():
        print(f"Statements, {title}: {number:g}")
    good &= late < 200 and late < early * 1.1 and longest < 40 and all(number <= 2 for number in statements.values())
    if not good:
        sys.exit("A goal was missed.")


def ours_cores() -> set[int]:
    """Return the processor cores that this process may use."""
    import os

    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


if __name__ == "__main__":
    main()
