"""Who may be here at all. Whatever is missing or odd, the answer is no."""

import dataclasses

import pytest
from django.core.exceptions import ImproperlyConfigured

from accounts.admission import is_admitted, is_allowed_address
from accounts.models import User
from stemset.config.schema import AuthConfig
from stemset.env import StrictEnv, Variables
from stemset.sign_in_settings import sign_in_settings


def configured(tmp_path, auth: AuthConfig | None = None, **environment: str):
    env = StrictEnv()
    env.ENVIRON = Variables(env=environment)
    return sign_in_settings(auth, env, tmp_path / "jwt-secret")


def allow(settings, tmp_path, *emails: str) -> None:
    settings.SIGN_IN = configured(tmp_path, AuthConfig(allowed_emails=emails))


@pytest.mark.parametrize("auth", [None, AuthConfig(), AuthConfig(allowed_emails=None), AuthConfig(allowed_emails=[])])
@pytest.mark.parametrize("email", ["bob@example.org", "", " ", "*", "None"])
def test_an_empty_list_lets_nobody_in(settings, tmp_path, auth, email):
    settings.SIGN_IN = configured(tmp_path, auth)

    assert not is_allowed_address(email)
    assert not is_admitted(User(email=email))


@pytest.mark.parametrize("email", ["bob@example.org", "BOB@Example.Org", " bob@example.org "])
@pytest.mark.parametrize("listed", ["bob@example.org", "Bob@EXAMPLE.org", "  bob@example.org\t"])
def test_case_and_blanks_do_not_matter(settings, tmp_path, listed, email):
    allow(settings, tmp_path, listed)

    assert is_allowed_address(email)


@pytest.mark.parametrize(
    "email", ["", " ", "eve@example.org", "bob@example.org.evil.example", "xbob@example.org", "bob", "example.org"]
)
def test_only_the_address_itself_counts(settings, tmp_path, email):
    allow(settings, tmp_path, "bob@example.org", " ")

    assert not is_allowed_address(email)


@pytest.mark.parametrize(
    ("facts", "admitted"),
    [
        ({}, False),
        ({"is_invited": True}, True),
        ({"is_staff": True}, True),
        ({"is_superuser": True}, False),  # what makes superusers makes them staff, too
        ({"email": "bob@example.org"}, True),
        ({"is_active": False, "is_invited": True}, False),
        ({"is_active": False, "is_staff": True}, False),
        ({"is_active": False, "email": "bob@example.org"}, False),
    ],
)
def test_who_is_admitted(settings, tmp_path, facts, admitted):
    allow(settings, tmp_path, "bob@example.org")

    assert is_admitted(User(**{"email": "someone@example.org", **facts})) is admitted


def test_being_taken_off_the_list_acts_at_the_next_request(client, settings, tmp_path, bob):
    bob.is_invited = False
    bob.save()
    allow(settings, tmp_path, bob.email)
    client.force_login(bob)
    assert client.get("/library").status_code == 200

    allow(settings, tmp_path)

    assert client.get("/library").status_code == 302
    assert not client.get("/auth/status").json()["authenticated"]


def test_being_switched_off_acts_at_the_next_request(client, bob):
    client.force_login(bob)
    User.objects.filter(pk=bob.pk).update(is_active=False)

    assert not client.get("/auth/status").json()["authenticated"]


class TestSettings:
    def test_config_yaml_goes_before_the_environment(self, tmp_path):
        auth = AuthConfig(
            google_client_id="yaml-id",
            google_client_secret="yaml-secret",
            jwt_secret="yaml-jwt",
            redirect_uri="https://yaml.example/auth/callback",
        )
        environment = {
            "GOOGLE_CLIENT_ID": "env-id",
            "GOOGLE_CLIENT_SECRET": "env-secret",
            "JWT_SECRET": "env-jwt",
            "OAUTH_REDIRECT_URI": "https://env.example/auth/callback",
        }

        both, alone = configured(tmp_path, auth, **environment), configured(tmp_path, None, **environment)

        assert both.social_auth["SOCIAL_AUTH_GOOGLE_KEY"] == "yaml-id"
        assert both.jwt_secret == "yaml-jwt"
        assert both.redirect_uri == "https://yaml.example/auth/callback"
        assert alone.social_auth["SOCIAL_AUTH_GOOGLE_SECRET"] == "env-secret"
        assert alone.jwt_secret == "env-jwt"
        assert alone.redirect_uri == "https://env.example/auth/callback"

    def test_without_any_google_is_off_and_a_secret_is_made_once(self, tmp_path):
        first, second = configured(tmp_path), configured(tmp_path)

        assert not first.with_google
        assert first.jwt_secret == second.jwt_secret
        assert len(first.jwt_secret) >= 50
        assert first.google_endpoint == "https://accounts.google.com"

    @pytest.mark.parametrize("name", ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"])
    def test_half_of_google_is_none(self, tmp_path, name):
        assert not configured(tmp_path, None, **{name: "x"}).with_google

    def test_secrets_do_not_show_when_printed(self, tmp_path):
        shown = repr(configured(tmp_path, None, GOOGLE_CLIENT_ID="id", GOOGLE_CLIENT_SECRET="hush", JWT_SECRET="hush"))

        assert "hush" not in shown

    @pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://localhost:9/", "https://accounts.example"])
    def test_another_endpoint(self, tmp_path, address):
        assert configured(tmp_path, None, GOOGLE_OIDC_ENDPOINT=address).google_endpoint == address.rstrip("/")

    @pytest.mark.parametrize("address", ["http://accounts.example", "http://10.0.0.1", "accounts.example", "ftp://x"])
    def test_an_endpoint_that_others_could_listen_to(self, tmp_path, address):
        with pytest.raises(ImproperlyConfigured, match="GOOGLE_OIDC_ENDPOINT must be"):
            configured(tmp_path, None, GOOGLE_OIDC_ENDPOINT=address)

    @pytest.mark.parametrize("address", ["/auth/callback", "band.example/auth/callback", "https://*/auth/callback"])
    def test_a_redirect_address_that_is_none(self, tmp_path, address):
        with pytest.raises(ImproperlyConfigured, match="OAUTH_REDIRECT_URI must be"):
            configured(tmp_path, None, OAUTH_REDIRECT_URI=address)

    def test_they_are_frozen(self, tmp_path):
        with pytest.raises(dataclasses.FrozenInstanceError):
            configured(tmp_path).with_google = True
