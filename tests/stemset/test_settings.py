"""The settings refuse what they cannot understand, and say which variable it was."""

import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from stemset.database import database_settings
from stemset.env import StrictEnv
from stemset.secret_key import stored_secret_key
from tests.site import site_environment


def env(**values: str) -> StrictEnv:
    strict = StrictEnv()
    strict.ENVIRON = FileAwareMapping(env=values)
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


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://a@b/c"])
def test_only_postgresql(tmp_path, url):
    with pytest.raises(ImproperlyConfigured, match="PostgreSQL"):
        database_settings(env(DATABASE_URL=url), tmp_path)


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
    assert run.returncode != 0
    assert needle in run.stderr
