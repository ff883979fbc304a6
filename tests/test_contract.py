"""The existing client against the shipped web server, over HTTP only: every route it calls, as each release calls it.

R1 uses the cookie alone and may come from another origin; R2 sends the token as Bearer on some calls.
"""

import io
import random
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import requests
import soundfile
from PIL import Image

from accounts.models import User, UserProfile
from catalog.access import Role
from catalog.models import Profile, Recording
from tests.accounts.visitor import Visitor
from tests.band import chord
from tests.factories import make_profile, make_recording, write_files
from tests.google import BOB, CHARLIE, GoogleStandIn, google_environment
from tests.processing.audio_files import write_av
from tests.processing.uploads.sending import wav
from tests.server import served
from tests.workers import working

pytestmark = pytest.mark.django_db(transaction=True)

CONFIG = """
auth:
  allowed_emails: [bob@example.org]
  google_client_id: ${GOOGLE_CLIENT_ID}
  google_client_secret: ${GOOGLE_CLIENT_SECRET}
  first_login_profiles: [h4n]
strategies:
  s: {_: "dsp:4stems", vocals: vocals}
profiles:
  - {name: h4n, source_folder: /Volumes/H4N_SD/STEREO, strategy: s}
"""
FILE = {"id": str, "name": str, "display_name": str, "created_at": str, "status": (str, type(None)), "stems": list}
JOB = {
    "job_id": str,
    "profile_name": str,
    "output_name": str,
    "filename": str,
    "status": str,
    "stems": (list, type(None)),
    "error": (str, type(None)),
}
STEM = {
    "stem_type": str,
    "measured_lufs": (float, int, type(None)),
    "peak_amplitude": (float, int),
    "stem_gain_adjustment_db": (float, int),
    "audio_url": str,
    "waveform_url": str,
    "file_size_bytes": int,
    "duration_seconds": (float, int),
}


@pytest.fixture
def google():
    with GoogleStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def band(db) -> Profile:
    """A profile with two recordings, one of them with a name, and one that is nobody's business."""
    band = make_profile("h4n", source_folder="/Volumes/H4N_SD/STEREO")
    for number, name in enumerate(["older", "newer"]):
        recording = make_recording(
            band, name, duration=0.2, days_ago=2 - number, lufs={"bass": None}, display_name="Named" * number
        )
        write_files(recording)
    make_recording(make_profile("secret"), "hidden")
    return band


class Tab:
    """A tab of the client: fetches with credentials, says where its page comes from on every change."""

    def __init__(self, visitor: Visitor, page: str, token: str | None = None) -> None:
        self.visitor = visitor
        self.page = page
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def fetch(self, path: str, method: str = "GET", *, headers: dict[str, str] | None = None, **options: Any):
        sent = {**self.headers, **(headers or {})}
        if method != "GET" or self.page != self.visitor.origin:
            sent["Origin"] = self.page
        answer = self.visitor.ask(path, method, headers=sent, **options)
        assert answer.status_code not in (204, 301, 308), path
        return answer

    def json(self, path: str, method: str = "GET", status: int = 200, **options: Any) -> Any:
        answer = self.fetch(path, method, **options)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["Content-Type"] == "application/json", path
        if status >= 400:
            assert isinstance(answer.json()["detail"], str), path
            assert answer.json()["detail"], path
        return answer.json()


def has_shape(thing: dict[str, Any], shape: dict[str, Any]) -> None:
    assert set(shape) <= set(thing)
    for key, kind in shape.items():
        assert isinstance(thing[key], kind), key
        assert not isinstance(thing[key], bool), key


def sign_in(visitor: Visitor, frontend: str) -> str:
    """Sign in with Google as the client has it, and return the token that R2 reads."""
    began = visitor.ask("/auth/login")
    assert began.status_code == 302
    answer = visitor.ask(visitor.at_google(began, BOB.email))
    assert answer.status_code == 302
    place, _, token = answer.headers["Location"].partition("#token=")
    assert place == frontend
    assert token
    assert token == visitor.token()
    return token


def cookie_line(answer: requests.Response) -> set[str]:
    (line,) = [line for line in answer.raw.headers.getlist("Set-Cookie") if line.startswith("stemset_token=")]
    return {part.strip() for part in line.split(";")[1:]}


def walk(tab: Tab, release: str) -> None:
    """Everything the client does once somebody is signed in."""
    visitor = tab.visitor
    status = tab.json("/auth/status")
    user = User.objects.get()
    assert status["authenticated"] is True
    assert status["profiles"] == ["h4n"]
    assert {key: status["user"][key] for key in ("id", "name", "email")} == {
        "id": str(user.pk),
        "name": "Bob",
        "email": "bob@example.org",
    }
    picture = tab.fetch(status["user"]["picture"])
    assert picture.status_code == 200
    assert picture.headers["Content-Type"] == "image/png"

    assert tab.json("/api/profiles") == [{"name": "h4n", "source_folder": "STEREO"}]
    assert tab.json("/api/profiles/h4n") == {"name": "h4n", "source_folder": "STEREO"}
    hidden, missing = (tab.json(f"/api/profiles/{name}", status=404) for name in ("secret", "no-such"))
    assert hidden == missing
    hidden, missing = (tab.json(f"/api/profiles/{name}/files", status=404) for name in ("secret", "no-such"))
    assert hidden == missing

    files = tab.json("/api/profiles/h4n/files")
    assert [file["name"] for file in files] == ["newer", "older"]
    for file in files:
        has_shape(file, FILE)
        UUID(file["id"])
        assert datetime.fromisoformat(file["created_at"]).tzinfo is not None
        assert sorted(stem["stem_type"] for stem in file["stems"]) == ["bass", "drums", "other", "vocals"]
        for stem in file["stems"]:
            has_shape(stem, STEM)
            assert (stem["measured_lufs"] is None) == (stem["stem_type"] == "bass")
    assert [file["display_name"] for file in files] == ["Named", ""]

    listen(tab, files[0])
    rename(tab, files[0])
    keep_a_mix(tab, files[0]["id"])
    upload(tab, release)
    errors(tab)
    assert visitor.who() == "bob@example.org"


def listen(tab: Tab, file: dict[str, Any]) -> None:
    for stem in file["stems"]:
        audio = tab.fetch(stem["audio_url"])
        assert audio.status_code == 200
        assert audio.headers["Content-Type"] == "audio/ogg"
        assert audio.headers["Cache-Control"].startswith("private")
        assert soundfile.info(io.BytesIO(audio.content)).duration == pytest.approx(0.2, abs=0.001)
        again = tab.fetch(stem["audio_url"], headers={"If-None-Match": audio.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        part = tab.fetch(stem["audio_url"], headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, audio.content[10:20])
        assert part.headers["Content-Range"] == f"bytes 10-19/{len(audio.content)}"

        # <img crossOrigin="anonymous"> says where its page comes from, and brings a cookie to its own origin only.
        same_origin = tab.page == tab.visitor.origin
        cookies = {"stemset_token": tab.visitor.token()} if same_origin else {}
        address = stem["waveform_url"] if "://" in stem["waveform_url"] else tab.visitor.origin + stem["waveform_url"]
        waveform = requests.get(address, headers={"Origin": tab.page}, cookies=cookies, timeout=30)
        assert waveform.status_code == 200
        picture = Image.open(io.BytesIO(waveform.content)).convert("RGBA")
        assert picture.getchannel("A").getextrema() == (0, 255)
        if not same_origin:
            assert waveform.headers["Access-Control-Allow-Origin"] == tab.page


def rename(tab: Tab, file: dict[str, Any]) -> None:
    path = f"/api/profiles/h4n/files/{file['name']}/display-name"
    renamed = tab.json(path, "PATCH", json={"display_name": "Take 5"})
    assert renamed["display_name"] == "Take 5"
    has_shape(renamed, FILE)
    assert renamed["stems"] == file["stems"]
    assert tab.json("/api/profiles/h4n/files")[0]["display_name"] == "Take 5"
    assert tab.json(path, "PATCH", json={"display_name": ""})["display_name"] == ""
    tab.json(path.replace(file["name"], "no-such"), "PATCH", status=404, json={"display_name": "x"})
    tab.json(path.replace("h4n", "secret").replace(file["name"], "hidden"), "PATCH", 404, json={"display_name": "x"})
    tab.json(path, "PATCH", status=400, json={"name": "x"})
    tab.json(path, "PATCH", status=400, data=b"{", headers={"Content-Type": "application/json"})


def keep_a_mix(tab: Tab, recording: str) -> None:
    path = f"/api/recordings/{recording}/config"
    tab.json(path, status=404)
    expected: dict[str, Any] = {"playbackPosition": None, "stems": None, "effects": None}
    for key, value in {
        "playbackPosition": {"position": 12.5},
        "stems": {"vocals": {"gain": 0.5, "muted": True}},
        "effects": {"eq": {"bands": [0, 1.5, -3]}},
    }.items():
        expected[key] = value
        assert tab.json(path, "PATCH", json={"key": key, "value": value}) == expected
    assert tab.json(path) == expected
    tab.json(path, "PATCH", status=400, json={"key": "other", "value": {}})
    hidden = Recording.objects.get(output_name="hidden")
    tab.json(f"/api/recordings/{hidden.pk}/config", status=404)


def upload(tab: Tab, release: str) -> None:
    """A file becomes a recording, or words why it does not; each release polls an address of its own."""
    links = UserProfile.objects.filter(profile__name="h4n")
    sound = {"data": ("take.wav", wav(1.0), "audio/wav")}
    assert "leaders" in tab.json("/api/upload/h4n", "POST", status=404, files=sound)["detail"]
    links.update(role=Role.LEADER)
    tab.json("/api/upload/secret", "POST", status=404, files=sound)
    refused = tab.json("/api/upload/h4n", "POST", status=415, files={"data": ("take.wav", b"just words")})
    assert "take.wav" in refused["detail"]

    job = tab.json("/api/upload/h4n", "POST", status=201, files=sound)
    has_shape(job, JOB)
    assert (job["profile_name"], job["filename"], job["stems"], job["error"]) == ("h4n", "take.wav", None, None)
    done = over(tab, job, release)
    assert (done["status"], done["stems"], done["output_name"]) == ("complete", ["vocals"], job["output_name"])
    newest = tab.json("/api/profiles/h4n/files")[0]
    assert newest["name"] == job["output_name"]
    assert tab.fetch(newest["stems"][0]["audio_url"]).status_code == 200
    again = tab.json("/api/upload/h4n", "POST", status=201, files=sound)
    assert (again["status"], again["output_name"]) == ("complete", job["output_name"])

    job = tab.json("/api/upload/h4n", "POST", status=201, files={"data": ("broken.m4a", undecodable())})
    done = over(tab, job, release)
    assert (done["status"], done["stems"]) == ("error", None)
    assert "broken.m4a" in done["error"]
    links.update(role=Role.MEMBER)
    nobodys_jobs(tab)


def over(tab: Tab, job: dict[str, Any], release: str) -> dict[str, Any]:
    """Poll until the job is over; whenever it says that it is complete, the recording is in the list."""
    address = f"/api/jobs/{job['job_id']}" + ("/status" if release == "R1" else "")
    last = time.monotonic() + 30
    while (now := tab.json(address))["status"] == "processing":
        has_shape(now, JOB)
        assert time.monotonic() < last
        time.sleep(0.05)
    assert {name: now[name] for name in ("job_id", "profile_name", "filename")}.items() <= job.items()
    return now


def undecodable() -> bytes:
    """Return a file whose headers are those of a recording, and nothing else of it is."""
    with TemporaryDirectory() as folder:
        path = write_av(Path(folder) / "x", chord(1.0), codec="aac", container="mp4")
        data = path.read_bytes()
    begin, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    return data[:begin] + random.Random(1).randbytes(end - begin) + data[end:]


def nobodys_jobs(tab: Tab) -> None:
    tab.json("/api/jobs/some-job/status", status=404)
    tab.json("/api/jobs/some-job", status=404)
    done = {"job_id": "some-job", "status": "complete", "stems": ["vocals"], "error": None}
    tab.json("/api/jobs/some-job/complete", "POST", status=404, json=done)
    tab.json("/api/jobs/some-job/complete/some-token", "POST", status=404, json=done)


def errors(tab: Tab) -> None:
    tab.json("/api/no-such", status=404)
    tab.json("/api/profiles/", status=404)
    tab.json("/api/profiles", "POST", status=405, json={})
    tab.json("/api/recordings/not-an-id/config", status=404)
    # The server reads no more of it than it must, and closes the connection.
    apart = {**AS_JSON, "Connection": "close"}
    tab.json("/api/profiles/h4n/files/newer/display-name", "PATCH", 413, data=b" " * 3_000_000, headers=apart)


AS_JSON = {"Content-Type": "application/json"}


def refused_from(origin: str, visitor: Visitor) -> None:
    """A page of another site can neither change anything nor read an answer."""
    before = Recording.objects.get(output_name="newer").display_name
    path = "/api/profiles/h4n/files/newer/display-name"
    for sent in ({"Origin": origin}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        answer = visitor.ask(path, "PATCH", headers=sent, json={"display_name": "stolen"})
        assert answer.status_code == 403, sent
        assert answer.json()["detail"]
    assert visitor.ask("/api/upload/h4n", "POST", headers={"Origin": origin}, files={"data": b"x"}).status_code == 403
    assert Recording.objects.get(output_name="newer").display_name == before
    read = visitor.ask("/api/profiles", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in read.headers


@pytest.mark.parametrize("release", ["R1", "R2"])
def test_from_the_same_origin(band, google, config, release):
    variables = google_environment(google)
    with served(config=config, **variables) as origin, working(config=config, **variables):
        visitor = Visitor(origin, google)
        nobody = visitor.ask("/auth/status")
        assert nobody.status_code == 200
        assert nobody.json() == {"authenticated": False, "user": None, "profiles": []}
        for path in ("/api/profiles", "/api/profiles/h4n", "/api/profiles/h4n/files"):
            assert visitor.ask(path).status_code == 401
        assert visitor.ask("/auth/callback?code=x&state=y").status_code == 401

        token = sign_in(visitor, frontend="/")
        tab = Tab(visitor, origin, token if release == "R2" else None)
        walk(tab, release)
        refused_from("https://evil.example", visitor)
        if release == "R2":  # some calls have the token and nothing else
            assert requests.get(f"{origin}/api/profiles", headers=tab.headers, timeout=30).status_code == 200
            assert requests.get(f"{origin}/auth/status", headers=tab.headers, timeout=30).json()["authenticated"]

        out = visitor.ask("/auth/logout")
        assert out.json() == {"success": True}
        assert {"HttpOnly", "Path=/", "Max-Age=0", "SameSite=Lax"} <= cookie_line(out)
        # Signed out is signed out, also for the token that the client still has.
        assert (
            requests.get(f"{origin}/api/profiles", headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code
            == 401
        )
        stranger = Visitor(origin, google)
        refused = stranger.ask(stranger.at_google(stranger.ask("/auth/login"), CHARLIE.email))
        assert refused.status_code == 401
        assert stranger.token() is None
        assert refused.headers["Content-Type"].startswith("text/html")


def test_the_cookie_of_one_origin(band, google, config):
    with served(config=config, **google_environment(google)) as origin:
        visitor = Visitor(origin, google)
        answer = visitor.ask(visitor.at_google(visitor.ask("/auth/login"), BOB.email))

    assert {"HttpOnly", "Path=/", "Max-Age=2592000", "SameSite=Lax"} <= cookie_line(answer)
    assert "Secure" not in cookie_line(answer)


FRONTEND, BACKEND = "https://stemset.example", "https://api.example"
NAME = "/api/profiles/h4n/files/newer/display-name"


class Afar:
    """The first release, with its pages at another origin: it has the cookie, and the browser judges every answer."""

    def __init__(self, address: str, google: GoogleStandIn) -> None:
        self.address = address
        visitor = Visitor(address, google)
        came_back = visitor.at_google(visitor.ask("/auth/login"), BOB.email)
        answer = visitor.ask(came_back.replace(BACKEND, address))
        place, _, self.token = answer.headers["Location"].partition("#token=")
        assert place == FRONTEND
        assert {"HttpOnly", "Path=/", "Max-Age=2592000", "SameSite=None", "Secure"} <= cookie_line(answer)

    def ask(self, path: str, method: str = "GET", **options: Any) -> requests.Response:
        """Ask with the cookie. The browser gives the answer to the page only if it names the page's origin."""
        answer = self.send(path, method, origin=FRONTEND, **options)
        assert answer.headers["Access-Control-Allow-Origin"] == FRONTEND, path
        assert answer.headers["Access-Control-Allow-Credentials"] == "true", path
        assert "origin" in answer.headers["Vary"].lower(), path
        return answer

    def send(self, path: str, method: str = "GET", *, origin: str, **options: Any) -> requests.Response:
        headers = {"Cookie": f"stemset_token={self.token}", "Origin": origin, **options.pop("headers", {})}
        return requests.request(
            method, self.address + path, headers=headers, timeout=30, allow_redirects=False, **options
        )


def test_the_first_release_from_another_origin(band, google, config):
    variables = {"FRONTEND_URL": FRONTEND, "BACKEND_URL": BACKEND, "ALLOWED_HOSTS": "127.0.0.1,api.example"}
    with served(config=config, **variables, **google_environment(google)) as address:
        afar = Afar(address, google)
        assert afar.ask("/auth/status").json()["user"]["picture"].startswith(BACKEND)
        assert afar.ask("/api/profiles").json() == [{"name": "h4n", "source_folder": "STEREO"}]
        listen_from_afar(afar)
        change_from_afar(afar)
        preflight(afar)
        steal(afar)
        out = afar.ask("/auth/logout")
        assert {"HttpOnly", "Path=/", "Max-Age=0", "SameSite=None", "Secure"} <= cookie_line(out)
        assert afar.ask("/api/profiles").status_code == 401


def listen_from_afar(afar: Afar) -> None:
    """Addresses are whole ones; a waveform, which is fetched without the cookie, has a key, and audio has none."""
    files = afar.ask("/api/profiles/h4n/files")
    for stem in files.json()[0]["stems"]:
        audio, waveform = (urlsplit(stem[key].removeprefix(BACKEND)) for key in ("audio_url", "waveform_url"))
        assert stem["audio_url"].startswith(BACKEND)
        assert stem["waveform_url"].startswith(BACKEND)
        assert afar.ask(audio.path).status_code == 200
        anonymous = {"Origin": FRONTEND}
        picture = requests.get(afar.address + waveform.geturl(), headers=anonymous, timeout=30)
        assert picture.status_code == 200
        assert picture.headers["Access-Control-Allow-Origin"] == FRONTEND
        for path in (waveform.path, audio.path, f"{audio.path}?{waveform.query}"):
            assert requests.get(afar.address + path, headers=anonymous, timeout=30).status_code == 404
    assert afar.ask("/api/profiles/h4n/files", headers={"If-None-Match": files.headers["ETag"]}).status_code == 304


def change_from_afar(afar: Afar) -> None:
    assert afar.ask(NAME, "PATCH", json={"display_name": "From afar"}).json()["display_name"] == "From afar"
    assert afar.ask(NAME, "PATCH", json={"display_name": [5]}).status_code == 400
    assert afar.ask(NAME, "PATCH", headers={"Cookie": ""}, json={"display_name": "x"}).status_code == 401
    assert afar.ask("/api/profiles", "POST", json={}).status_code == 405
    assert afar.ask("/api/profiles/secret/files").status_code == 404
    assert afar.ask("/api/no-such").status_code == 404
    assert afar.ask("/api/upload/h4n", "POST", files={"data": ("a.wav", b"RIFF")}).status_code == 404  # no leader


def preflight(afar: Afar) -> None:
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "content-type"}
    answer = requests.options(afar.address + NAME, headers={**asks, "Origin": FRONTEND}, timeout=30)
    assert answer.ok
    assert answer.headers["Access-Control-Allow-Origin"] == FRONTEND
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "content-type" in answer.headers["Access-Control-Allow-Headers"].lower()
    foreign = requests.options(afar.address + NAME, headers={**asks, "Origin": "https://evil.example"}, timeout=30)
    assert "Access-Control-Allow-Origin" not in foreign.headers


def steal(afar: Afar) -> None:
    """A page of a third origin has the person's cookie sent along, and still nothing happens."""
    for path, method, options in (
        (NAME, "PATCH", {"json": {"display_name": "stolen"}}),
        ("/api/upload/h4n", "POST", {"files": {"data": b"x"}}),
    ):
        refused = afar.send(path, method, origin="https://evil.example", **options)
        assert refused.status_code == 403
        assert "Access-Control-Allow-Origin" not in refused.headers
    assert Recording.objects.get(output_name="newer").display_name == "From afar"
