"""What signing in needs, from config.yaml's `auth` section and the environment."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from stemset.config.schema import AuthConfig
from stemset.env import StrictEnv
from stemset.gunicorn import is_loopback_host
from stemset.origins import origin_of
from stemset.secret_key import stored_secret_key

GOOGLE = "https://accounts.google.com"
# The library finds out who it is; our last step decides whether they may come in. Its own `auth_allowed` is not among
# these: without a list it lets everybody in.
ADMISSION_STEP = "accounts.google.pipeline.admit"
PIPELINE = (
    "social_core.pipeline.social_auth.social_details",
    "social_core.pipeline.social_auth.social_uid",
    ADMISSION_STEP,
)
# Clocks of small machines go wrong by more than the second that the library allows.
CLOCK_DIFFERENCE_SECONDS = 60
GOOGLE_ANSWERS_WITHIN_SECONDS = 5


@dataclass(frozen=True)
class SignIn:
    """How people come in."""

    allowed_emails: frozenset[str]
    first_login_profiles: tuple[str, ...]
    jwt_secret: str = field(repr=False)
    redirect_uri: str
    with_google: bool
    google_endpoint: str
    # Settings of the library that talks to Google, by the names it reads them under.
    social_auth: dict[str, Any] = field(repr=False)


def sign_in_settings(auth: AuthConfig | None, env: StrictEnv, jwt_secret_file: Path) -> SignIn:
    """Return what config.yaml says, else the environment; a JWT secret that nobody chose is made once and kept.

    Raises ImproperlyConfigured for addresses that are none.
    """
    auth = auth or AuthConfig()
    client_id = auth.google_client_id or env.str("GOOGLE_CLIENT_ID", default="")
    client_secret = _secret(auth.google_client_secret) or env.str("GOOGLE_CLIENT_SECRET", default="")
    endpoint = _endpoint(env.str("GOOGLE_OIDC_ENDPOINT", default="") or GOOGLE)
    redirect_uri = auth.redirect_uri or env.str("OAUTH_REDIRECT_URI", default="")
    origin_of("OAUTH_REDIRECT_URI", redirect_uri)  # judges it
    return SignIn(
        allowed_emails=frozenset(email.strip().lower() for email in auth.allowed_emails if email.strip()),
        first_login_profiles=auth.first_login_profiles,
        jwt_secret=_secret(auth.jwt_secret) or env.str("JWT_SECRET", default="") or stored_secret_key(jwt_secret_file),
        redirect_uri=redirect_uri,
        with_google=bool(client_id and client_secret),
        google_endpoint=endpoint,
        social_auth={
            "SOCIAL_AUTH_GOOGLE_KEY": client_id,
            "SOCIAL_AUTH_GOOGLE_SECRET": client_secret,
            "SOCIAL_AUTH_GOOGLE_OIDC_ENDPOINT": endpoint,
            "SOCIAL_AUTH_GOOGLE_JWT_LEEWAY": CLOCK_DIFFERENCE_SECONDS,
            "SOCIAL_AUTH_PIPELINE": PIPELINE,
            "SOCIAL_AUTH_REQUESTS_TIMEOUT": GOOGLE_ANSWERS_WITHIN_SECONDS,
        },
    )


def _endpoint(address: str) -> str:
    """Return where OpenID Connect is spoken. Only this machine may be asked without encryption."""
    parts = urlsplit(address)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(parts.hostname or ""))
    if not origin_of("GOOGLE_OIDC_ENDPOINT", address) or not is_safe:
        raise ImproperlyConfigured(f"GOOGLE_OIDC_ENDPOINT must be an https:// address, not {address!r}.")
    return address.rstrip("/")


def _secret(value: Any) -> str:
    return value.get_secret_value() if value is not None else ""
