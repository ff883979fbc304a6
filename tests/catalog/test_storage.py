"""Files appear complete or not at all, locally and in an object store that speaks the real protocol."""

import io
import itertools
import os
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from django.core.files.base import ContentFile, File
from django.core.files.storage import storages
from django.core.management import call_command
from moto.server import ThreadedMotoServer

from catalog.models import Recording, Stem
from catalog.storage import INCOMING, LocalStorage, ObjectStorage
from catalog.storing import files_of
from stemset.config.schema import R2Config
from stemset.storage_settings import storage_origins, storage_settings

R2 = R2Config(account_id="acc", access_key_id="key", secret_access_key="secret", bucket_name="stemset-media")


def local(media: Path) -> list[str]:
    return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())


def test_local_files_are_saved_over_what_was_there(media):
    storage = LocalStorage()
    assert storage.save("band/a_1/vocals.opus", ContentFile(b"first")) == "band/a_1/vocals.opus"
    assert storage.save("band/a_1/vocals.opus", ContentFile(b"second")) == "band/a_1/vocals.opus"
    assert (media / "band/a_1/vocals.opus").read_bytes() == b"second"
    assert local(media) == ["band/a_1/vocals.opus"]


class Breaks(File):
    """A file whose second chunk cannot be read."""

    def chunks(self, chunk_size=None):
        yield b"half"
        raise OSError("the disk was pulled out")


def test_a_failed_save_leaves_what_was_there(media):
    storage = LocalStorage()
    storage.save("band/a_1/vocals.opus", ContentFile(b"first"))
    with pytest.raises(OSError, match="pulled out"):
        storage.save("band/a_1/vocals.opus", Breaks(io.BytesIO(), "x"))
    assert (media / "band/a_1/vocals.opus").read_bytes() == b"first"
    assert local(media) == ["band/a_1/vocals.opus"]


def test_a_file_is_invisible_until_it_is_complete(media):
    storage = LocalStorage()
    seen = []

    class Watched(File):
        def chunks(self, chunk_size=None):
            yield b"half"
            seen.append(storage.exists("band/x"))
            seen.append(storage.sweep_incoming())  # another process sweeps meanwhile
            yield b"half"

    storage.save("band/x", Watched(io.BytesIO(), "x"))
    assert seen == [False, 0]
    assert (media / "band/x").read_bytes() == b"halfhalf"


def test_leftovers_of_killed_writers_are_swept(media):
    (media / INCOMING).mkdir(parents=True)
    (media / INCOMING / "left").write_bytes(b"half")
    assert LocalStorage().sweep_incoming() == 1
    assert local(media) == []
    assert LocalStorage().sweep_incoming() == 0


@pytest.mark.parametrize("key", ["../outside", "/etc/stemset", "band/../../outside"])
def test_nothing_is_written_outside_the_media_folder(media, key):
    with pytest.raises(Exception, match=r"outside|traversal|path"):
        LocalStorage().save(key, ContentFile(b"x"))
    assert not (media.parent / "outside").exists()


def test_new_files_are_readable_by_the_server(media):
    LocalStorage().save("band/x", ContentFile(b"x"))
    mask = os.umask(0)
    os.umask(mask)
    assert (media / "band/x").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.fixture(scope="module")
def s3_server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server, settings):
    """The site configured for an object store; yields a client that looks at the bucket from outside."""
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=R2.bucket_name)
    settings.STORAGES = {**settings.STORAGES, "default": storage_settings(R2, endpoint_url=s3_server)}
    yield client
    for some in itertools.batched(keys(client), 1000):
        client.delete_objects(Bucket=R2.bucket_name, Delete={"Objects": [{"Key": key} for key in some]})
    client.delete_bucket(Bucket=R2.bucket_name)
    client.close()


def keys(bucket) -> set[str]:
    pages = bucket.get_paginator("list_objects_v2").paginate(Bucket=R2.bucket_name)
    return {item["Key"] for page in pages for item in page.get("Contents", [])}


def test_cloudflare_s_address_comes_from_the_account():
    options = storage_settings(R2)["OPTIONS"]
    assert options["endpoint_url"] == "https://acc.r2.cloudflarestorage.com"
    assert storage_settings(None)["BACKEND"] == "catalog.storage.LocalStorage"
    assert storage_origins(storage_settings(R2)) == ["https://acc.r2.cloudflarestorage.com"]
    assert storage_origins(storage_settings(None)) == []


def test_objects_are_sent_without_the_checksums_that_r2_refuses(bucket):
    storage = storages["default"]
    assert isinstance(storage, ObjectStorage)
    sent = []
    client = storage.connection.meta.client
    client.meta.events.register("before-send.s3.PutObject", lambda request, **_: sent.append(dict(request.headers)))
    assert storage.save("band/a_1/vocals.opus", ContentFile(b"sound")) == "band/a_1/vocals.opus"
    assert storage.save("band/a_1/vocals.opus", ContentFile(b"again")) == "band/a_1/vocals.opus"
    assert keys(bucket) == {"band/a_1/vocals.opus"}
    assert len(sent) == 2
    for headers in sent:
        assert not [name for name in headers if "checksum" in name.lower() or name.lower() == "x-amz-trailer"]
    # The library's default would have sent one; otherwise this test could not fail.
    default = []
    bucket.meta.events.register("before-send.s3.PutObject", lambda request, **_: default.append(dict(request.headers)))
    bucket.put_object(Bucket=R2.bucket_name, Key="x", Body=b"x")
    assert [name for name in default[0] if "checksum" in name.lower()]


@pytest.mark.django_db(transaction=True)
def test_process_into_an_object_store(bucket, band, media):
    band.record()
    call_command("process", "band", stdout=io.StringIO())
    named = files_of(Stem.objects.all())
    assert keys(bucket) == named
    assert len(named) == 6
    assert Recording.objects.get().output_name in next(iter(named))
    for stem in Stem.objects.all():
        assert bucket.head_object(Bucket=R2.bucket_name, Key=stem.audio_url)["ContentLength"] == stem.file_size_bytes
    assert not media.exists()
    call_command("process", "band", "--force", stdout=io.StringIO())
    assert len(keys(bucket)) == 6


@pytest.mark.django_db(transaction=True)
def test_an_object_store_that_fails_half_way_leaves_nothing(bucket, band):
    band.record()
    client = storages["default"].connection.meta.client
    calls = []

    def fail_the_third(**_):
        calls.append(1)
        if len(calls) == 3:
            raise ConnectionError("the store went away")

    client.meta.events.register("before-send.s3.PutObject", fail_the_third)
    with pytest.raises(SystemExit) as stopped:
        call_command("process", "band", stdout=io.StringIO(), stderr=io.StringIO())
    assert stopped.value.code == 2
    assert len(calls) == 3
    assert keys(bucket) == set()
    assert not Recording.objects.exists()
    call_command("process", "band", stdout=io.StringIO())
    assert len(keys(bucket)) == 6
