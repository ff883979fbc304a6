"""The remote worker that comes with us: what it takes, what it does, and how it stops."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from django.core.exceptions import ImproperlyConfigured

from processing.remote.one_at_a_time import Worker
from processing.remote.service import serve
from processing.remote.work import Task
from tests.processing.remote.conftest import SECRET
from tests.processing.remote.helpers import remote_worker, stem
from tests.workers import wait_until

TRUSTED = {"Authorization": f"Bearer {SECRET}"}


class Site:
    """Takes the answers of a remote worker; `codes` are its own answers, one after the other."""

    def __init__(self) -> None:
        self.told: list[dict] = []
        self.codes: list[int] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                code = site.codes.pop(0) if site.codes else 201
                if code == 201:
                    site.told.append(said)
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/complete/a-token"


@pytest.fixture
def site():
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


def task(site: Site, number: int = 1, **changes: object) -> dict:
    return {
        "job_id": f"job-{number}",
        "profile_name": "band",
        "strategy_name": "quick",
        "input_key": f"inputs/band/{number}.flac",
        "output_name": f"take_{number}",
        "output_config": {"format": "flac", "bitrate": 96},
        "callback_url": site.url,
        **changes,
    }


def test_jobs_are_taken_judged_done_one_after_the_other_and_answered(elsewhere, site):
    elsewhere.put("inputs/band/1.flac", stem(seed=1))
    elsewhere.put("inputs/band/2.flac", b"noise")
    site.codes = [500, 201, 404]
    with remote_worker(elsewhere, "--waiting", "4") as (process, url):
        assert requests.get(f"{url}/health", timeout=5).status_code == 200
        assert requests.get(url, timeout=5).status_code == 404
        assert requests.post(url, json=task(site), timeout=5).status_code == 401
        assert requests.post(url, json=task(site), headers={"Authorization": "Bearer x"}, timeout=5).status_code == 401
        for wrong in (
            {"profile_name": "../x"},
            {"output_name": "../x"},
            {"input_key": "../x"},
            {"output_config": {"format": "mp3"}},
            {"callback_url": "file:///etc/passwd"},
            {"job_id": None},
        ):
            answer = requests.post(url, json=task(site, **wrong), headers=TRUSTED, timeout=5)
            assert (answer.status_code, next(iter(wrong)) in answer.text) == (400, True)
        assert requests.post(url, data=b"{", headers=TRUSTED, timeout=5).status_code == 400
        assert requests.post(url, data=b" " * 70_000, headers=TRUSTED, timeout=5).status_code == 413
        # The site is away when it is first told, and does not want the second answer.
        for number in (1, 2, 3):
            assert requests.post(url, json=task(site, number), headers=TRUSTED, timeout=5).status_code == 202
        wait_until(lambda: len(site.told) == 2)
        process.terminate()
        assert process.wait(timeout=15) == 0
        assert "a-token" not in "".join(process.said)
    assert site.told == [
        {"job_id": "job-1", "status": "complete", "stems": ["bass", "other"], "error": None},
        {"job_id": "job-3", "status": "error", "stems": None, "error": "The source is not in the store."},
    ]
    stored = elsewhere.stored() - {"inputs/band/1.flac", "inputs/band/2.flac"}
    assert stored == {"band/take_1/bass.flac", "band/take_1/other.flac"}
    assert not (elsewhere.config_path.parent / "var" / "postgres").exists()
    assert not list((elsewhere.settings.STEMSET_WORK_DIR / "remote").glob("job-*"))


def test_a_full_worker_says_so_and_one_that_is_stopped_tells_what_it_drops(elsewhere, site):
    elsewhere.put("inputs/band/1.flac", stem(40, seed=1))
    with remote_worker(elsewhere, "--waiting", "1") as (process, url):
        assert requests.post(url, json=task(site), headers=TRUSTED, timeout=5).status_code == 202
        wait_until(lambda: any((elsewhere.settings.STEMSET_WORK_DIR / "remote").glob("job-*/stems")))
        assert requests.post(url, json=task(site, 2), headers=TRUSTED, timeout=5).status_code == 202
        full = requests.post(url, json=task(site, 3), headers=TRUSTED, timeout=5)
        assert (full.status_code, full.headers["Retry-After"]) == (503, "30")
        process.terminate()
        assert process.wait(timeout=15) == 0
    assert [(one["job_id"], one["status"]) for one in site.told] == [("job-1", "error"), ("job-2", "error")]
    assert all("was stopped" in one["error"] for one in site.told)
    assert elsewhere.stored() == {"inputs/band/1.flac"}
    assert not list((elsewhere.settings.STEMSET_WORK_DIR / "remote").glob("job-*"))


def test_what_takes_too_long_is_broken_off(site):
    worker = Worker(waiting=1, minutes=0.0)
    working = threading.Thread(target=worker.run)
    working.start()
    assert worker.offer(Task.model_validate(task(site)))
    wait_until(lambda: site.told)
    worker.stopping.set()
    working.join()
    assert "longer than the 0 minutes" in site.told[0]["error"]
    assert not worker.offer(Task.model_validate(task(site)))


def test_what_is_not_set_up_is_said_at_the_start(elsewhere, settings):
    settings.STEMSET_REMOTE_SECRET = ""
    with pytest.raises(ImproperlyConfigured, match="STEMSET_REMOTE_SECRET"):
        serve("192.0.2.1", 0, 1)
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "catalog.storage.LocalStorage"}}
    with pytest.raises(ImproperlyConfigured, match="object store"):
        serve("127.0.0.1", 0, 1)
