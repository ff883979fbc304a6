"""System checks of what an operator gets wrong about signing in. Whatever is wrong, nobody comes in by it."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from accounts.tokens import SHORT_KEY
from stemset.gunicorn import is_loopback_host
from stemset.sign_in_settings import ADMISSION_STEP

PIPELINES = ("SOCIAL_AUTH_PIPELINE", "SOCIAL_AUTH_GOOGLE_PIPELINE")


@register
def check_admission(**_kwargs: Any) -> list[CheckMessage]:
    """No pipeline may lack the step that asks who may come in: the library's own lets everybody in without a list."""
    unguarded = [name for name in PIPELINES if _lets_everybody_in(getattr(settings, name, None))]
    if not hasattr(settings, "SOCIAL_AUTH_PIPELINE"):
        unguarded.append("SOCIAL_AUTH_PIPELINE")
    return [
        Error(
            f"{name} lets everybody in who has a Google account: it does not end with {ADMISSION_STEP}",
            hint=f"End it with {ADMISSION_STEP}, or leave it as it is shipped.",
            id="accounts.E001",
        )
        for name in unguarded
    ]


def _lets_everybody_in(pipeline: Any) -> bool:
    return pipeline is not None and (not pipeline or pipeline[-1] != ADMISSION_STEP)


@register
def check_google(**_kwargs: Any) -> list[CheckMessage]:
    """Google wants both, a name and a secret."""
    client_id = settings.SIGN_IN.social_auth["SOCIAL_AUTH_GOOGLE_KEY"]
    if bool(client_id) == bool(settings.SIGN_IN.social_auth["SOCIAL_AUTH_GOOGLE_SECRET"]):
        return []
    there, missing = ("ID", "SECRET") if client_id else ("SECRET", "ID")
    return [
        Error(
            f"GOOGLE_CLIENT_{there} is set without GOOGLE_CLIENT_{missing}: nobody can sign in with Google",
            hint="Set both, or neither.",
            id="accounts.E002",
        )
    ]


@register
def check_allowlist(**_kwargs: Any) -> list[CheckMessage]:
    """An empty list is not a mistake, but may be a surprise."""
    if not settings.SIGN_IN.with_google or settings.SIGN_IN.allowed_emails:
        return []
    return [
        Warning(
            "Google is set up, but config.yaml allows no address: only people invited in the admin can sign in",
            hint="Name addresses under auth.allowed_emails, or invite people and silence this check.",
            id="accounts.W001",
        )
    ]


@register
def check_jwt_secret(**_kwargs: Any) -> list[CheckMessage]:
    """A short secret still works, because a band may have it for years; but it can be guessed."""
    if len(settings.SIGN_IN.jwt_secret.encode()) >= SHORT_KEY:
        return []
    return [
        Warning(
            f"JWT_SECRET is shorter than {SHORT_KEY} bytes, and whoever guesses it can make tokens",
            hint="Choose a longer one (everybody then signs in anew), or unset it: one is made and kept in var/.",
            id="accounts.W002",
        )
    ]


@register
def check_cookie(**_kwargs: Any) -> list[CheckMessage]:
    """A cookie for a client on another host must be sent over TLS, or browsers drop it."""
    client, server = urlsplit(settings.FRONTEND_URL), urlsplit(settings.BACKEND_URL)
    if not client.hostname or is_loopback_host(client.hostname) or client.hostname == server.hostname:
        return []
    if server.scheme == "https":
        return []
    return [
        Warning(
            f"The client is on another host ({client.hostname}), so browsers keep its cookie only if this server "
            "is reached over https, and BACKEND_URL does not say so",
            hint="Set BACKEND_URL to the https:// address of this server.",
            id="accounts.W003",
        )
    ]
