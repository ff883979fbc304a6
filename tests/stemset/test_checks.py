"""Each system check is raised by the mistake it is about, by its id, and only by that."""

import pytest
from django.core.checks import run_checks
from django.core.management import call_command

from stemset.checks import check_static_files
from stemset.config.schema import Config, ProfileConfig, R2Config
from stemset.config.strategy import Node
from stemset.storage_settings import storage_settings


def ids() -> set[str]:
    return {message.id for message in run_checks() if message.id.startswith(("stemset.", "processing."))}


@pytest.fixture
def configure(settings, tmp_path):
    def configure(tree: Node, **profile: object) -> None:
        fields = {"name": "band", "source_folder": str(tmp_path), "strategy": "s", **profile}
        settings.STEMSET = Config(strategies={"s": tree}, profiles=(ProfileConfig(**fields),))

    configure(GOOD)
    return configure


GOOD = Node("dsp:4stems", {"vocals": "vocals"})


def test_a_good_installation_has_no_complaints(configure):
    assert ids() == set()


def test_unknown_model(configure):
    configure(Node("dsp:5stems", {"vocals": "vocals"}))
    assert ids() == {"processing.E001"}


def test_output_that_the_model_does_not_have_even_deep_in_the_tree(configure):
    configure(Node("dsp:hpss", {"harmonic": Node("dsp:lowband", {"treble": "guitar"})}))
    assert ids() == {"processing.E001"}
    (message,) = [message for message in run_checks() if message.id == "processing.E001"]
    assert "strategies.s.harmonic.treble" in message.msg
    assert "bass" in message.msg


def test_neural_group_not_installed(configure, monkeypatch):
    monkeypatch.setenv("STEMSET_NEURAL_PYTHON", "/nowhere/python")
    configure(Node("htdemucs_ft", {"vocals": "vocals"}))
    (message,) = [message for message in run_checks() if message.id.startswith("processing.")]
    assert message.id == "processing.E002"
    assert "requirements/neural.txt" in message.msg


def test_weights_not_fetched(configure, settings, tmp_path):
    settings.STEMSET_MODEL_CACHE_DIR = tmp_path / "models"
    configure(Node("spleeter:2stems", {"vocals": "vocals"}))
    (message,) = [message for message in run_checks() if message.id.startswith("processing.")]
    assert message.id == "processing.W002"
    assert "fetch_models" in message.hint


def test_missing_source_folder(configure):
    configure(GOOD, source_folder="/Volumes/not plugged in")
    assert ids() == {"processing.W003"}


def test_remote_profile(configure):
    configure(GOOD, remote=True)
    assert ids() == {"processing.W004"}


def test_remote_worker_that_reaches_nothing(configure, settings):
    configure(Node("htdemucs_ft", {"vocals": "vocals"}), remote=True)
    settings.STEMSET = settings.STEMSET.model_copy(update={"gpu_worker_url": "https://gpu.example"})
    assert ids() == {"processing.E005", "processing.E006"}  # and not that the engine is not here
    settings.BACKEND_URL = "https://band.example"
    assert ids() == {"processing.E005"}
    bucket = R2Config(account_id="a", access_key_id="k", secret_access_key="s", bucket_name="b")
    settings.STORAGES = {**settings.STORAGES, "default": storage_settings(bucket)}
    assert ids() == set()


def test_unwritable_folder(configure, settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings.MEDIA_ROOT = tmp_path / "file" / "media"
    assert ids() == {"stemset.E001"}


def test_bypass_for_others(configure, settings):
    settings.STEMSET_BYPASS_AUTH = True
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    assert ids() == set()
    settings.ALLOWED_HOSTS = ["localhost", "band.example"]
    assert ids() == {"stemset.E002"}


def test_static_files_not_collected(configure, settings, tmp_path):
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    assert ids() == set()  # an ordinary command of a fresh checkout runs
    assert [message.id for message in check_static_files()] == ["stemset.E003"]
    assert "stemset.E003" in {message.id for message in run_checks(include_deployment_checks=True)}

    settings.DEBUG = True
    assert check_static_files() == []
    settings.DEBUG = False
    call_command("collectstatic", "--no-input", verbosity=0)
    assert check_static_files() == []


def test_storages_without_a_manifest_need_none(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path / "nowhere"
    assert check_static_files() == []


def test_a_client_that_is_not_there(configure, settings, tmp_path):
    settings.STEMSET_CLIENT_DIR = tmp_path
    assert ids() == {"stemset.E004"}
    (tmp_path / "index.html").write_text("<!doctype html>")
    assert ids() == set()


def test_a_client_somewhere_and_we_who_knows_where(configure, settings):
    settings.FRONTEND_URL = "https://client.example"
    assert ids() == {"stemset.W001"}
    settings.BACKEND_URL = "https://api.example"
    assert ids() == set()
