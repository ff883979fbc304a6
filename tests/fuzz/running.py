"""Running Schemathesis as each of the people in turn, until enough requests were sent."""

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.bands import PEOPLE, Band, Person, make_bands, token_for
from tests.site import ROOT

ST = str(Path(sys.executable).parent / "st")
# The requests that end the session by which they are sent; scripts, which have none, send them.
ENDS_SESSION = ("/auth/logout", "/auth/logout-everywhere")
# A schema cannot say that a date must be to come, what is an address, what the database cannot keep, or which job is
# over: refusing it by 400 or 409 is right.
CHECKED_FURTHER = (
    "POST /api/tokens",
    "POST /api/profiles/{name}/members",
    "PATCH /api/recordings/{recording_id}/config",
    "PATCH /api/recordings/{recording_id}/practice",
    "POST /api/jobs/{job_id}/cancel",
    "POST /api/jobs/{job_id}/retry",
)


@dataclass
class Findings:
    """What was sent and what came back."""

    # By person: numbers of requests by "METHOD /path status".
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return sum(sum(counts.values()) for counts in self.counts.values())


def fuzz(
    address: str,
    folder: Path,
    *,
    requests: int,
    examples: int,
    seed: int = 1,
    phases: str = "",
    people: Sequence[Person] = PEOPLE,
    progress: Callable[[str], None] = lambda text: None,
) -> Findings:
    """Send at least so many requests to a server, whose data is made anew before each run of one person.

    Ends after the first round in which something was found.
    """
    findings = Findings()
    for number in itertools.count(seed):
        for person in people:
            progress(f"{findings.requests} requests; now {person.name} asks (seed {number})")
            _run(address, folder, person, findings, examples=examples, seed=number, phases=phases)
        if findings.complaints or findings.requests >= requests:
            break
    return findings


def _run(
    address: str, folder: Path, person: Person, findings: Findings, *, examples: int, seed: int, phases: str
) -> None:
    """Let one person ask; the people of the other band must stay hidden from them."""
    bands = make_bands()
    (other,) = (band for word, band in bands.items() if word != person.band)
    plan, counts, config = folder / "plan.json", folder / "counts.json", folder / "schemathesis.toml"
    plan.write_text(json.dumps({"forbidden": other.marks, "counts": str(counts)}))
    config.write_text(_config(token_for(person), list(bands.values())))
    command = [ST, "--no-color", "--config-file", str(config), "run", f"{address}/api/schema"]
    command += [
        "--max-examples",
        str(examples),
        "--seed",
        str(seed),
        "--continue-on-failure",
        "--wait-for-schema",
        "10",
    ]
    command += ["--phases", phases] if phases else []
    for path in ENDS_SESSION if person.with_session else ():
        command += ["--exclude-path", path]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "STEMSET_FUZZ_PLAN": str(plan)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    findings.counts.setdefault(person.name, Counter()).update(json.loads(counts.read_text()))
    if done.returncode:
        findings.complaints.append(f"As {person.name} (seed {seed}):\n{done.stdout}")


def _config(token: str, bands: list[Band]) -> str:
    """Return Schemathesis' configuration: who asks, and values that mean something, of both bands."""
    words = {
        "ids": [id_ for band in bands for id_ in band.ids],
        "recordings": [id_ for band in bands for id_ in band.recordings],
        "people": [id_ for band in bands for id_ in band.people],
        "names": [name for band in bands for name in band.names],
        "output_names": [name for band in bands for name in band.output_names],
        "hashes": [hash_ for band in bands for hash_ in band.hashes],
        "searched": [word for band in bands for word in (band.word, f"{band.word} song", ".wav", "größe")],
        "stem_types": ["vocals", "drums", "bass", "other"],
    }
    places = {
        "ids": ["path.id", "path.job_id", "query.audio_file"],
        "recordings": ["path.recording_id", "query.recording"],
        "people": ["path.user_id"],
        "names": ["path.name", "query.profile"],
        "output_names": ["path.output_name"],
        "hashes": ["query.file_hash"],
        "searched": ["query.q", "query.filename"],
        "stem_types": ["query.stem_type"],
    }
    lines = [
        'hooks = "tests.fuzz.hooks"',
        f"headers = {{ Authorization = {json.dumps(f'Bearer {token}')} }}",
        "request-timeout = 60",
        "[generation]",
        'database = "none"',
        "[parameters]",
    ]
    lines += [
        f'{json.dumps(place)} = {{ dictionary = "{name}", probability = 0.7 }}'
        for name, where in places.items()
        for place in where
    ]
    for name, values in words.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values, ensure_ascii=False)}"]
    for name in CHECKED_FURTHER:
        lines += [
            "[[operations]]",
            f"include-name = {json.dumps(name)}",
            'checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409"]',
        ]
    lines += [
        "[[operations]]",
        'include-name = "POST /api/upload/{name}"',
        # A schema cannot say what is a recording.
        'checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409", "415", "422"]',
    ]
    return "\n".join(lines)
