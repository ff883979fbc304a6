"""Each system check about signing in is raised by the mistake it is about, and only by that."""

import dataclasses

import pytest
from django.core.checks import run_checks
from social_core.pipeline import DEFAULT_AUTH_PIPELINE

from stemset.sign_in_settings import ADMISSION_STEP, PIPELINE


def found() -> dict[str, str]:
    return {message.id: message.msg for message in run_checks() if message.id.startswith("accounts.")}


@pytest.fixture
def sign_in(settings):
    """Change what is configured: Google set up, one address allowed, a long secret."""

    def sign_in(**changes) -> None:
        settings.SIGN_IN = dataclasses.replace(settings.SIGN_IN, **changes)

    social = settings.SIGN_IN.social_auth
    sign_in(
        with_google=True,
        allowed_emails=frozenset({"bob@example.org"}),
        jwt_secret="x" * 32,
        social_auth=social | {"SOCIAL_AUTH_GOOGLE_KEY": "id", "SOCIAL_AUTH_GOOGLE_SECRET": "secret"},
    )
    return sign_in


def test_a_good_installation_has_no_complaints(sign_in):
    assert found() == {}


def test_neither_has_one_without_google(sign_in, settings):
    social = settings.SIGN_IN.social_auth | {"SOCIAL_AUTH_GOOGLE_KEY": "", "SOCIAL_AUTH_GOOGLE_SECRET": ""}
    sign_in(with_google=False, allowed_emails=frozenset(), social_auth=social)

    assert found() == {}


@pytest.mark.parametrize("name", ["SOCIAL_AUTH_PIPELINE", "SOCIAL_AUTH_GOOGLE_PIPELINE"])
@pytest.mark.parametrize(
    "pipeline",
    [
        DEFAULT_AUTH_PIPELINE,  # with the library's auth_allowed, which lets everybody in
        PIPELINE[:-1],
        (*PIPELINE, "social_core.pipeline.user.create_user"),
        (),
    ],
    ids=["the library's own", "without our step", "something after our step", "empty"],
)
def test_a_pipeline_without_our_step_at_its_end(sign_in, settings, name, pipeline):
    setattr(settings, name, pipeline)

    assert set(found()) == {"accounts.E001"}
    assert name in found()["accounts.E001"]


def test_no_pipeline_of_ours_at_all(sign_in, settings):
    del settings.SOCIAL_AUTH_PIPELINE

    assert set(found()) == {"accounts.E001"}


def test_the_shipped_pipeline_ends_with_our_step():
    assert PIPELINE[-1] == ADMISSION_STEP
    assert not any("auth_allowed" in step for step in PIPELINE)


@pytest.mark.parametrize("missing", ["KEY", "SECRET"])
def test_half_of_google(sign_in, settings, missing):
    sign_in(with_google=False, social_auth=settings.SIGN_IN.social_auth | {f"SOCIAL_AUTH_GOOGLE_{missing}": ""})

    assert set(found()) == {"accounts.E002"}


def test_nobody_is_allowed(sign_in):
    sign_in(allowed_emails=frozenset())

    assert set(found()) == {"accounts.W001"}
    assert "only people invited" in found()["accounts.W001"]


@pytest.mark.parametrize(("secret", "ids"), [("x" * 31, {"accounts.W002"}), ("é" * 16, set())])
def test_a_short_secret(sign_in, secret, ids):
    sign_in(jwt_secret=secret)

    assert set(found()) == ids


@pytest.mark.parametrize(
    ("frontend", "backend", "ids"),
    [
        ("https://client.example", "https://api.example", set()),
        ("https://client.example", "http://api.example", {"accounts.W003"}),
        ("https://client.example", "", {"accounts.W003"}),
        ("http://band.example:3000", "http://band.example", set()),
        ("http://localhost:3000", "", set()),
        ("", "http://api.example", set()),
    ],
)
def test_a_cookie_that_browsers_would_drop(sign_in, settings, frontend, backend, ids):
    settings.FRONTEND_URL, settings.BACKEND_URL = frontend, backend

    assert set(found()) == ids
