"""STEMSET_BYPASS_AUTH signs a local developer in, and nobody else."""

import pytest
from django.core.exceptions import MiddlewareNotUsed

from accounts.bypass import DEVELOPER_EMAIL, BypassAuthMiddleware
from accounts.models import User


@pytest.fixture
def bypass(settings):
    settings.STEMSET_BYPASS_AUTH = True


def test_is_not_there_unless_it_is_asked_for(settings):
    with pytest.raises(MiddlewareNotUsed):
        BypassAuthMiddleware(lambda request: None)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_a_local_developer_is_staff_at_once(bypass, client, db, address):
    response = client.get("/library", REMOTE_ADDR=address)

    assert response.status_code == 200
    assert User.objects.get().email == DEVELOPER_EMAIL
    assert client.get("/admin/").status_code == 200


def test_one_developer_however_many_requests(bypass, client, db):
    for _ in range(3):
        client.get("/library")
        client.cookies.clear()

    assert User.objects.count() == 1


def test_who_is_signed_in_stays_who_they_are(bypass, client, bob):
    client.force_login(bob)

    assert client.get("/library").context["user"] == bob


@pytest.mark.parametrize(
    "request_facts",
    [
        {"REMOTE_ADDR": "192.168.1.20"},
        {"REMOTE_ADDR": "2001:db8::1"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "localhost"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=127.0.0.1"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_REAL_IP": "127.0.0.1"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_HOST": "localhost"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "http"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_VIA": "1.1 proxy"},
    ],
)
def test_nobody_from_elsewhere(bypass, client, db, request_facts):
    assert client.get("/library", **request_facts).status_code == 403
    assert not User.objects.exists()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer garbage"}])
def test_the_api_is_open_to_the_developer_too(bypass, client, db, headers):
    assert client.get("/api/profiles", headers=headers).status_code == 200
    assert client.get("/auth/status", headers=headers).json()["user"]["email"] == DEVELOPER_EMAIL
