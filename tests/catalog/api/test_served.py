"""The API as the shipped web server answers it: what Django's test client does not show."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from accounts.tokens import make_personal_token
from tests.factories import make_recording
from tests.server import served

pytestmark = pytest.mark.django_db(transaction=True)


def test_on_one_connection(bob, demo_band):
    recording = make_recording(demo_band, "größe 100%")
    headers = {"Authorization": f"Bearer {make_personal_token(bob, 'test')[1]}"}
    with served(STEMSET_API_RATE="20/minute", WEB_CONCURRENCY="1") as address:
        server = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)

        def ask(method: str, path: str, body: bytes = b"", **more: str) -> tuple[http.client.HTTPResponse, bytes]:
            server.request(method, path, body, headers | {name.replace("_", "-"): text for name, text in more.items()})
            response = server.getresponse()
            return response, response.read()

        whole, body = ask("GET", "/api/recordings")
        assert whole.status == 200
        assert json.loads(body)["results"][0]["id"] == str(recording.pk)
        tag = whole.headers["ETag"]

        # Whatever has no body must really have none, or the next answer on this connection is garbage.
        head, nothing = ask("HEAD", "/api/recordings")
        assert (head.status, head.headers["ETag"], nothing) == (200, tag, b"")
        unchanged, nothing = ask("GET", "/api/recordings", If_None_Match=tag)
        assert (unchanged.status, unchanged.headers["ETag"], nothing) == (304, tag, b"")

        path, json_type = f"/api/recordings/{recording.pk}", "application/json"
        too_large, body = ask("PATCH", path, b'"' + b"x" * 3_000_000 + b'"', Content_Type=json_type)
        assert (too_large.status, list(json.loads(body))) == (413, ["detail"])
        server.close()  # the server does so too, instead of reading on
        odd, body = ask("GET", f"{path}?q=%FF", Content_Type="text/plain; charset=bz2_codec")
        assert (odd.status, list(json.loads(body)["errors"])) == (400, ["q"])
        renamed, body = ask("PATCH", path, '{"display_name": "Möwe"}'.encode(), Content_Type=json_type)
        assert (renamed.status, json.loads(body)["display_name"]) == (200, "Möwe")

        changed, body = ask("GET", "/api/recordings", If_None_Match=tag)
        assert (changed.status, changed.headers["ETag"] != tag) == (200, True)
        for _ in range(20):
            last, body = ask("GET", "/api/stems")
        assert (last.status, list(json.loads(body))) == (429, ["detail"])
        assert int(last.headers["Retry-After"]) > 0
        assert ask("GET", "/api/profiles")[0].status == 200
        server.close()
