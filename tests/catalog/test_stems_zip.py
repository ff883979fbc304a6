"""The stems of a recording in one file: what is in it, how it is called, and that it is whole or visibly not."""

import io
import os
import threading
import zipfile
from http.client import IncompleteRead
from urllib.request import Request, urlopen

import psutil
import pytest
from botocore.exceptions import ClientError
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from catalog.models import Recording
from catalog.stems_zip import MISSING
from catalog.storage import MIB, PIECE_BYTES, storage
from tests.catalog.test_storage import R2, bucket, s3_server
from tests.catalog.test_storage_faults import through
from tests.factories import make_recording
from tests.s3_faults import Day, bad_day
from tests.server import served
from tests.site import started

__all__ = ["bucket", "s3_server"]

URL = "/library/demo-band/x/stems.zip"


def stored(recording: Recording) -> dict[str, bytes]:
    """Put something of its own into every stem's file, and return it by stem."""
    contents = {}
    for stem in recording.stems.all():
        contents[stem.stem_type] = stem.stem_type.encode() * 50_000
        default_storage.save(stem.audio_url, ContentFile(contents[stem.stem_type]))
    return contents


@pytest.fixture
def recording(demo_band) -> Recording:
    return make_recording(demo_band, "x", display_name="Größe: 1/2")


@pytest.fixture
def as_bob(client, bob, recording):
    client.force_login(bob)
    return client


def test_everything_is_in_it_under_names_that_people_know(as_bob, recording):
    contents = stored(recording)
    response = as_bob.get(URL)
    body = response.getvalue()

    assert response.status_code == 200
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Length"] == str(len(body))
    assert response["Content-Disposition"] == "attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe_%201_2%20stems.zip"
    assert response["Cache-Control"] == "private, no-store"
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {f"Größe_ 1_2 - {kind}.opus": data for kind, data in contents.items()}


def test_head_tells_the_same_without_reading(as_bob, recording):
    stored(recording)
    told, asked = as_bob.get(URL), as_bob.head(URL)
    told.getvalue()

    assert (asked.status_code, asked.content) == (200, b"")
    for header in ("Content-Length", "Content-Type", "Content-Disposition"):
        assert asked[header] == told[header]
    assert as_bob.post(URL).status_code == 405


def test_names_are_never_the_same_on_any_system(as_bob, recording):
    recording.stems.filter(stem_type="drums").update(stem_type="Gu?tar")
    recording.stems.filter(stem_type="bass").update(stem_type="gu*tar")
    recording.stems.filter(stem_type="other").update(stem_type="../..")
    Recording.objects.update(display_name="x" * 400)
    stored(recording)

    with zipfile.ZipFile(io.BytesIO(as_bob.get(URL).getvalue())) as archive:
        names = archive.namelist()
    assert sorted(name.removeprefix("x" * 150) for name in names) == [
        " - Gu_tar.opus",
        " - _.opus",
        " - gu_tar (2).opus",
        " - vocals.opus",
    ]


def test_files_that_are_missing_beforehand_are_named_beside_the_others(as_bob, recording):
    stored(recording)
    default_storage.delete(recording.stems.get(stem_type="bass").audio_url)
    response = as_bob.get(URL)
    content = b"".join(response)
    assert len(content) == int(response["Content-Length"])
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        assert found.testzip() is None
        *others, missing = found.namelist()
        assert len(others) == 3
        assert found.read(missing).decode() == "These files are missing on the server:\nGröße_ 1_2 - bass.opus\n"


def test_where_all_is_missing_there_is_nothing(as_bob, recording):
    assert as_bob.get(URL).status_code == 404
    recording.stems.all().delete()
    assert as_bob.get(URL).status_code == 404


def test_a_file_that_changes_meanwhile_is_no_short_zip(as_bob, recording, media):
    stored(recording)
    response = as_bob.get(URL)
    (media / "demo-band/x/other.opus").write_bytes(b"short")
    with pytest.raises(RuntimeError, match="did not match"):
        response.getvalue()
    response = as_bob.get(URL)
    (media / "demo-band/x/vocals.opus").unlink()
    with pytest.raises(FileNotFoundError):
        response.getvalue()


class TestObjectStore:
    @pytest.fixture
    def large(self, bucket, recording, settings, s3_server) -> bytes:
        """A stem of some pieces; the others are small."""
        through(settings, s3_server)
        stored(recording)
        data = os.urandom(2 * PIECE_BYTES + 12_345)
        bucket.put_object(Bucket=R2.bucket_name, Key="demo-band/x/bass.opus", Body=data)
        return data

    def test_objects_come_in_pieces_and_through_no_file(self, as_bob, large, s3_server, settings, monkeypatch):
        monkeypatch.setattr("tempfile.SpooledTemporaryFile", None)
        cut: list[object] = []

        def once(asked):
            if asked.operation == "GetObject" and len(cut) < 2:
                cut.append(asked)
                return "cut"
            return None

        day = Day(when=once)
        with bad_day(s3_server, day) as address:
            through(settings, address)
            response = as_bob.get(URL)
            body = response.getvalue()
        assert response["Content-Length"] == str(len(body))
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert archive.testzip() is None
            assert archive.read("Größe_ 1_2 - bass.opus") == large
        # One for each of the others, three for the large one, and those that broke off once more.
        assert [asked.operation for asked in day.asked].count("GetObject") == 3 + 3 + 2

    def test_an_object_that_is_replaced_or_removed_breaks_it(self, as_bob, large, bucket):
        for change in (
            lambda: bucket.put_object(Bucket=R2.bucket_name, Key="demo-band/x/bass.opus", Body=large[::-1]),
            lambda: bucket.delete_object(Bucket=R2.bucket_name, Key="demo-band/x/bass.opus"),
        ):
            response = as_bob.get(URL)
            blocks = iter(response)
            while len(next(blocks)) < PIECE_BYTES:
                pass  # until the first piece of it
            change()
            with pytest.raises(ClientError):
                list(blocks)
        with zipfile.ZipFile(io.BytesIO(as_bob.get(URL).getvalue())) as found:
            assert MISSING in found.namelist()

    def test_a_store_that_stays_away_is_an_error_and_no_zip(self, large, s3_server, settings):
        with bad_day(s3_server, Day(when=lambda asked: "cut" if asked.operation == "GetObject" else None)) as address:
            through(settings, address)
            blocks = storage().contents("demo-band/x/bass.opus").blocks
            with pytest.raises(Exception, match=r"Connection broken|IncompleteRead|closed"):
                next(blocks)


@pytest.mark.django_db(transaction=True)
def test_over_http_memory_stays_flat_and_breaking_off_is_noticed(recording, as_bob, media):
    stored(recording)
    path = media / "demo-band/x/bass.opus"
    with path.open("wb") as stream:
        stream.truncate(400 * MIB)
    cookie = as_bob.cookies[settings.SESSION_COOKIE_NAME].value
    with served() as address:
        request = Request(address + URL, headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"})  # noqa: S310
        with urlopen(request, timeout=30) as answer:  # noqa: S310  # everything is loaded now
            answer.read(1000)
        workers = psutil.Process(started[-1].pid).children()
        before = [worker.memory_info().rss for worker in workers]
        most, over = list(before), threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                most[:] = [max(known, worker.memory_info().rss) for known, worker in zip(most, workers, strict=True)]

        watching = threading.Thread(target=watch)
        watching.start()
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            size = 0
            while block := answer.read(MIB):
                size += len(block)
        over.set()
        watching.join()
        assert size == int(answer.headers["Content-Length"])
        assert size > 400 * MIB
        assert max(now - then for then, now in zip(before, most, strict=True)) < 20 * MIB

        with urlopen(request, timeout=30) as answer:  # noqa: S310
            answer.read(MIB)
            os.truncate(path, 100 * MIB)
            with pytest.raises(IncompleteRead):
                answer.read()
