"""Uploads straight into the bucket, against a server that speaks the real protocol."""

import re
from itertools import count

import pytest
import requests
from django.core import signing
from django.core.files.storage import default_storage
from django.test import Client

from accounts.models import UserProfile
from catalog import bucket_uploads, services
from catalog.access import Role
from processing.models import Job
from processing.sweeping import sweep
from processing.uploads import direct, limits
from tests.catalog.test_storage import R2, bucket, keys, s3_server
from tests.factories import make_user
from tests.processing.uploads.conftest import make_leader
from tests.processing.uploads.sending import Inside, sha256, wav

__all__ = ["bucket", "s3_server"]

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/uploads/band/direct"
PART = 16 * 1024


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """S3 wants 5 MiB at least."""
    monkeypatch.setattr(direct, "PART_BYTES", PART)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1024)


class Browser(Inside):
    """Somebody's page."""

    def post(self, what: str, body: dict, url: str = URL):
        said = {"headers": self.headers, "content_type": "application/json"}
        return Client().post(url + what, body, **said)

    def begin(self, data: bytes, name: str = "take.wav") -> str:
        answer = self.post("", {"filename": name, "size": len(data)})
        assert answer.status_code == 201, answer.content
        assert (answer.json()["part_size"], answer.json()["parts"]) == (PART, -(-len(data) // PART))
        return answer.json()["upload"]

    def urls(self, upload: str, *numbers: int) -> dict[str, str]:
        return self.post("/parts", {"upload": upload, "numbers": numbers}).json()["urls"]

    def send(self, upload: str, data: bytes, *numbers: int) -> None:
        """Send these parts, without any credentials."""
        for number, url in self.urls(upload, *numbers).items():
            part = data[(int(number) - 1) * PART : int(number) * PART]
            assert requests.put(url, part, timeout=30).status_code == 200

    def send_all(self, upload: str, data: bytes) -> None:
        self.send(upload, data, *range(1, -(-len(data) // PART) + 1))

    def there(self, upload: str) -> list[int]:
        answer = self.post("/parts", {"upload": upload, "numbers": []})
        assert answer.status_code == 200, answer.content
        return answer.json()["there"]

    def complete(self, upload: str):
        return self.post("/complete", {"upload": upload})


@pytest.fixture
def lea(bucket, leader) -> Browser:
    return Browser(leader)


@pytest.fixture
def unfinished(bucket):
    """Return the keys of multipart uploads that are neither completed nor aborted."""
    return lambda: [one["Key"] for one in bucket.list_multipart_uploads(Bucket=R2.bucket_name).get("Uploads", [])]


def refused(answer, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.content
    for word in words:
        assert word in answer.json()["detail"]


def test_broken_off_and_gone_on_with(lea, leader, bucket, spool, unfinished):
    data = wav()
    upload = lea.begin(data, "Größe 1.wav")
    assert lea.there(upload) == []
    lea.send(upload, data, 1, 3)
    assert lea.there(upload) == [1, 3]
    refused(lea.complete(upload), 409, "parts have not arrived")
    lea.send(upload, data, 2, *range(4, len(data) // PART + 2))
    answer = lea.complete(upload)

    assert answer.status_code == 201, answer.content
    job = Job.objects.get()
    assert answer.json()["job_id"] == str(job.pk)
    assert (job.filename, job.file_hash, job.file_size_bytes) == ("Größe 1.wav", sha256(data), len(data))
    assert (job.uploader, job.origin, job.state) == (leader, "upload", "queued")
    assert keys(bucket) == {job.source}
    assert bucket.get_object(Bucket=R2.bucket_name, Key=job.source)["Body"].read() == data
    assert (unfinished(), [name.rpartition(".")[2] for name in spool()]) == ([], ["json"])
    # Whoever missed the answer asks again, and may even abort.
    assert lea.there(upload) == list(range(1, len(data) // PART + 2))
    assert lea.complete(upload).json() == answer.json()
    assert lea.post("/abort", {"upload": upload}).status_code == 204
    assert lea.complete(upload).json() == answer.json()
    assert (Job.objects.count(), keys(bucket)) == (1, {job.source})


def test_an_answer_of_the_store_that_is_lost(lea, bucket):
    """The object is there, but nobody was told: the browser asks once more."""
    data = wav()
    upload = lea.begin(data)
    lea.send_all(upload, data)
    in_parts = direct.Direct(**signing.loads(upload, salt=direct.SALT)).in_parts
    in_parts.complete({number: tag for number, (_size, tag) in in_parts.parts().items()})
    assert len(lea.there(upload)) == len(data) // PART + 1
    assert lea.complete(upload).status_code == 201
    assert keys(bucket) == {Job.objects.get().source}


def test_the_same_file_again_gives_the_same_job(lea, bucket):
    answers = []
    for _ in range(2):
        upload = lea.begin(wav())
        lea.send_all(upload, wav())
        answers.append(lea.complete(upload).json()["job_id"])
    assert len(set(answers)) == 1
    assert keys(bucket) == {Job.objects.get().source}


def test_what_is_refused_at_once(lea, unfinished, settings, monkeypatch):
    def begin(name: str, size, url: str = URL):
        return lea.post("", {"filename": name, "size": size}, url)

    refused(begin("a.wav", 0), 400, "empty")
    refused(begin("a.wav", 2049 * 2**20), 413, "2048 MiB")
    refused(begin("a.txt", 100), 415, "a.txt")
    refused(begin("a.wav", "many"), 400)
    refused(begin("a.wav", 100, "/api/uploads/no-such/direct"), 404)
    refused(lea.post("", {}), 400)
    monkeypatch.setattr(limits, "used_bytes", lambda _profile: 10**12)
    settings.STEMSET = settings.STEMSET.model_copy(
        update={"profiles": [one.model_copy(update={"quota_gib": 1}) for one in settings.STEMSET.profiles]}
    )
    refused(begin("a.wav", 100), 507, "GiB")
    assert unfinished() == []


def test_not_too_many_at_once(lea, monkeypatch):
    monkeypatch.setattr(direct, "MOST_OPEN", 1)
    upload = lea.begin(b"x" * 100)
    refused(lea.post("", {"filename": "a.wav", "size": 100}), 429, "Finish or cancel")
    lea.post("/abort", {"upload": upload})
    lea.begin(b"x" * 100)


def test_an_address_takes_only_its_part(lea, s3_server):
    upload = lea.begin(b"x" * (PART + 10))
    for number, size in (("1", PART), ("2", 10)):
        url = lea.urls(upload, int(number))[number]
        assert re.search(r"X-Amz-SignedHeaders=content-length%3Bhost", url)
        request = requests.Request("PUT", url, data=b"x" * size).prepare()
        assert request.headers["Content-Length"] == str(size)
        assert url.startswith(f"{s3_server}/{R2.bucket_name}/inputs/band/.incoming/")
        assert "X-Amz-Expires=900" in url
    refused(lea.post("/parts", {"upload": upload, "numbers": [3]}), 400, "1 to 2")
    refused(lea.post("/parts", {"upload": upload, "numbers": [0]}), 400)
    refused(lea.post("/parts", {"upload": upload, "numbers": list(range(1, 200))}), 400)


@pytest.mark.parametrize("lie", [-20, 20])
def test_a_size_that_lies(lea, bucket, spool, unfinished, lie):
    """moto does not look whether a part is as long as its address says; a store that does refuses it at once."""
    data = wav()
    upload = lea.begin(data)
    last = len(data) // PART + 1
    lea.send(upload, data, *range(1, last))
    (url,) = lea.urls(upload, last).values()
    requests.put(url, data[(last - 1) * PART :][:lie] if lie < 0 else data[(last - 1) * PART :] + bytes(lie), timeout=9)
    refused(lea.complete(upload), 400, "not as large")
    assert (Job.objects.count(), keys(bucket), spool(), unfinished()) == (0, set(), [], [])
    refused(lea.complete(upload), 404)


def test_no_audio(lea, bucket, spool, unfinished):
    data = b"just some words in a file! " * 2000
    upload = lea.begin(data)
    lea.send_all(upload, data)
    refused(lea.complete(upload), 415, "take.wav")
    assert (Job.objects.count(), keys(bucket), spool(), unfinished()) == (0, set(), [], [])
    refused(lea.complete(upload), 404, "Begin again")


def test_given_up(lea, bucket, unfinished):
    data = wav()
    upload = lea.begin(data)
    (url,) = lea.urls(upload, 1).values()
    lea.send(upload, data, 2)
    for _ in range(2):
        assert lea.post("/abort", {"upload": upload}).status_code == 204
    assert requests.put(url, data[:PART], timeout=9).status_code >= 400
    refused(lea.post("/parts", {"upload": upload, "numbers": [1]}), 404, "Begin again")
    refused(lea.complete(upload), 404)
    assert (keys(bucket), unfinished()) == (set(), [])


def test_it_is_one_persons_and_one_profiles(lea, leader, profile, band):
    upload = lea.begin(wav())
    other = Browser(make_leader("other@example.org", profile))
    member = Browser(make_user("member@example.org", profiles=[profile]))
    second = services.sync_profile(band.config.profile("second"))
    UserProfile.objects.create(user=leader, profile=second, role=Role.LEADER)
    changed = signing.dumps({**signing.loads(upload, salt=direct.SALT), "key": "band/x/vocals.opus"}, salt="another")
    for what in ("/parts", "/complete", "/abort"):
        refused(lea.post(what, {"upload": upload, "numbers": []}, URL.replace("band", "second")), 404)
        for somebody, token in ((other, upload), (member, upload), (lea, upload[:-1]), (lea, "x"), (lea, changed)):
            refused(somebody.post(what, {"upload": token, "numbers": []}), 404)
    assert lea.there(upload) == []


def test_a_day_later_it_is_gone(lea, bucket, monkeypatch, unfinished):
    upload, left = lea.begin(wav()), lea.begin(wav())
    lea.send_all(upload, wav())
    in_parts = direct.Direct(**signing.loads(upload, salt=direct.SALT)).in_parts
    in_parts.complete({number: tag for number, (_size, tag) in in_parts.parts().items()})
    assert len(keys(bucket)) == 1
    assert {one.kind for one in sweep().found} == {"multipart"}  # moto says of all that they began in 2010
    assert {one.subject for one in sweep(older_than=-60).found} == {in_parts.key}
    assert (keys(bucket), unfinished()) == (set(), [])
    refused(lea.complete(upload), 404)
    monkeypatch.setattr(direct, "EXPIRE_SECONDS", -1)
    refused(lea.post("/parts", {"upload": left, "numbers": []}), 404, "more than a day")


@pytest.mark.parametrize("step", ["fetch_into", "copy"])
def test_a_storage_that_is_away_for_a_moment(lea, bucket, spool, monkeypatch, step):
    """What has come stays in the bucket, and asking again is all that is to be done."""
    data = wav()
    upload = lea.begin(data)
    lea.send_all(upload, data)
    numbers = count()

    def fail(*_arguments):
        next(numbers)
        raise OSError(5, "I/O error")

    with monkeypatch.context() as patches:
        patches.setattr(bucket_uploads, step, fail)
        refused(lea.complete(upload), 503, "Try again")
    assert (next(numbers), Job.objects.count(), len(keys(bucket))) == (1, 0, 1)
    assert not any(name.endswith(".key") for name in spool())
    assert lea.complete(upload).status_code == 201
    assert keys(bucket) == {Job.objects.get().source}


def test_whoever_completes_while_somebody_is_at_it(lea, monkeypatch):
    data = wav()
    upload = lea.begin(data)
    lea.send_all(upload, data)
    fetch = bucket_uploads.fetch_into
    others = []

    def fetch_while_others_ask(*arguments):
        if not others:
            others.extend([lea.complete(upload), lea.post("/abort", {"upload": upload})])
        fetch(*arguments)

    monkeypatch.setattr(bucket_uploads, "fetch_into", fetch_while_others_ask)
    assert lea.complete(upload).status_code == 201
    assert [answer.status_code for answer in others] == [423, 423]
    assert default_storage.exists(Job.objects.get().source)


def test_without_an_object_store_there_is_no_such_way(leader):
    refused(Browser(leader).post("", {"filename": "a.wav", "size": 100}), 409, "own disk")


def test_only_the_upload_page_may_send_to_the_bucket(as_leader, s3_server, bucket):
    page = as_leader.get("/upload/band")
    assert f"connect-src 'self' {s3_server};" in page.headers["Content-Security-Policy"] + ";"
    assert f'data-direct="{URL}"' in page.content.decode()
    assert "connect-src" not in as_leader.get("/library/band").headers["Content-Security-Policy"]


def test_without_one_no_page_may(as_leader):
    page = as_leader.get("/upload/band")
    assert "connect-src" not in page.headers["Content-Security-Policy"]
    assert "data-direct" not in page.content.decode()
