"""Objects by way of us: what the store says of ranges and conditions is passed on, what it says of itself is not."""

import uuid

import boto3
import pytest
import requests
from botocore.config import Config
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from moto.server import ThreadedMotoServer

from stemset.config.schema import R2Config
from stemset.storage_settings import storage_settings
from tests.factories import make_recording

URL = "/media/demo-band/x/vocals.opus"
CONTENT = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def s3_server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def as_bob(client, bob, demo_band, settings, s3_server):
    """A member of demo-band, whose files are in a bucket."""
    r2 = R2Config(account_id="a", access_key_id="key", secret_access_key="secret", bucket_name=f"b-{uuid.uuid4()}")
    options = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    outside = boto3.client("s3", endpoint_url=s3_server, config=Config(s3={"addressing_style": "path"}), **options)
    outside.create_bucket(Bucket=r2.bucket_name)
    outside.close()
    settings.STORAGES = {**settings.STORAGES, "default": storage_settings(r2, endpoint_url=s3_server)}
    settings.STEMSET_RELAY_OBJECTS = True
    recording = make_recording(demo_band, "x")
    default_storage.save(recording.stems.get(stem_type="vocals").audio_url, ContentFile(CONTENT))
    client.force_login(bob)
    return client


def fetch(client, method: str = "get", **headers: str):
    """Get the file and read it to its end, as `body`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = getattr(client, method)(URL, headers=named)
    response.body = response.getvalue()
    return response


def test_the_whole(as_bob):
    response = fetch(as_bob)

    assert (response.status_code, response.body) == (200, CONTENT)
    assert response["Content-Length"] == str(len(CONTENT))
    assert response["Content-Type"] == "audio/ogg"
    assert response["Cache-Control"] == "private, no-cache"
    assert response["ETag"].startswith('"')
    assert not [name for name in response.headers if name.lower().startswith(("x-amz", "server", "set-cookie"))]


def test_a_part(as_bob):
    response = fetch(as_bob, Range="bytes=10-19")

    assert (response.status_code, response.body) == (206, CONTENT[10:20])
    assert response["Content-Range"] == f"bytes 10-19/{len(CONTENT)}"
    assert response["Content-Length"] == "10"


def test_what_the_browser_has_is_not_sent_again(as_bob):
    response = fetch(as_bob, If_None_Match=fetch(as_bob)["ETag"])

    assert (response.status_code, response.body) == (304, b"")


def test_head(as_bob):
    response = fetch(as_bob, "head")

    assert (response.status_code, response.body) == (200, b"")
    assert response["Content-Length"] == str(len(CONTENT))


def test_a_part_that_is_not_there(as_bob):
    assert fetch(as_bob, Range="bytes=5000-").status_code == 416


def test_an_object_that_is_gone(as_bob):
    default_storage.delete("demo-band/x/vocals.opus")
    assert fetch(as_bob).status_code == 404


def test_strangers_are_refused_before_the_store_is_asked(as_bob, charlie, monkeypatch):
    monkeypatch.setattr(requests.Session, "request", lambda *_, **__: pytest.fail("it was asked"))
    as_bob.force_login(charlie)
    assert fetch(as_bob).status_code == 404


def test_a_store_that_is_away(as_bob, settings):
    options = {**settings.STORAGES["default"]["OPTIONS"], "endpoint_url": "http://127.0.0.1:1"}
    settings.STORAGES = {**settings.STORAGES, "default": {**settings.STORAGES["default"], "OPTIONS": options}}

    response = fetch(as_bob)

    assert response.status_code == 502
    assert b"127.0.0.1" not in response.body


def test_a_browser_that_hangs_up_lets_the_connection_go(as_bob, monkeypatch):
    closed = []
    monkeypatch.setattr(requests.Response, "close", lambda answer: closed.append(answer) or answer.raw.close())
    response = as_bob.get(URL)
    next(iter(response.streaming_content))

    response.close()

    assert closed
