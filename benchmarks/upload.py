"""What uploads cost the server: its memory while a large one comes in, and how long others wait meanwhile.

    python benchmarks/upload.py [--quick]        (DATABASE_URL=… for a server of your own)

The shipped gunicorn settings, a database and a media folder of its own, both ways in: the whole file in one request
(the existing client's), and tus in pieces of 8 MiB (our page's). Files are noise as WAV.

- Memory is the resident memory of the one worker process, looked at every 10 ms, above what it was when it had answered
  a few requests and taken a small upload of the same way. Files that are looked at are so in a process of their own,
  whose memory is told apart.
- Waiting: somebody asks for /api/profiles 50 times a second, alone and, in turn, while 20 uploads run at once, each at
  the speed of a good phone connection (2 MB/s), and as fast as this machine lets them. The uploads come from a
  process of their own on the same two cores.
"""

import argparse
import base64
import http.client
import io
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import soundfile
from api_site import ROOT, Site, running_site, serving

CONFIG = """
strategies: {low: {_: "dsp:lowband", bass: bass, rest: other}}
profiles: [{name: band, source_folder: in, strategy: low}]
"""
CHUNK = 8 * 1024**2
AT_ONCE = 20
ROUNDS = 3
PHONE = 2e6  # bytes a second
BOUNDARY = b'--x\r\nContent-Disposition: form-data; name="data"; filename="take.wav"\r\n\r\n'
END = b"\r\n--x--\r\n"


def noise(megabytes: float, seed: int) -> bytes:
    """Return a WAV file of about so many MB, another one for every seed."""
    frames = int(megabytes * 1e6 / 4)
    samples = np.random.default_rng(seed).integers(-3000, 3000, (frames, 2), dtype=np.int16)
    stream = io.BytesIO()
    soundfile.write(stream, samples, 44_100, format="WAV", subtype="PCM_16")
    return stream.getvalue()


def paced(data: bytes, speed: float) -> Iterator[bytes]:
    """Yield pieces, no faster than so many bytes a second."""
    began = time.perf_counter()
    for place in range(0, len(data), 65536):
        yield data[place : place + 65536]
        time.sleep(max(0.0, began + place / speed - time.perf_counter()))


def whole(port: int, token: str, data: bytes, speed: float) -> None:
    """Upload by one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": str(len(BOUNDARY) + len(data) + len(END)),
    }
    body = (piece for part in ([BOUNDARY], paced(data, speed), [END]) for piece in part)
    connection.request("POST", "/api/upload/band", body, headers)
    must_be(connection.getresponse(), 201)
    connection.close()


def tus(port: int, token: str, data: bytes, speed: float) -> None:
    """Upload in pieces."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    common = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    name = base64.b64encode(b"take.wav").decode()
    begin = common | {"Upload-Length": str(len(data)), "Upload-Metadata": f"filename {name}", "Content-Length": "0"}
    connection.request("POST", "/api/uploads/band", headers=begin)
    place = must_be(connection.getresponse(), 201).headers["Location"]
    for offset in range(0, len(data), CHUNK):
        piece = data[offset : offset + CHUNK]
        headers = common | {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(len(piece)),
        }
        connection.request("PATCH", place, paced(piece, speed), headers)
        must_be(connection.getresponse(), 204)
    connection.close()


WAYS: dict[str, Callable[[int, str, bytes, float], None]] = {"whole": whole, "tus": tus}


def must_be(answer: http.client.HTTPResponse, status: int) -> http.client.HTTPResponse:
    """Read an answer to its end."""
    text = answer.read()
    assert answer.status == status, (answer.status, text)
    return answer


@contextmanager
def peak_of(process: psutil.Process) -> Iterator[dict[str, float]]:
    """Watch the memory of a process, and of its children, in MB; `peak` and `children` are there afterwards."""
    found = {"before": process.memory_info().rss / 1e6, "peak": 0.0, "children": 0.0}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            found["peak"] = max(found["peak"], process.memory_info().rss / 1e6)
            for child in process.children():
                try:
                    found["children"] = max(found["children"], child.memory_info().rss / 1e6)
                except psutil.NoSuchProcess:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def measure_memory(site: Site, token: str, megabytes: float) -> None:
    """Print what one large upload takes."""
    for name, way in WAYS.items():
        with serving(site, "stemset.wsgi", WEB_CONCURRENCY="1", DATABASE_POOL="true") as server:
            port = server.address[1]
            latencies(port, token, 0.5)
            way(port, token, noise(1, seed=len(name)), 1e12)
            data = noise(megabytes, seed=10 + len(name))
            began = time.perf_counter()
            with peak_of(server.workers()[0]) as memory:
                way(port, token, data, 1e12)
            seconds = time.perf_counter() - began
            print(
                f"{name:6} {len(data) / 1e6:.0f} MB in {seconds:.1f} s: {memory['before']:.0f} MB, at most "
                f"{memory['peak']:.0f} MB: it grew by {memory['peak'] - memory['before']:.1f} MB "
                f"(a process that looks at the file: {memory['children']:.0f} MB)"
            )


def latencies(port: int, token: str, seconds: float) -> list[float]:
    """Ask for /api/profiles 50 times a second; return how long each answer took, in ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    took = []
    last = time.perf_counter() + seconds
    due = time.perf_counter()
    while due < last:
        time.sleep(max(0.0, due - time.perf_counter()))
        began = time.perf_counter()
        connection.request("GET", "/api/profiles", headers={"Authorization": f"Bearer {token}"})
        must_be(connection.getresponse(), 200)
        took.append((time.perf_counter() - began) * 1000)
        due = max(due + 0.02, time.perf_counter())
    connection.close()
    return took


def crowd(port: int, token: str, way: str, load: tuple[float, float], going: object) -> None:
    """Upload 20 files at once, of so many MB and so fast."""
    megabytes, speed = load
    files = [noise(megabytes, seed=int.from_bytes(os.urandom(4))) for _ in range(AT_ONCE)]
    threads = [threading.Thread(target=WAYS[way], args=(port, token, data, speed)) for data in files]
    going.set()  # type: ignore[attr-defined]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure_waiting(site: Site, tokens: list[str], megabytes: float, seconds: float) -> None:
    """Print how long others wait."""
    context = multiprocessing.get_context("spawn")
    with serving(site, "stemset.wsgi", DATABASE_POOL="true") as server:
        port = server.address[1]
        for token in tokens:
            latencies(port, token, 0.5)
        for speed, words in ((PHONE, "2 MB/s each"), (1e12, "unbounded")):
            for way in WAYS:
                idle: list[float] = []
                took: list[float] = []
                for _ in range(ROUNDS):
                    idle += latencies(port, tokens[0], seconds)
                    going = context.Event()
                    people = context.Process(target=crowd, args=(port, tokens[1], way, (megabytes, speed), going))
                    people.start()
                    going.wait()
                    while people.is_alive():
                        took += latencies(port, tokens[0], 0.25)
                    assert people.exitcode == 0
                told("alone", idle, idle)
                told(f"{AT_ONCE} x {megabytes:g} MB, {way}, {words}", took, idle)


def told(what: str, took: list[float], idle: list[float]) -> None:
    """Print a line."""
    p50, p99 = (float(np.percentile(took, share)) for share in (50, 99))
    ratio = p99 / float(np.percentile(idle, 99))
    print(f"{what:36} {len(took):5} requests  p50 {p50:5.1f} ms  p99 {p99:5.1f} ms  {ratio:4.1f} x idle")


def prepare() -> None:
    """In a process of the site's: make the profile and two leaders; print their tokens."""
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
    import django

    django.setup()
    from django.db import transaction

    from accounts.models import User, UserProfile
    from accounts.tokens import make_personal_token
    from catalog.models import Profile

    profile = Profile.objects.create(name="band", source_folder="in", strategy_name="low")
    tokens = []
    with transaction.atomic():
        for name in ("lea", "leo"):
            user = User.objects.create_user(f"{name}@example.org", name=name, is_invited=True)
            UserProfile.objects.create(user=user, profile=profile, role="leader")
            tokens.append(make_personal_token(user, "benchmark")[1])
    print(json.dumps(tokens))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller files, less time")
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        return prepare()
    with tempfile.TemporaryDirectory(prefix="stemset-upload-") as name, running_site(Path(name)) as site:
        (site.folder / "config.yaml").write_text(CONFIG)
        (site.folder / "in").mkdir()
        site.run("manage.py", "migrate", "--verbosity", "0")
        tokens = json.loads(site.run("benchmarks/upload.py", "--prepare"))
        measure_memory(site, tokens[0], 30 if options.quick else 150)
        measure_waiting(site, tokens, 4 if options.quick else 16, 1 if options.quick else 5)
    return None


if __name__ == "__main__":
    main()
