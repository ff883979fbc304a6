"""`python -m tests.fuzz`: a database and a server of its own, two bands, four people, thousands of generated requests.

Exits 1 when an answer was an error 5xx, or not as the schema says, or had something of the other band in it.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path


def main() -> int:
    """Fuzz, and print how many requests went where."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="send at least so many (default: 20000)")
    parser.add_argument("--examples", type=int, default=60, help="generated cases of an operation in one run")
    parser.add_argument("--seed", type=int, default=1, help="other seeds generate other requests")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stemset-fuzz-") as name:
        folder = Path(name)
        # The embedded database in a folder of its own, whatever database this checkout usually has.
        os.environ.pop("DATABASE_URL", None)
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "STEMSET_VAR_DIR": str(folder / "var"),
            "MEDIA_ROOT": str(folder / "media"),
        }
        return _fuzz(folder, options)


def _fuzz(folder: Path, options: argparse.Namespace) -> int:
    import django

    django.setup()
    from django.core.management import call_command

    from tests.fuzz.running import fuzz
    from tests.server import served

    call_command("migrate", verbosity=0)
    with served(STEMSET_API_RATE="unlimited") as address:
        findings = fuzz(
            address, folder, requests=options.requests, examples=options.examples, seed=options.seed, progress=_progress
        )
    for complaint in findings.complaints:
        print(complaint)
    _print_table(findings.counts)
    print(f"\n{findings.requests} requests, {len(findings.complaints)} runs with findings.")
    return 1 if findings.complaints else 0


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _print_table(counts: dict[str, Counter[str]]) -> None:
    """Print the numbers of requests by operation and person, and how they were answered."""
    operations = sorted({key.rpartition(" ")[0] for of_person in counts.values() for key in of_person})
    print(f"{'':60}" + "".join(f"{person:>22}" for person in counts))
    for operation in operations:
        cells = []
        for of_person in counts.values():
            here = {
                key.rpartition(" ")[2]: number for key, number in of_person.items() if key.startswith(f"{operation} ")
            }
            good = sum(number for status, number in here.items() if status[0] in "23")
            cells.append(f"{sum(here.values()):>12} ({good:>5} ok)")
        print(f"{operation:60}" + "".join(f"{cell:>22}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
