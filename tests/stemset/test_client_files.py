"""Serving the existing client: its page for every address of its own, its files to everybody, and nothing else."""

import gzip
import os
import re
from pathlib import Path

import pytest
from django.urls import get_resolver

from stemset import client_files
from stemset.client_files import OURS, routes
from tests.client_build import INDEX, write_build
from tests.stemset.conftest import serve_client

YEAR = "public, max-age=31536000, immutable"


def fetch(client, path: str, method: str = "get", **headers: str):
    """Get a file and read it to its end, as `body`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = getattr(client, method)(path, headers=named)
    response.body = response.getvalue()
    return response


class TestPage:
    @pytest.mark.parametrize(
        "path",
        ["/", "/?t=12", "/p", "/p/", "/p/h4n", "/p/h4n/take_1?t=3&source=qr", "/p/a/b/c.js", "/p/../x", "/p/夜",
         "/p/a%0Ab", "/p/a%2Fb", "/index.html"],
    )  # fmt: skip
    def test_every_address_of_the_client_is_its_page(self, with_client, client, path):
        response = fetch(client, path)

        assert response.status_code == 200
        assert response.body.decode() == INDEX
        assert response["Content-Type"] == "text/html; charset=utf-8"
        assert response["Cache-Control"] == "no-cache"

    def test_it_is_asked_for_again_but_not_sent_again(self, with_client, client):
        first = fetch(client, "/p/h4n")

        assert fetch(client, "/p/other", If_None_Match=first["ETag"]).status_code == 304

    def test_a_new_build_is_noticed_though_size_and_date_are_the_same(self, with_client, client):
        page: Path = with_client / "index.html"
        facts = page.stat()
        first = fetch(client, "/")
        new = INDEX.replace("BdX1", "ZZZZ")
        page.write_text(new)
        os.utime(page, ns=(facts.st_atime_ns, facts.st_mtime_ns))

        response = fetch(client, "/", If_None_Match=first["ETag"], If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT")

        assert response.status_code == 200
        assert response.body.decode() == new

    def test_the_tag_is_of_the_file_that_is_sent(self, with_client, client, monkeypatch):
        """A new build takes the name of a file in the moment between opening it and sending it."""
        page: Path = with_client / "index.html"
        new = INDEX.replace("BdX1", "ZZZZ")
        real = client_files._open

        def open_and_replace(name: str):
            file = real(name)
            (with_client / "new.html").write_text(new)
            (with_client / "new.html").replace(page)
            return file

        with monkeypatch.context() as patch:
            patch.setattr(client_files, "_open", open_and_replace)
            between = fetch(client, "/")
        after = fetch(client, "/", If_None_Match=between["ETag"])

        assert between.body.decode() == INDEX
        assert (after.status_code, after.body.decode()) == (200, new)

    def test_its_own_policy_lets_it_work_and_knows_its_inline_script(self, with_client, client):
        policy = dict(part.split(" ", 1) for part in fetch(client, "/")["Content-Security-Policy"].split("; "))

        # The digest of: window.began = "inline";
        inline = "'sha256-PdRgQWDKWEVGC0G+bP7QYeJpESC030RtIMNMGdtqoVA='"
        assert policy["script-src"] == f"'self' blob: 'wasm-unsafe-eval' {inline}"
        assert policy["worker-src"] == "'self' blob:"
        assert policy["frame-ancestors"] == "'none'"
        assert "'unsafe-inline'" not in policy["script-src"] + policy["default-src"]
        assert "'unsafe-eval'" not in policy["script-src"]

    def test_the_policy_names_where_media_are_and_what_the_operator_added(self, with_client, client, settings):
        settings.MEDIA_ORIGINS = ["https://objects.example"]
        settings.BACKEND_URL = "https://api.band.example"
        settings.STEMSET_CLIENT_ORIGINS = ["https://fonts.example"]

        policy = dict(part.split(" ", 1) for part in fetch(client, "/")["Content-Security-Policy"].split("; "))

        for directive in ("connect-src", "img-src", "media-src"):
            assert {"https://objects.example", "https://api.band.example"} <= set(policy[directive].split())
        for directive in ("style-src", "font-src", "img-src", "connect-src"):
            assert "https://fonts.example" in policy[directive].split()
        assert "https://fonts.example" not in policy["script-src"]


class TestFiles:
    @pytest.mark.parametrize(
        ("path", "content_type", "cache_control"),
        [
            ("/assets/index-BdX1.js", "text/javascript; charset=utf-8", YEAR),
            ("/assets/index-C3pO.css", "text/css; charset=utf-8", YEAR),
            ("/assets/font-9xYz.woff2", "font/woff2", YEAR),
            ("/assets/index-BdX1.js.map", "application/json", YEAR),
            ("/assets/codec-7aB2.wasm", "application/wasm", YEAR),
            ("/impulse/hall.wav", "audio/wav", "no-cache"),
            ("/logo.png", "image/png", "no-cache"),
            ("/icon.svg", "image/svg+xml", "no-cache"),
            ("/site.webmanifest", "application/manifest+json", "no-cache"),
            ("/limiter-processor.js", "text/javascript; charset=utf-8", "no-cache"),
            ("/multiband-stereo-expander.js", "text/javascript; charset=utf-8", "no-cache"),
        ],
    )
    def test_everybody_gets_them(self, with_client, client, path, content_type, cache_control):
        response = fetch(client, path)

        assert response.status_code == 200
        assert response.body == (with_client / path[1:]).read_bytes()
        assert response["Content-Type"] == content_type
        assert response["Cache-Control"] == cache_control
        assert response["X-Content-Type-Options"] == "nosniff"
        assert not response.cookies

    def test_nobody_has_to_be_asked_for_in_the_database(self, with_client, client):
        fetch(client, "/logo.png")  # a test without access to the database

    def test_what_the_browser_has_is_not_sent_again(self, with_client, client):
        first = fetch(client, "/logo.png")

        again = fetch(client, "/logo.png", If_None_Match=first["ETag"])
        assert (again.status_code, again.body, again["ETag"]) == (304, b"", first["ETag"])
        assert again["Cache-Control"] == "no-cache"

    def test_head(self, with_client, client):
        head = fetch(client, "/logo.png", "head")

        assert (head.status_code, head.body) == (200, b"")
        assert head["Content-Length"] == str((with_client / "logo.png").stat().st_size)

    def test_a_part(self, with_client, client):
        response = fetch(client, "/impulse/hall.wav", Range="bytes=0-3")
        assert (response.status_code, response.body) == (206, b"RIFF")

    def test_a_compressed_file_beside_is_sent_to_who_can_read_it(self, with_client, client):
        path = with_client / "assets/index-BdX1.js"
        path.with_name("index-BdX1.js.gz").write_bytes(gzip.compress(path.read_bytes()))

        small, plain = (
            fetch(client, "/assets/index-BdX1.js", Accept_Encoding="br, gzip"),
            fetch(client, "/assets/index-BdX1.js", Accept_Encoding="identity"),
        )

        assert small["Content-Encoding"] == "gzip"
        assert gzip.decompress(small.body) == plain.body == path.read_bytes()
        assert small["Content-Type"] == plain["Content-Type"]
        assert small["ETag"] != plain["ETag"]
        assert "Content-Encoding" not in plain
        assert "Accept-Encoding" in small["Vary"]
        assert "Accept-Encoding" in plain["Vary"]


class TestNothingElse:
    @pytest.fixture(autouse=True)
    def outside(self, with_client):
        """Things that must not be served."""
        outside = with_client.parent / "secret.txt"
        outside.write_text("secret")
        (with_client / ".env").write_text("secret")
        (with_client / ".git").mkdir()
        (with_client / ".git/config").write_text("secret")
        (with_client / "assets/.hidden.js").write_text("secret")
        (with_client / "link.txt").symlink_to(outside)
        (with_client / "folder").symlink_to(with_client.parent)
        (with_client / "circle").symlink_to(with_client / "circle")
        (with_client / "etc").symlink_to("/etc")

    @pytest.mark.parametrize(
        "path",
        ["/nothing.js", "/assets", "/assets/", "/impulse/", "/assets//index-BdX1.js", "/logo.png/",
         "/../secret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt", "/assets/..%2f..%2fsecret.txt",
         "/assets/%2e%2e%2f%2e%2e%2fsecret.txt", "/assets/../logo.png", "/./logo.png", "/..\\secret.txt",
         "/.env", "/.git/config", "/assets/.hidden.js", "/link.txt", "/folder/secret.txt", "/circle", "/etc/passwd",
         "/%2fetc%2fpasswd", "/logo.png%00.js", "/%ff%fe", "/" + "x" * 300, "/LOGO.PNG",
         "/logo.png%0A"],
    )  # fmt: skip
    def test_it_is_not_there(self, client, db, path):
        response = fetch(client, path)

        assert response.status_code == 404
        assert b"secret" not in response.body.replace(path.encode(), b"")

    def test_a_link_that_stays_inside_is_followed(self, with_client, client):
        (with_client / "same.png").symlink_to(with_client / "logo.png")
        assert fetch(client, "/same.png").status_code == 200

    def test_a_build_that_is_a_link_is_served(self, with_client, client, settings, tmp_path):
        (tmp_path / "current").symlink_to(with_client)
        settings.STEMSET_CLIENT_DIR = tmp_path / "current"
        assert fetch(client, "/logo.png").status_code == 200

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_they_are_only_read(self, client, method):
        for path in ("/", "/p/h4n", "/logo.png"):
            assert getattr(client, method)(path, headers={"Origin": "http://testserver"}).status_code == 405


class TestOurs:
    def test_no_address_of_ours_is_the_clients(self):
        ours = {re.split(r"[/<\\^$]", str(pattern.pattern))[0] for pattern in _leaves(get_resolver("stemset.urls"))}

        assert ours - {""} == set(OURS) - {"static"}  # which WhiteNoise answers before addresses are looked at

    def test_files_of_such_names_are_never_served(self, with_client, client, db):
        for name in OURS:
            (with_client / name).mkdir()
            (with_client / name / "x.js").write_text("theirs")
            assert fetch(client, f"/{name}/x.js").status_code in (302, 404)

    def test_our_pages_stay(self, with_client, client, bob):
        client.force_login(bob)
        assert b"demo-band" in fetch(client, "/library").body
        assert fetch(client, "/api/nothing")["Content-Type"] == "application/json"
        assert fetch(client, "/libraryx").status_code == 404

    def test_without_a_client_there_is_none(self, client, db):
        assert routes() == []
        assert client.get("/")["Location"] == "/login?next=/"
        for path in ("/p/h4n", "/logo.png", "/index.html"):
            assert client.get(path).status_code == 404


def _leaves(resolver):
    for pattern in resolver.url_patterns:
        inner = getattr(pattern, "url_patterns", None)
        if inner is not None and not str(pattern.pattern):
            yield from _leaves(pattern)
        else:
            yield pattern


def test_two_builds_do_not_mix(settings, client, tmp_path):
    """What is remembered of a file belongs to that file."""
    one, two = write_build(tmp_path / "one"), write_build(tmp_path / "two")
    (two / "logo.png").write_bytes(b"other")

    serve_client(settings, one)
    first = fetch(client, "/logo.png")["ETag"]
    serve_client(settings, two)

    assert fetch(client, "/logo.png")["ETag"] != first
