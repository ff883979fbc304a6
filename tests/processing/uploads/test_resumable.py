"""Resumable uploads: the protocol, what is refused, what is thrown away."""

import base64
import fcntl
import hashlib
import os
import time

import pytest
from django.test import Client

from accounts.models import UserProfile
from catalog import services
from catalog.access import Role
from processing.models import Job
from processing.uploads import resumable, sweeping
from tests.factories import make_user
from tests.processing.uploads.conftest import make_leader
from tests.processing.uploads.sending import BYTES, Inside, metadata, wav

pytestmark = pytest.mark.django_db


@pytest.fixture
def lea(leader) -> Inside:
    return Inside(leader)


def says(answer, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.content
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    for word in words:
        assert word in answer.json()["detail"]


def test_the_protocol(lea, spool):
    data = wav()
    spoken = lea.tus("OPTIONS", "/api/uploads/band")
    assert spoken.status_code == 204
    assert spoken.headers["Tus-Version"] == "1.0.0"
    assert {"creation", "termination", "expiration", "checksum"} == set(spoken.headers["Tus-Extension"].split(","))
    assert int(spoken.headers["Tus-Max-Size"]) == 2048 * 2**20

    path = lea.begin(len(data))
    told = lea.tus("HEAD", path)
    assert (told.headers["Upload-Offset"], told.headers["Upload-Length"]) == ("0", str(len(data)))
    assert told.headers["Cache-Control"] == "no-store"
    assert "GMT" in told.headers["Upload-Expires"]
    assert told.headers["Upload-Metadata"] == metadata("take.wav")

    assert lea.patch(path, 0, data[:1000]).headers["Upload-Offset"] == "1000"
    says(lea.patch(path, 900, data[900:]), 409, "1000")
    says(lea.patch(path, 1000, data), 413)
    says(lea.tus("PATCH", path, Upload_Offset="1000", Content_Type="text/plain", data=b"x"), 415, BYTES)
    says(lea.tus("PATCH", path, Upload_Offset="many", Content_Type=BYTES, data=b"x"), 400, "Upload-Offset")
    says(lea.tus("HEAD", path, Tus_Resumable="0.2.2"), 412)
    wrong = base64.b64encode(hashlib.sha1(b"other", usedforsecurity=False).digest()).decode()
    right = base64.b64encode(hashlib.sha1(data[1000:2000], usedforsecurity=False).digest()).decode()
    says(lea.patch(path, 1000, data[1000:2000], Upload_Checksum=f"sha1 {wrong}"), 460)
    assert lea.offset(path) == 1000
    says(lea.patch(path, 1000, data[1000:2000], Upload_Checksum="md5 x"), 400, "sha1")
    for nonsense in ("sha1 \xe9", "sha1 a"):
        says(lea.patch(path, 1000, data[1000:2000], Upload_Checksum=nonsense), 400, "Upload-Checksum")
    assert lea.offset(path) == 1000
    assert lea.patch(path, 1000, data[1000:2000], Upload_Checksum=f"sha1 {right}").status_code == 204
    assert lea.offset(path) == 2000

    assert lea.tus("DELETE", path).status_code == 204
    says(lea.tus("PATCH", path, Upload_Offset="2000", Content_Type=BYTES, data=b"x"), 404, "Begin again")
    assert lea.tus("HEAD", path).status_code == 404
    assert spool() == []


def test_what_is_refused_before_and_after(lea, spool, inputs):
    def begin(length: str, name: str, profile: str = "band"):
        return lea.tus(
            "POST",
            f"/api/uploads/{profile}",
            Upload_Length=length,
            Upload_Metadata=f"x, filetype eA==,{metadata(name)}",
        )

    says(begin("0", "a.wav"), 400, "empty")
    says(begin(str(2049 * 2**20), "a.wav"), 413, "2048 MiB")
    says(begin("100", "a.txt"), 415, "a.txt")
    says(begin("100", "../../.wav"), 415)
    says(begin("-1", "a.wav"), 400, "Upload-Length")
    says(begin("", "a.wav"), 400, "Upload-Length")
    says(begin("100", "a.wav", "no-such"), 404)
    for odd in ("filename !", "filename \xe9"):
        says(lea.tus("POST", "/api/uploads/band", Upload_Length="5", Upload_Metadata=odd), 400, "Upload-Metadata")
    says(lea.tus("POST", "/api/uploads/band", Upload_Length="5"), 415, "no name")
    for bad in ("x", "0" * 32, "../../secret-key", "%2e%2e"):
        assert lea.tus("HEAD", f"/api/uploads/band/{bad}").status_code == 404
    assert spool() == []

    path = lea.begin(26, "a.wav")
    says(lea.patch(path, 0, b"just some words in a file!"), 415, "a.wav")
    assert (spool(), inputs(), Job.objects.count()) == ([], [], 0)


def test_it_is_one_persons_and_one_profiles(lea, leader, profile, band):
    path = lea.begin(100)
    other = Inside(make_leader("other@example.org", profile))
    member = Inside(make_user("member@example.org", profiles=[profile]))
    second = services.sync_profile(band.config.profile("second"))
    UserProfile.objects.create(user=leader, profile=second, role=Role.LEADER)
    assert lea.tus("HEAD", path.replace("/band/", "/second/")).status_code == 404
    for somebody, status in ((other, 404), (member, 404)):
        for method in ("HEAD", "DELETE"):
            assert somebody.tus(method, path).status_code == status
        assert somebody.patch(path, 0, b"x").status_code == status
    assert lea.offset(path) == 0


def test_two_connections_at_once(lea, settings):
    path = lea.begin(100)
    (part,) = settings.STEMSET_UPLOAD_DIR.glob("*.part")
    with part.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        says(lea.patch(path, 0, b"x"), 423)
        says(lea.tus("DELETE", path), 423)
        assert lea.offset(path) == 0
    assert lea.patch(path, 0, b"x").status_code == 204


def test_a_storage_that_is_away_costs_nothing_of_what_has_come(lea, media, spool):
    data = wav()
    path = lea.begin(len(data))
    media.mkdir(exist_ok=True)
    (media / "inputs").write_text("a file where a folder should be")
    says(lea.patch(path, 0, data), 503, "Try again")
    assert lea.offset(path) == len(data)
    assert Job.objects.count() == 0
    (media / "inputs").unlink()
    answer = lea.patch(path, len(data), b"")
    assert answer.status_code == 204, answer.content
    assert Job.objects.get().pk.hex == answer.headers["Stemset-Job"].replace("-", "")
    assert not [name for name in spool() if not name.endswith(".json")]


def test_a_day_later_it_is_gone(lea, settings, spool):
    path, other = lea.begin(100), lea.begin(200)
    lea.patch(path, 0, b"x")
    yesterday = time.time() - sweeping.EXPIRE_SECONDS - 5
    part = settings.STEMSET_UPLOAD_DIR / f"{path.rpartition('/')[2]}.part"
    os.utime(part, (yesterday, yesterday))
    assert lea.tus("HEAD", path).status_code == 404
    assert sweeping.sweep() == 1
    assert spool() == sorted(f"{other.rpartition('/')[2]}{suffix}" for suffix in (".json", ".part"))


def test_a_swept_note_clears_what_was_stored_for_nobody(media, settings, profile, inputs):
    """Killed between storage and database: the note beside the spool file tells."""
    settings.STEMSET_UPLOAD_DIR.mkdir(parents=True)
    (media / "inputs" / "band").mkdir(parents=True)
    (media / "inputs" / "band" / "abc.wav").write_bytes(b"x")
    (settings.STEMSET_UPLOAD_DIR / "1.key").write_text("inputs/band/abc.wav")
    sweeping.sweep()
    assert inputs() == []
    assert list(settings.STEMSET_UPLOAD_DIR.iterdir()) == []


def test_not_too_many_at_once(lea, monkeypatch):
    monkeypatch.setattr(resumable, "MOST_OPEN", 2)
    path = lea.begin(5)
    lea.begin(5)
    wanted = {"Upload_Length": "5", "Upload_Metadata": metadata("a.wav")}
    says(lea.tus("POST", "/api/uploads/band", **wanted), 429, "Finish or cancel")
    lea.tus("DELETE", path)
    assert lea.tus("POST", "/api/uploads/band", **wanted).status_code == 201


def test_a_page_of_a_configured_origin_may_speak_tus(leader, settings):
    settings.CORS_ALLOWED_ORIGINS = settings.TRUSTED_ORIGINS = ["https://client.example"]
    asks = {
        "Origin": "https://client.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "tus-resumable,upload-length,upload-offset,upload-metadata,content-type",
    }
    allowed = Client().options("/api/uploads/band", headers=asks)
    assert set(asks["Access-Control-Request-Headers"].split(",")) <= set(
        allowed.headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert "PATCH" in allowed.headers["Access-Control-Allow-Methods"]
    client = Client(enforce_csrf_checks=True)
    client.force_login(leader)
    said = {"Upload-Length": "5", "Upload-Metadata": metadata("a.wav"), "Tus-Resumable": "1.0.0"}
    begun = client.post("/api/uploads/band", headers=said | {"Origin": "https://client.example"})
    assert begun.status_code == 201
    exposed = begun.headers["Access-Control-Expose-Headers"].lower().split(", ")
    assert {"location", "upload-offset", "stemset-job", "tus-resumable"} <= set(exposed)


def test_the_profile_leads_there_whoever_may(leader, profile, client):
    client.force_login(leader)
    assert 'href="/upload/band"' in client.get("/library/band").content.decode()
    client.force_login(make_user("member@example.org", profiles=[profile]))
    assert 'href="/upload/band"' not in client.get("/library/band").content.decode()


def test_more_than_there_was_to_be_is_refused_at_the_end_too(lea):
    data = wav()
    path = lea.begin(len(data))
    assert lea.patch(path, 0, data).status_code == 204
    says(lea.patch(path, len(data), b"more"), 413)
    assert lea.patch(path, len(data), b"").headers["Stemset-Job"] == str(Job.objects.get().pk)


def test_who_reloads_the_page_is_led_to_the_jobs(lea, leader, profile, client):
    client.force_login(leader)
    assert "See how far" not in client.get("/upload/band").content.decode()
    data = wav()
    lea.patch(lea.begin(len(data)), 0, data)

    page = client.get("/upload/band").content.decode()
    assert "1 of your uploads is being made" in page
    assert 'href="/jobs?profile=band&amp;state=active"' in page
    client.force_login(make_leader("other@example.org", profile))
    assert "See how far" not in client.get("/upload/band").content.decode()


def test_a_page_of_another_site_begins_nothing(leader, spool):
    client = Client(enforce_csrf_checks=True)
    client.force_login(leader)
    for origin in ("https://evil.example", "null"):
        answer = client.post(
            "/api/uploads/band",
            headers={
                "Origin": origin,
                "Tus-Resumable": "1.0.0",
                "Upload-Length": "5",
                "Upload-Metadata": metadata("a.wav"),
            },
        )
        assert answer.status_code == 403
    assert spool() == []
