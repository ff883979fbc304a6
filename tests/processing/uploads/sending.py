"""Sending uploads over HTTP, whole and in parts."""

import base64
import hashlib
import io
import socket
from typing import Any
from urllib.parse import urlsplit

import requests
import soundfile
from django.test import Client

from accounts.models import User
from accounts.tokens import make_personal_token
from tests.band import chord

BYTES = "application/offset+octet-stream"


def wav(seconds: float = 0.3, seed: int = 1) -> bytes:
    """Return a recording, another one for every seed."""
    stream = io.BytesIO()
    soundfile.write(stream, chord(seconds, seed), 44_100, format="WAV")
    return stream.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def metadata(filename: str) -> str:
    return f"filename {base64.b64encode(filename.encode()).decode()}"


class Sender:
    """A script of somebody's."""

    def __init__(self, origin: str, user: User) -> None:
        self.origin = origin
        self.headers = {"Authorization": f"Bearer {make_personal_token(user, 'script')[1]}"}

    def upload(self, data: bytes, name: str = "take.wav", profile: str = "band") -> requests.Response:
        """Send a file by the contract's way."""
        files = {"data": (name, data)}
        return requests.post(f"{self.origin}/api/upload/{profile}", files=files, headers=self.headers, timeout=60)

    def tus(self, method: str, path: str, **headers: Any) -> Any:
        """Send a request of the protocol's."""
        named = {"Tus-Resumable": "1.0.0", **{key.replace("_", "-"): value for key, value in headers.items()}}
        return self.ask(method, path, named.pop("data", b""), named)

    def ask(self, method: str, path: str, data: Any, headers: dict[str, str]) -> Any:
        """Send a request."""
        return requests.request(method, self.origin + path, headers=headers | self.headers, data=data, timeout=60)

    def begin(self, length: int, name: str = "take.wav", profile: str = "band") -> str:
        """Begin a resumable upload and return its path."""
        answer = self.tus("POST", f"/api/uploads/{profile}", Upload_Length=str(length), Upload_Metadata=metadata(name))
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    def patch(self, path: str, offset: int, data: bytes, **headers: str) -> Any:
        """Send bytes of it."""
        return self.tus("PATCH", path, Upload_Offset=str(offset), Content_Type=BYTES, data=data, **headers)

    def offset(self, path: str) -> int:
        """Ask how many have come."""
        answer = self.tus("HEAD", path)
        assert answer.status_code == 200
        return int(answer.headers["Upload-Offset"])

    def hang_up_midway(self, path: str, offset: int, data: bytes, *, promised: int) -> None:
        """Send bytes of a request that was to have more, and close the connection."""
        connection = self.connection()
        head = (
            f"PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\n{self.authorization}\r\n"
            f"Upload-Offset: {offset}\r\nContent-Type: {BYTES}\r\nContent-Length: {promised}\r\n\r\n"
        )
        connection.sendall(head.replace("Host: x", f"Host: {urlsplit(self.origin).netloc}").encode() + data)
        connection.close()

    def half_a_whole_upload(self, data: bytes) -> socket.socket:
        """Send half of a file by the contract's way, and keep the connection."""
        part = b'--x\r\nContent-Disposition: form-data; name="data"; filename="a.wav"\r\n\r\n' + data
        head = (
            f"POST /api/upload/band HTTP/1.1\r\nHost: {urlsplit(self.origin).netloc}\r\n{self.authorization}\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(part) + 9}\r\n\r\n"
        )
        connection = self.connection()
        connection.sendall(head.encode() + part[: len(part) // 2])
        return connection

    def connection(self) -> socket.socket:
        place = urlsplit(self.origin)
        return socket.create_connection((place.hostname, place.port), timeout=30)

    @property
    def authorization(self) -> str:
        return f"Authorization: {self.headers['Authorization']}"


class Inside(Sender):
    """The same without a network."""

    def __init__(self, user: User) -> None:
        super().__init__("http://testserver", user)

    def ask(self, method: str, path: str, data: Any, headers: dict[str, str]) -> Any:
        headers = headers | self.headers
        kind = headers.pop("Content-Type", "application/octet-stream")
        said = {"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(data))}  # which it leaves out where there are no bytes
        return Client().generic(method, path, data, headers=headers, **said)
