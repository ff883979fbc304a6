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
WITHOUT_PROFILES = MINIMAL.partition("profiles:")[0]


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


AUTH = MINIMAL + "auth:\n"


def test_profiles_for_newcomers(tmp_path):
    assert load(tmp_path, AUTH + "  first_login_profiles: [band]\n").auth.first_login_profiles == ("band",)
    assert load(tmp_path, MINIMAL).auth is None


def test_profiles_for_newcomers_must_be_there(tmp_path):
    text = AUTH + "  first_login_profiles: [band, choir, '']\n"

    assert problems(tmp_path, text) == [
        ("auth.first_login_profiles[2]", "must not be empty"),
        ("auth.first_login_profiles[1]", "there is no profile 'choir'; there are: band"),
    ]


@pytest.mark.parametrize("key", ["allowed_emails", "first_login_profiles"])
def test_a_list_with_nothing_behind_it_is_empty(tmp_path, key):
    assert getattr(load(tmp_path, f"{AUTH}  {key}:\n").auth, key) == ()


@pytest.mark.parametrize("key", ["allowed_emails", "first_login_profiles"])
@pytest.mark.parametrize(
    ("value", "where", "what"), [("band", "", "must be a list"), ("[7]", "[0]", "must be text"), ("{}", "", "must be")]
)
def test_a_list_that_is_none(tmp_path, key, value, where, what):
    (problem,) = problems(tmp_path, f"{AUTH}  {key}: {value}\n")

    assert problem[0] == f"auth.{key}{where}"
    assert problem[1].startswith(what)


@pytest.mark.parametrize("email", ["bob", "@example.org", "example.org", "'*'", "'  '", "bob @example.org"])
def test_an_address_that_lets_nobody_in(tmp_path, email):
    (problem,) = problems(
        tmp_path, f"{AUTH}  allowed_emails: [a@example.org, {email if email[0] != '@' else repr(email)}]\n"
    )

    assert problem[0] == "auth.allowed_emails[1]"
    assert "is not an e-mail address" in problem[1]


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


@pytest.mark.parametrize("value", ["2026-13-45", "0x_", "!!bool perhaps", "!!timestamp soon"])
def test_a_value_that_yaml_itself_cannot_make_is_named(tmp_path, value):
    ((where, what),) = problems(tmp_path, MINIMAL.replace("source_folder: in", f"source_folder: {value}"))
    assert where == "profiles[0].source_folder"
    assert "put it in quotes" in what


def test_an_alias_of_itself(tmp_path):
    assert problems(tmp_path, "strategies: &a {b: *a}\nprofiles: &p [*p]") == [
        ("strategies.b", "is an alias (*) of something that it is itself a part of"),
        ("profiles[0]", "is an alias (*) of something that it is itself a part of"),
    ]
    assert problems(tmp_path, "strategies: &a {<<: *a}")[0][0] == "strategies.<<"


def test_a_file_nested_too_deeply(tmp_path):
    assert problems(tmp_path, "x: " + "[" * 5000 + "]" * 5000) == [("", "cannot be read: it is nested too deeply")]


def test_merge_keys(tmp_path):
    config = load(
        tmp_path,
        """
        strategies:
          s: &s {_: "dsp:4stems", vocals: vocals, drums: drums}
          t: {<<: *s, drums: beat}
          u: {<<: [*s, {bass: low}], vocals: voice}
        profiles:
          - &first {name: band, source_folder: in, strategy: s, output: &output {format: flac}}
          - {<<: *first, name: other, strategy: t, output: {<<: *output, bitrate: 64}}
        """,
    )
    assert config.strategies["t"].outputs == {"vocals": "vocals", "drums": "beat"}
    assert config.strategies["u"].outputs == {"vocals": "voice", "drums": "drums", "bass": "low"}
    assert (config.profiles[1].source_folder, config.profiles[1].output.format) == (str(tmp_path / "in"), "flac")


def test_a_key_twice_beside_a_merge_is_still_found(tmp_path):
    text = "strategies:\n  s: &s {_: m, v: v}\n  t: {<<: *s, v: a, v: b}\nprofiles: []"
    assert problems(tmp_path, text) == [("strategies.t.v", "the key 'v' stands here twice")]


def test_a_home_folder_of_nobody(tmp_path):
    text = MINIMAL.replace("source_folder: in", "source_folder: '~nosuchuser-x/in'")
    assert problems(tmp_path, text) == [
        ("profiles[0].source_folder", "there is no home folder for '~nosuchuser-x'"),
    ]


def test_names_and_folders_fit_into_the_database(tmp_path):
    text = MINIMAL.replace("s: {", f"{'n' * 201}: {{").replace("strategy: s", f"strategy: {'n' * 201}")
    ((where, what),) = problems(tmp_path, text)
    assert where == f"strategies.{'n' * 201}"
    assert "at most 200" in what
    # Relative to the file, so the folder of the file counts too.
    ((where, what),) = problems(tmp_path, MINIMAL.replace("folder: in", f"folder: {'f' * 1020}"))
    assert where == "profiles[0].source_folder"
    assert "at most 1024" in what


def test_the_lengths_are_those_of_the_columns():
    from catalog.models import Profile
    from stemset.config.loader import SOURCE_FOLDER_LENGTH, STRATEGY_NAME_LENGTH

    assert Profile._meta.get_field("strategy_name").max_length == STRATEGY_NAME_LENGTH
    assert Profile._meta.get_field("source_folder").max_length == SOURCE_FOLDER_LENGTH


def test_a_mistake_in_a_profile_does_not_make_the_list_empty(tmp_path):
    found = problems(tmp_path, MINIMAL.replace("strategy: s", "strategy: s, remote: perhaps"))
    assert found == [("profiles[0].remote", "must be true or false")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WITHOUT_PROFILES + "profiles: 5", ("profiles", "must be a list")),
        (WITHOUT_PROFILES + "profiles: {a: b}", ("profiles", "must be a list")),
        (WITHOUT_PROFILES + "profiles:", ("profiles", "must be a list")),
        (WITHOUT_PROFILES + "profiles: []", ("profiles", "must have at least one entry")),
        (WITHOUT_PROFILES + "profiles: [band]", ("profiles[0]", "must be a mapping")),
        (MINIMAL + "r2: here", ("r2", "must be a mapping")),
        (MINIMAL + "auth: {allowed_emails: me}", ("auth.allowed_emails", "must be a list")),
        (MINIMAL.replace("name: band", "name: 5"), ("profiles[0].name", "must be text")),
        (MINIMAL.replace("folder: in", "folder: ''"), ("profiles[0].source_folder", "must not be empty")),
        (MINIMAL.replace("y: s", "y: s, output: {bitrate: 1.5}"), ("profiles[0].output.bitrate", "must be a whole")),
        (MINIMAL.replace("y: s", "y: s, output: {format: mp3}"), ("profiles[0].output.format", "must be 'opus'")),
        (MINIMAL + "5: x", ("5", "is not a known option")),
    ],
)
def test_plain_words(tmp_path, text, expected):
    ((where, what),) = problems(tmp_path, text)
    assert where == expected[0]
    assert what.startswith(expected[1])


@pytest.mark.parametrize("name", ["null", "1", "true", "2026-01-01", "''"])
def test_a_strategy_without_a_name_of_text(tmp_path, name):
    ((where, what),) = problems(tmp_path, MINIMAL.replace("  s:", "  s: {_: m, v: v}\n  ? " + name + "\n  :"))
    assert where.startswith("strategies.")
    assert "must be text" in what
