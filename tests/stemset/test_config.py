"""config.yaml: what is accepted, and that everything wrong with it is said at once."""

import textwrap

import pytest

from stemset.config.loader import ConfigError, load_config
from stemset.config.strategy import Node

OLD_CONFIG = """
auth:
  allowed_emails: [a@example.com]
  google_client_id: ${GOOGLE_CLIENT_ID}
  google_client_secret: ${GOOGLE_CLIENT_SECRET}
  jwt_secret: ${JWT_SECRET}
  redirect_uri: ${OAUTH_REDIRECT_URI}
r2:
  account_id: ${R2_ACCOUNT_ID}
  access_key_id: ${R2_ACCESS_KEY_ID}
  secret_access_key: ${R2_SECRET_ACCESS_KEY}
  bucket_name: ${R2_BUCKET_NAME}
  public_url: ${R2_PUBLIC_URL}
gpu_worker_url: ${GPU_WORKER_URL}
strategies:
  bobw:
    _: "vocals_mel_band_roformer.ckpt"
    vocals: vocals
    other:
      _: "hdemucs_mmi"
      bass: bass
      drums: drums
      other: other
profiles:
  - name: "h4n"
    source_folder: "/Volumes/H4N_SD/STEREO"
    strategy: "bobw"
    remote: false
    output: {format: "opus", bitrate: 192}
"""
NAMES = [line.split("${")[1].rstrip("}") for line in OLD_CONFIG.splitlines() if "${" in line]
MINIMAL = """
strategies:
  s: {_: "dsp:4stems", vocals: vocals}
profiles:
  - {name: band, source_folder: in, strategy: s}
"""


def load(tmp_path, text, environment=None):
    path = tmp_path / "config.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return load_config(path, environment or {})


def problems(tmp_path, text, environment=None):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, environment)
    for where, what in caught.value.problems:
        assert where in str(caught.value)
        assert what in str(caught.value)
    return caught.value.problems


def test_a_config_of_the_older_version_works_unchanged(tmp_path):
    config = load(tmp_path, OLD_CONFIG, dict.fromkeys(NAMES, "value"))
    assert config.auth.allowed_emails == ("a@example.com",)
    assert config.r2.secret_access_key.get_secret_value() == "value"
    assert config.gpu_worker_url == "value"
    tree = config.strategies["bobw"]
    assert tree.model == "vocals_mel_band_roformer.ckpt"
    assert tree.stems() == ["vocals", "bass", "drums", "other"]
    assert tree.outputs["other"] == Node("hdemucs_mmi", {"bass": "bass", "drums": "drums", "other": "other"})
    assert config.profiles[0].source_folder == "/Volumes/H4N_SD/STEREO"
    assert (config.profiles[0].output.format, config.profiles[0].output.bitrate) == ("opus", 192)


def test_secrets_do_not_show_when_printed(tmp_path):
    config = load(tmp_path, OLD_CONFIG, dict.fromkeys(NAMES, "hush"))
    assert "hush" not in repr(config.r2.secret_access_key)
    assert "hush" not in repr(config.auth.jwt_secret)


def test_all_missing_variables_are_listed_together(tmp_path):
    (problem,) = problems(tmp_path, OLD_CONFIG, {"JWT_SECRET": "x", "GPU_WORKER_URL": ""})
    assert all(name in problem[1] for name in NAMES if name not in ("JWT_SECRET", "GPU_WORKER_URL"))
    assert "JWT_SECRET" not in problem[1]


def test_a_value_from_the_environment_cannot_change_the_structure(tmp_path):
    text = MINIMAL.replace("source_folder: in", "source_folder: '${FOLDER}'")
    config = load(tmp_path, text, {"FOLDER": "/a, remote: true} #"})
    assert config.profiles[0].source_folder == "/a, remote: true} #"
    assert not config.profiles[0].remote


def test_source_folders_are_relative_to_the_file(tmp_path):
    assert load(tmp_path, MINIMAL).profiles[0].source_folder == str(tmp_path / "in")


def test_defaults(tmp_path):
    profile = load(tmp_path, MINIMAL).profile("band")
    assert (profile.output.format, profile.output.bitrate, profile.remote) == ("opus", 192, False)
    assert load(tmp_path, MINIMAL).profile("nobody") is None


def test_everything_wrong_is_said_at_once_with_its_path(tmp_path):
    found = problems(
        tmp_path,
        """
        colour: red
        r2: {account_id: a}
        strategies:
          empty: {}
          leafless: {_: m}
          nameless: {vocals: vocals}
          twins:
            _: m
            vocals: Vocals
            other: {_: n, a: vocals, b: ../../etc}
          fine: {_: m, vocals: vocals}
        profiles:
          - {name: band, source_folder: in, strategy: fine, output: {format: mp3, bitrate: 16, loud: yes}}
          - {name: BAND, source_folder: in, strategy: missing}
          - {name: "../up", source_folder: in, strategy: fine, remote: perhaps}
          - {name: inputs, strategy: fine}
        """,
    )
    paths = [where for where, _what in found]
    for expected in (
        "colour",
        "r2.access_key_id",
        "r2.secret_access_key",
        "r2.bucket_name",
        "strategies.empty",
        "strategies.leafless",
        "strategies.nameless",
        "strategies.twins",
        "strategies.twins.other.b",
        "profiles[0].output.format",
        "profiles[0].output.bitrate",
        "profiles[0].output.loud",
        "profiles[1].name",
        "profiles[1].strategy",
        "profiles[2].name",
        "profiles[2].remote",
        "profiles[3].source_folder",
        "profiles[3].name",
    ):
        assert expected in paths
    assert not any("fine" in where for where in paths)


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("", "must be a mapping"),
        ("[1, 2]", "must be a mapping"),
        ("profiles: [", "cannot be read"),
        ("strategies: {a: {_: m, v: v}, a: {_: m, v: v}}\nprofiles: []", "stands here twice"),
        ("strategies: {a: {_: m, v: v}}\nprofiles: []", "profiles"),
        ("strategies: {}\nprofiles: [{name: a, source_folder: b, strategy: c}]", "strategies"),
        ("profiles: [{name: a, source_folder: b, strategy: c}]", "strategies"),
    ],
)
def test_broken_files_are_refused_with_a_reason(tmp_path, text, needle):
    found = problems(tmp_path, text)
    assert any(needle in f"{where} {what}" for where, what in found)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="STEMSET_CONFIG"):
        load_config(tmp_path / "nowhere.yaml", {})


def test_the_repository_s_own_file_is_valid(settings):
    assert settings.STEMSET.profile("demo").strategy == "four_stems"
    assert settings.STEMSET.strategies["four_stems"].stems() == ["vocals", "drums", "bass", "other"]
