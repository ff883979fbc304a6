"""The settings refuse what they cannot understand, and say which variable it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from stemset.database import database_settings
from stemset.env import StrictEnv, Variables
from stemset.secret_key import stored_secret_key
from stemset.start import configuration_mistakes_as_text
from stemset.storage_settings import Handover, handover, storage_settings
from tests.site import site_environment


def env(**values: str) -> StrictEnv:
    strict = StrictEnv()
    strict.ENVIRON = Variables(env=values)
    return strict


@pytest.mark.parametrize(("word", "value"), [("true", True), ("ON", True), ("1", True), ("no", False), ("", False)])
def test_flags(word, value):
    assert env(FLAG=word).flag("FLAG", default=not value) is value


def test_a_flag_that_is_neither_is_named():
    with pytest.raises(ImproperlyConfigured, match="DEBUG must be true or false, not 'treu'"):
        env(DEBUG="treu").flag("DEBUG", default=False)


@pytest.mark.parametrize("text", ["ten", "", "1.5", "-1"])
def test_a_number_that_is_none_is_named(text):
    with pytest.raises(ImproperlyConfigured, match="SIZE must be"):
        env(SIZE=text).number("SIZE", default=1)


@pytest.mark.parametrize("text", ["ten", "", "0", "-1", "nan", "inf", "99999"])
def test_minutes_that_are_none_are_named(text):
    assert env(WAIT="0.5").minutes("WAIT", default=60) == 0.5
    with pytest.raises(ImproperlyConfigured, match="WAIT must be minutes"):
        env(WAIT=text).minutes("WAIT", default=60)


def test_a_secret_may_lie_in_a_file(tmp_path):
    (tmp_path / "secret").write_text("hush")
    assert env(KEY_FILE=str(tmp_path / "secret")).str("KEY") == "hush"


def test_without_database_url_the_embedded_server_is_used(tmp_path):
    database = database_settings(env(DATABASE_POOL="false"), tmp_path)
    assert database["ENGINE"] == "stemset.embedded_postgres"
    assert "pool" not in database["OPTIONS"]


def test_the_pool_is_ten_and_twenty_more(tmp_path):
    url = "postgresql://someone:p%40ss@db.example:5433/stemset"
    database = database_settings(env(DATABASE_URL=url), tmp_path)
    assert database["OPTIONS"]["pool"]["min_size"] == 10
    assert database["OPTIONS"]["pool"]["max_size"] == 30
    assert (database["HOST"], database["PORT"], database["PASSWORD"]) == ("db.example", 5433, "p@ss")
    smaller = database_settings(env(DATABASE_URL=url, DATABASE_POOL_SIZE="2", DATABASE_POOL_OVERFLOW="0"), tmp_path)
    assert smaller["OPTIONS"]["pool"]["max_size"] == 2


def test_a_unix_socket_in_database_url(tmp_path):
    database = database_settings(env(DATABASE_URL="postgresql://postgres@%2Frun%2Fpg/stemset"), tmp_path)
    assert database["HOST"] == "/run/pg"


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://a@b/c", "garbage", "secret:hush"])
def test_only_postgresql(tmp_path, url):
    with pytest.raises(ImproperlyConfigured, match="PostgreSQL"):
        database_settings(env(DATABASE_URL=url), tmp_path)


@pytest.mark.parametrize("url", ["postgresql://u@h:port/d", "postgresql://u:hu/sh@h/d", "postgresql://u@[::1/d"])
def test_an_address_that_cannot_be_read_is_named_but_not_shown(tmp_path, url):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL cannot be read") as caught:
        database_settings(env(DATABASE_URL=url), tmp_path)
    assert "hu" not in str(caught.value)


@pytest.mark.parametrize("name", ["DATABASE_URL", "ALLOWED_HOSTS"])
def test_a_file_of_a_secret_that_cannot_be_read_is_named(tmp_path, name):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "nowhere", tmp_path, tmp_path / "binary"):
        with pytest.raises(ImproperlyConfigured, match=f"^{name}_FILE names a file that cannot be read"):
            env(**{f"{name}_FILE": str(path)}).str(name, default="")


def test_names():
    assert env(HOSTS="a, b,").names("HOSTS", default=["c"]) == ["a", "b"]
    assert env().names("HOSTS", default=["c", "d"]) == ["c", "d"]
    for empty in ("", " , "):
        with pytest.raises(ImproperlyConfigured, match="HOSTS is empty"):
            env(HOSTS=empty).names("HOSTS", default=["c"])


@pytest.mark.parametrize("url", ["foo", "foo.example", "ftp://foo", "https://", "http://[", "http://h:port", "//host"])
def test_an_endpoint_that_is_no_address(url):
    with pytest.raises(ImproperlyConfigured, match="R2_ENDPOINT_URL must be"):
        storage_settings(None, endpoint_url=url)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9000", "https://s3.example/path"])
def test_an_endpoint_that_is_one(url):
    assert storage_settings(None, endpoint_url=url)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", None),
        ("x-sendfile", Handover("X-Sendfile", "")),
        (" X-Sendfile ", Handover("X-Sendfile", "")),
        ("x-accel-redirect:/protected-media", Handover("X-Accel-Redirect", "/protected-media")),
        ("X-Accel-Redirect:/a/b-c_d/", Handover("X-Accel-Redirect", "/a/b-c_d")),
    ],
)
def test_who_sends_the_files(text, meant):
    assert handover(text) == meant


@pytest.mark.parametrize(
    "text", ["true", "nginx", "x-accel-redirect", "x-accel-redirect:", "x-accel-redirect:/", "x-accel-redirect:media",
             "x-accel-redirect:/a b", "x-accel-redirect:/a//b", "x-sendfile:/media", "x-accel-redirect:/a\nb"]
)  # fmt: skip
def test_who_sends_the_files_must_be_known(text):
    with pytest.raises(ImproperlyConfigured, match="STEMSET_SENDFILE must be"):
        handover(text)


def test_only_mistakes_in_the_configuration_are_text(capsys):
    with pytest.raises(SystemExit) as caught, configuration_mistakes_as_text():
        raise ImproperlyConfigured("DEBUG is wrong")
    assert caught.value.code == 1
    assert capsys.readouterr().err == "DEBUG is wrong\n"
    with pytest.raises(KeyError), configuration_mistakes_as_text():
        raise KeyError("a bug")


def test_the_secret_key_is_private_from_the_start(tmp_path, monkeypatch):
    modes = []
    link = os.link

    def watched(source, target):
        modes.append(source.stat().st_mode & 0o777)
        link(source, target)

    monkeypatch.setattr(os, "link", watched)
    monkeypatch.setattr(Path, "chmod", lambda *_: pytest.fail("too late: somebody may have opened it"))
    monkeypatch.setattr(os, "chmod", lambda *_: pytest.fail("too late: somebody may have opened it"))
    (tmp_path / f"key.{os.getpid()}").write_text("left behind by a killed process")
    before = os.umask(0)
    try:
        key = stored_secret_key(tmp_path / "key")
    finally:
        os.umask(before)
    assert modes == [0o600]
    assert stored_secret_key(tmp_path / "key") == key


def test_a_folder_that_cannot_hold_the_secret_key(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ImproperlyConfigured, match="STEMSET_VAR_DIR"):
        stored_secret_key(tmp_path / "file" / "secret-key")


def test_the_secret_key_is_made_once_and_private(tmp_path):
    path = tmp_path / "var" / "secret-key"
    key = stored_secret_key(path)
    assert len(key) >= 50
    assert stored_secret_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret-key"]


@pytest.mark.parametrize(
    ("variables", "needle"),
    [
        ({"DEBUG": "maybe"}, "DEBUG must be true or false"),
        ({"STEMSET_BYPASS_AUTH": "true"}, "needs DEBUG=true"),
        ({"DATABASE_POOL_SIZE": "many", "DATABASE_POOL": "true"}, "DATABASE_POOL_SIZE must be a whole number"),
        ({"STEMSET_CONFIG": "/nowhere/config.yaml"}, "there is no such file"),
        ({"DATABASE_URL": "garbage"}, "DATABASE_URL must name a PostgreSQL"),
        ({"DATABASE_URL": "postgresql://u@h:port/d"}, "DATABASE_URL cannot be read"),
        ({"SECRET_KEY_FILE": "/nonexistent"}, "SECRET_KEY_FILE names a file"),
        ({"STEMSET_VAR_DIR": "/dev/null/var"}, "STEMSET_VAR_DIR"),
        ({"WEB_CONCURRENCY": "abc"}, "WEB_CONCURRENCY must be a whole number"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is empty"),
        ({"R2_ENDPOINT_URL": "foo"}, "R2_ENDPOINT_URL must be https://host"),
        ({"FRONTEND_URL": "client.example"}, "FRONTEND_URL must be an address such as"),
        ({"BACKEND_URL": "https://*"}, "BACKEND_URL must be an address such as"),
        ({"STEMSET_TRUSTED_ORIGINS": "https://a.example,*"}, "STEMSET_TRUSTED_ORIGINS must be an address such as"),
        ({"STEMSET_SENDFILE": "yes"}, "STEMSET_SENDFILE must be x-sendfile, or"),
    ],
)
def test_the_site_refuses_to_start(variables, needle):
    run = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={**site_environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert needle in run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr.splitlines()) <= 2
