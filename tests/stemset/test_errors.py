"""What people and programs get when something goes wrong: JSON below /api and /auth, a page elsewhere, no details."""

import json
import socket
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings as django_settings
from django.db import InterfaceError, OperationalError
from django.test import Client, override_settings

from accounts.tokens import make_personal_token
from tests.factories import make_recording
from tests.server import served

API = ("/api", "/api/", "/api/nothing", "/api/profiles/x/y/z", "/auth", "/auth/", "/auth/nothing")
PAGES = ("/nothing", "/apis", "/authors", "/library/a/b/c", "/media/nothing")


@pytest.fixture
def client(db) -> Client:
    """A browser that sees what people see when a view breaks."""
    return Client(raise_request_exception=False)


def detail(response) -> str:
    """Return what an answer says, which must be in the form of the contract."""
    assert response["Content-Type"] == "application/json"
    said = json.loads(response.content)["detail"]
    assert said[0].isupper()
    assert said.endswith(".")
    return said


class TestKinds:
    @pytest.mark.parametrize("path", API)
    def test_404_in_json(self, client, path):
        response = client.get(path)
        assert response.status_code == 404
        assert detail(response)

    @pytest.mark.parametrize("path", PAGES)
    def test_404_as_a_page(self, client, bob, path):
        client.force_login(bob)
        response = client.get(path)
        assert response.status_code == 404
        assert b"Nothing here" in response.content

    @pytest.mark.parametrize("path", ["/api/profiles", "/auth/status", "/api/nothing"])
    def test_400_for_a_host_that_is_not_ours(self, client, path):
        response = client.get(path, headers={"Host": "evil.example"})
        assert response.status_code == 400
        assert "evil" not in detail(response)

    def test_400_for_a_host_that_is_not_ours_as_a_page(self, client):
        response = client.get("/library", headers={"Host": "evil.example"})
        assert response.status_code == 400
        assert response["Content-Type"].startswith("text/html")

    def test_401(self, client):
        response = client.get("/api/profiles")
        assert response.status_code == 401
        assert "Sign in" in detail(response)

    @pytest.mark.parametrize(
        ("path", "method"), [("/api/profiles", "delete"), ("/auth/status", "patch"), ("/auth/login", "post")]
    )
    def test_405(self, client, bob, path, method):
        client.force_login(bob)
        response = getattr(client, method)(path)
        assert response.status_code == 405
        assert detail(response)
        assert "GET" in response["Allow"]

    def test_413(self, client, bob, demo_band):
        make_recording(demo_band, "x")
        client.force_login(bob)
        body = json.dumps({"display_name": "x" * django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE})
        address = "/api/profiles/demo-band/files/x/display-name"

        response = client.patch(address, body, content_type="application/json")
        assert response.status_code == 413
        assert detail(response)
        page = client.post("/login", "x=" + body, content_type="application/x-www-form-urlencoded")
        assert page.status_code == 413
        assert page["Content-Type"].startswith("text/html")

    def test_429(self, client, settings):
        settings.SIGN_IN_RATES = {"google": "1/minute", "password": "1/minute"}
        answers = [client.get("/auth/login", REMOTE_ADDR="203.0.113.7") for _ in range(2)]
        assert answers[1].status_code == 429
        assert detail(answers[1])
        assert int(answers[1]["Retry-After"]) > 0


class TestBroken:
    @pytest.fixture
    def broken(self, monkeypatch):
        """Have the views raise something."""

        def break_by(error: Exception) -> None:
            def fail(*_args, **_kwargs):
                raise error

            monkeypatch.setattr("accounts.authentication.person_of", fail)

        return break_by

    @pytest.mark.parametrize("path", ["/api/profiles", "/auth/status"])
    def test_500_says_nothing_of_why_but_the_log_does(self, client, broken, caplog, path):
        broken(ZeroDivisionError("the secret is hush"))

        response = client.get(path)

        assert response.status_code == 500
        assert "hush" not in detail(response)
        assert "the secret is hush" in caplog.text
        assert "Traceback" in caplog.text

    def test_500_as_a_page(self, client, broken):
        broken(ZeroDivisionError("hush"))
        response = client.get("/library")
        assert response.status_code == 500
        assert b"Something broke" in response.content
        assert b"hush" not in response.content

    @pytest.mark.parametrize("error", [OperationalError("hush"), InterfaceError("hush")])
    def test_503_while_the_database_is_away(self, client, broken, error):
        broken(error)

        response, page = client.get("/api/profiles"), client.get("/library")

        assert (response.status_code, page.status_code) == (503, 503)
        assert "hush" not in detail(response)
        assert b"hush" not in page.content
        assert response["Retry-After"] == page["Retry-After"] == "5"

    @override_settings(CORS_ALLOWED_ORIGINS=["https://client.example"])
    def test_another_origin_may_read_it(self, client, broken):
        for error in (ZeroDivisionError(), OperationalError()):
            broken(error)
            response = client.get("/api/profiles", headers={"Origin": "https://client.example"})
            assert response["Access-Control-Allow-Origin"] == "https://client.example"


@pytest.mark.django_db(transaction=True)
class TestOverHttp:
    def test_the_database_is_away(self, bob):
        _row, token = make_personal_token(bob, "test")
        nobody = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "DATABASE_POOL": "false"}
        with served(**nobody) as address:
            answers = [
                requests.get(address + "/api/profiles", headers={"Authorization": f"Bearer {token}"}, timeout=30),
                requests.get(address + "/library", headers={"Cookie": "sessionid=somebodys"}, timeout=30),
            ]
            stranger = requests.get(address + "/auth/status", timeout=30)

        assert [answer.status_code for answer in answers] == [503, 503]
        assert "database" in answers[0].json()["detail"]
        assert "127.0.0.1:1" not in answers[0].text + answers[1].text
        assert stranger.json()["authenticated"] is False

    def test_what_is_no_request_is_refused_by_gunicorn_itself(self):
        """In its own words, not in JSON: no program that people use sends these."""
        asked = [
            ("GET /api/" + "x" * 5000, "", "414"),
            ("GET /api/profiles", "X: " + "y" * 9000, "431"),
            ("GET /api/profiles", "Content-Length: 1\r\nTransfer-Encoding: chunked", "400"),
        ]
        with served() as address:
            for line, header, status in asked:
                said = _raw(address, f"{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n\r\n")
                assert said.split()[1] == status
                assert requests.get(address + "/auth/status", timeout=30).status_code == 200

    def test_nobody_on_this_machine_is_taken_for_a_proxy(self):
        with served() as address:
            host = urlsplit(address).netloc
            said = _raw(
                address,
                "POST /api/profiles HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\nX-Forwarded-Proto: https\r\n"
                f"SCRIPT_NAME: /api\r\nHost: {host}\r\nOrigin: https://{host}\r\n\r\n",
            )
        assert said.split()[1] == "403"  # of this host, but not by https


def _raw(address: str, request: str) -> str:
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        connection.sendall(request.encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
