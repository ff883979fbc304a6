"""Uploads over real connections that break, to servers that are killed."""

import io
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
import requests
import soundfile

from processing.models import Job
from tests.processing.uploads.sending import Sender, sha256, wav
from tests.server import served
from tests.site import started
from tests.workers import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


def test_connections_that_break(band, leader, media, inputs, spool):
    with served(config=band.config_path) as origin:
        lea = Sender(origin, leader)
        half_of_a_file_makes_no_job(lea, inputs, spool)
        interrupted_at_ten_random_points(lea, leader, media, inputs, spool)
        memory_stays_flat(lea)
        the_same_file_from_many_at_once(lea, inputs, spool)
        a_refusal_is_heard_by_who_is_still_sending(lea)


def half_of_a_file_makes_no_job(lea, inputs, spool):
    """A body that ends before its time is no upload, though what came of it looks like one."""
    for _ in range(3):
        connection = lea.half_a_whole_upload(wav(5))
        wait_until(lambda: any(name.endswith(".spool") for name in spool()))
        connection.close()
        wait_until(lambda: spool() == [])
    assert (Job.objects.count(), inputs()) == (0, [])


def interrupted_at_ten_random_points(lea, leader, media, inputs, spool):
    data = wav(20)
    path = lea.begin(len(data), "Größe.wav")
    random.seed(5)
    offset = 0
    for cut in sorted(random.sample(range(1, len(data)), 10)):
        lea.hang_up_midway(path, offset, data[offset:cut], promised=len(data) - offset)
        wait_until(lambda cut=cut: lea.offset(path) == cut)
        offset = cut
    answer = lea.patch(path, offset, data[offset:])

    assert answer.status_code == 204, answer.text
    job = Job.objects.get(pk=answer.headers["Stemset-Job"])
    assert (job.file_hash, job.filename, job.uploader) == (sha256(data), "Größe.wav", leader)
    assert (media / job.source).read_bytes() == data
    assert [name.rpartition(".")[2] for name in spool()] == ["json"]
    # Whoever missed the answer asks again, either way.
    assert lea.tus("HEAD", path).headers["Stemset-Job"] == str(job.pk)
    assert lea.patch(path, len(data), b"").headers["Stemset-Job"] == str(job.pk)
    assert lea.tus("DELETE", path).status_code == 204
    assert (spool(), len(inputs())) == ([], 1)


def memory_stays_flat(lea):
    """Of the processes that serve; benchmarks/upload.py measures it with the largest file that the client may send."""
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros((44_100 * 400, 2), np.int16), 44_100, format="WAV")
    data = stream.getvalue()
    workers = psutil.Process(started[-1].pid).children()
    before = [worker.memory_info().rss for worker in workers]
    most, over = list(before), threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            most[:] = [max(known, worker.memory_info().rss) for known, worker in zip(most, workers, strict=True)]

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        assert lea.upload(data).status_code == 201
        path = lea.begin(len(data) + 1)
        assert lea.patch(path, 0, data).status_code == 204
        assert lea.tus("DELETE", path).status_code == 204
    finally:
        over.set()
        watching.join()
    assert max(now - then for then, now in zip(before, most, strict=True)) < 20_000_000 < len(data) / 3


def the_same_file_from_many_at_once(lea, inputs, spool):
    before = len(inputs())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _number: lea.upload(wav(2, seed=9)), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert len(inputs()) == before + 1
    assert not [name for name in spool() if not name.endswith(".json")]


def a_refusal_is_heard_by_who_is_still_sending(lea):
    for data, status in ((wav(120), 415), (bytes(170_000_000), 413)):
        answer = lea.upload(data, "take.txt")
        assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


def test_a_server_that_is_killed(band, leader, inputs, spool):
    """The resumable upload goes on with the next server; the whole one is swept."""
    data = wav(5)
    with served(config=band.config_path, WEB_CONCURRENCY="1") as origin:
        lea = Sender(origin, leader)
        job = lea.upload(wav(1)).json()
        path = lea.begin(len(data))
        lea.hang_up_midway(path, 0, data[:100_000], promised=len(data))
        connection = lea.half_a_whole_upload(data)
        wait_until(lambda: any(name.endswith(".spool") for name in spool()))
        wait_until(lambda: lea.offset(path))
        server = psutil.Process(started[-1].pid)
        for process in [server, *server.children()]:
            process.kill()
        connection.close()
    assert any(name.endswith(".spool") for name in spool())
    with served(config=band.config_path) as origin:
        lea.origin = origin
        for address in (f"/api/jobs/{job['job_id']}", f"/api/jobs/{job['job_id']}/status"):
            assert requests.get(origin + address, headers=lea.headers, timeout=30).json() == job
        offset = lea.offset(path)
        assert 0 < offset <= 100_000
        assert lea.patch(path, offset, data[offset:]).status_code == 204
        assert Job.objects.latest("created_at").file_hash == sha256(data)
        lea.begin(5)
        assert not any(name.endswith(".spool") for name in spool())
    assert len(inputs()) == 2
