"""A band whose files are in a bucket of a real S3 server, and whose recordings are separated elsewhere."""

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from catalog import services
from processing.jobs.enqueue import Wish, enqueue
from processing.models import Job
from processing.scanner import SourceFile, content_hash
from stemset.config.loader import load_config
from stemset.storage_settings import storage_settings

SECRET = "between us"


@pytest.fixture(scope="module")
def s3():
    """A client of a store that lasts as long as a module."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    endpoint = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}), **options)
    yield client
    client.close()
    server.stop()


class Elsewhere:
    """The band's site as this process sees it, and what other processes must be told to see the same."""

    def __init__(self, band, settings, s3) -> None:
        self.band, self.settings, self.s3 = band, settings, s3
        self.endpoint, self.bucket = s3.meta.endpoint_url, f"b-{uuid.uuid4()}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.variables = {"R2_ENDPOINT_URL": self.endpoint, "STEMSET_REMOTE_SECRET": SECRET}
        settings.STEMSET_REMOTE_SECRET = SECRET
        settings.BACKEND_URL = "https://band.example"
        self.point_at("http://127.0.0.1:1")

    @property
    def config_path(self) -> Path:
        return self.band.config_path

    def point_at(self, worker_url: str) -> None:
        """Have the band's recordings separated there."""
        r2 = {"account_id": "a", "access_key_id": "key", "secret_access_key": "secret", "bucket_name": self.bucket}
        text = (
            self.config_path.read_text()
            .partition("\nr2:")[0]
            .replace("name: band, source", "name: band, remote: true, source")
        )
        self.config_path.write_text(f"{text}\nr2: {json.dumps(r2)}\ngpu_worker_url: {json.dumps(worker_url)}\n")
        self.settings.STEMSET = load_config(self.config_path, {})
        default = storage_settings(self.settings.STEMSET.r2, endpoint_url=self.endpoint)
        self.settings.STORAGES = {**self.settings.STORAGES, "default": default}

    def stored(self) -> set[str]:
        """Return everything that lies in the bucket."""
        return {item["Key"] for item in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())}

    def put(self, key: str, body: bytes) -> None:
        """Store something."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        """Return something that is stored."""
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def wish(self, name: str = "take.wav", *, seed: int = 1, seconds: float = 0.6, **changes) -> Wish:
        """Return a wish for a new recording in the source folder."""
        source = SourceFile.at(self.band.record(name, seed=seed, seconds=seconds))
        fields = {
            "profile": services.sync_profile(self.settings.STEMSET.profile("band")),
            "strategy_name": "quick",
            "origin": Job.Origin.UPLOAD,
            "filename": source.name,
            "file_hash": content_hash(source),
            "file_size_bytes": source.size,
            "source": str(source.path),
        }
        return Wish(**{**fields, **changes})

    def job(self, name: str = "take.wav", **changes) -> Job:
        """Return a job for such a recording."""
        return enqueue(self.wish(name, **changes))[0]


@pytest.fixture
def elsewhere(band, settings, s3) -> Elsewhere:
    """Such a band."""
    return Elsewhere(band, settings, s3)


class FakeWorker:
    """A remote worker that only takes note of what it is asked, and answers as it is told."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.headers: list[dict] = []
        self.answer = (202, {})
        self.meanwhile = lambda _payload: None
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append(payload)
                fake.headers.append(dict(self.headers))
                fake.meanwhile(payload)
                status, headers = fake.answer
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_arguments) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/separate"

    @property
    def path(self) -> str:
        """Where the answer to what was asked last goes, on our site."""
        return self.asked[-1]["callback_url"].removeprefix("https://band.example")


@pytest.fixture
def fake_worker(elsewhere):
    """The band's recordings are separated by a worker that does nothing."""
    fake = FakeWorker()
    elsewhere.point_at(fake.url)
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
