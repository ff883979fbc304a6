"""Who may do what: every address, asked by everybody, in one table.

A stranger is anonymous, or somebody whose account is switched off, or whose token has expired or was signed with
another secret. The outsider has a band of their own; member and leader are of demo-band; staff are of no band.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, get_resolver, resolve
from django.utils import timezone

from accounts.authentication import COOKIE
from accounts.models import User, UserProfile
from accounts.tokens import make_personal_token, session_token_id, token_of_session
from catalog.access import Role
from catalog.models import Recording
from processing.uploads.resumable import Upload
from tests.factories import make_job, make_profile, make_recording, make_user, write_files

STRANGERS = ["anonymous", "deactivated", "expired token", "token of another secret"]
PEOPLE = [*STRANGERS, "outsider", "member", "leader", "staff"]
# What is asked, and how a stranger, the outsider, a member, a leader and staff are answered: by a status, or by being
# sent to another address. {recording}, {stem}, {source}, {job} are of demo-band; {hers} is a token of the leader's,
# {upload} an upload that she has begun. config.yaml does not name demo-band, so whoever may upload there gets a 409.
TABLE = """
GET    /                                                    /login        /library      /library  /library  /library
GET    /library                                             /login        200           200       200       200
GET    /library/demo-band                                   /login        404           200       200       200
GET    /library/no-such                                     /login        404           404       404       404
GET    /library/demo-band/x                                 /login        404           200       200       200
GET    /library/demo-band/no-such                           /login        404           404       404       404
GET    /library/demo-band/x/stems.zip                       /login        404           200       200       200
GET    /library/demo-band/no-such/stems.zip                 /login        404           404       404       404
GET    /upload/demo-band                                    /login        404           404       200       200
GET    /upload/no-such                                      /login        404           404       404       404
GET    /media/demo-band/x/vocals.opus                       404           404           200       200       200
GET    /media/demo-band/x/vocals_waveform.png               404           404           200       200       200
GET    /media/demo-band/x/vocals.opus.peaks                 404           404           200       200       200
GET    /media/demo-band/x/no-such                           404           404           404       404       404
GET    /login                                               200           /library      /library  /library  /library
POST   /logout                                              /login        /login        /login    /login    /login
GET    /account                                             /login        200           200       200       200
POST   /account/part                                        /login        /account      /account  /account  /account
POST   /account/tokens                                      /login        200           200       200       200
POST   /account/tokens/{hers}/revoke                        /login        404           404       /account  404
POST   /account/sign-out-everywhere                         /login        /login        /login    /login    /login
GET    /admin                                               /login        /admin/       /admin/   /admin/   /admin/
GET    /admin/                                              /admin/login/ /admin/login/ /admin/login/ /admin/login/ 200
GET    /admin/login/                                        200           200           200       200       /admin/
POST   /admin/logout/                                       /login        /admin/       /admin/   /admin/   /login
GET    /admin/catalog/recording/                            /login        /admin/login/ /admin/login/ /admin/login/ 200
GET    /admin/catalog/importrun/                            /login        /admin/login/ /admin/login/ /admin/login/ 200
GET    /admin/accounts/user/                                /login        /admin/login/ /admin/login/ /admin/login/ 200
GET    /auth/login                                          503           503           503       503       503
GET    /auth/callback                                       503           503           503       503       503
GET    /auth/logout                                         200           200           200       200       200
GET    /auth/status                                         200           200           200       200       200
GET    /auth/picture                                        401           200           200       200       200
POST   /auth/logout-everywhere                              401           200           200       200       200
GET    /api/tokens                                          401           200           200       200       200
POST   /api/tokens                                          401           201           201       201       201
DELETE /api/tokens/{hers}                                   401           404           404       200       404
GET    /api/profiles                                        401           200           200       200       200
GET    /api/profiles/demo-band                              401           404           200       200       200
GET    /api/profiles/no-such                                401           404           404       404       404
GET    /api/profiles/demo-band/files                        401           404           200       200       200
PATCH  /api/profiles/demo-band/files/x/display-name         401           404           200       200       200
GET    /api/profiles/demo-band/members                      401           404           200       200       200
POST   /api/profiles/demo-band/members                      401           404           404       201       201
PATCH  /api/profiles/demo-band/members/{member}             401           404           404       200       200
DELETE /api/profiles/demo-band/members/{member}             401           404           404       200       200
GET    /api/recordings                                      401           200           200       200       200
GET    /api/recordings/{recording}                          401           404           200       200       200
PATCH  /api/recordings/{recording}                          401           404           200       200       200
DELETE /api/recordings/{recording}                          401           404           404       200       200
GET    /api/recordings/{recording}/config                   401           404           404       404       404
PATCH  /api/recordings/{recording}/config                   401           404           200       200       200
GET    /api/recordings/{recording}/practice                 401           404           200       200       200
PATCH  /api/recordings/{recording}/practice                 401           404           200       200       200
GET    /api/stems                                           401           200           200       200       200
GET    /api/stems/{stem}                                    401           404           200       200       200
GET    /api/audio-files                                     401           200           200       200       200
GET    /api/audio-files/{source}                            401           404           200       200       200
POST   /api/upload/demo-band                                401           404           404       409       409
POST   /api/upload/no-such                                  401           404           404       404       404
POST   /api/uploads/demo-band                               401           404           404       400       400
POST   /api/uploads/demo-band/direct                        401           404           404       409       409
POST   /api/uploads/demo-band/direct/parts                  401           404           404       409       409
POST   /api/uploads/demo-band/direct/complete               401           404           404       409       409
POST   /api/uploads/demo-band/direct/abort                  401           404           404       409       409
PATCH  /api/uploads/demo-band/{upload}                      401           404           404       415       404
DELETE /api/uploads/demo-band/{upload}                      401           404           404       204       404
GET    /jobs                                                /login        200           200       200       200
GET    /jobs?profile=demo-band                              /login        404           200       200       200
POST   /jobs/{job}/cancel                                   /login        404           404       /jobs     /jobs
POST   /jobs/{job}/retry                                    /login        404           404       /jobs     /jobs
GET    /admin/processing/job/                               /login        /admin/login/ /admin/login/ /admin/login/ 200
GET    /api/jobs                                            401           200           200       200       200
POST   /api/jobs/{job}/cancel                               401           404           404       200       200
POST   /api/jobs/{job}/retry                                401           404           404       409       409
GET    /api/jobs/a-job                                      401           404           404       404       404
GET    /api/jobs/a-job/status                               401           404           404       404       404
POST   /api/jobs/a-job/complete                             404           404           404       404       404
POST   /api/jobs/a-job/complete/a-token                     404           404           404       404       404
GET    /api/schema                                          401           200           200       200       200
GET    /api/docs                                            /login        200           200       200       200
GET    /api/no-such                                         404           404           404       404       404
"""
ROWS = {f"{method} {path}": cells for method, path, *cells in (line.split() for line in TABLE.strip().splitlines())}
# What people see, in a browser, on their way to Google and back.
GOOGLE = {"/auth/login", "/auth/callback"}
BODIES = {
    "/account/part": {"my_part": "bass"},
    "/account/tokens": {"name": "script"},
    "/api/tokens": {"name": "script"},
    "/display-name": {"display_name": "New"},
    "/api/profiles/demo-band/members": {"email": "new@example.org"},
    "/api/profiles/demo-band/members/{member}": {"role": "leader"},
    "/api/recordings/{recording}": {"display_name": "New"},
    "/config": {"key": "stems", "value": {}},
    "/practice": {"practice": {"speed": 0.8}},
}


@pytest.fixture
def asked_for(db) -> dict[str, Any]:
    """What the addresses of the table stand for."""
    band, other = make_profile("demo-band"), make_profile("other-band")
    recording = make_recording(band, "x", duration=0.1)
    stem = recording.stems.get(stem_type="vocals")
    upload = Upload("0" * 32, "", str(band.pk), "take.wav", 100)
    people = {
        "outsider": make_user("outsider@example.org", profiles=[other]),
        "member": make_user("member@example.org", profiles=[band]),
        "leader": make_user("leader@example.org", profiles=[band]),
        "staff": make_user("staff@example.org", is_staff=True),
        "deactivated": make_user("gone@example.org", profiles=[band]),
    }
    replace(upload, user_id=str(people["leader"].pk)).save()
    upload.path.touch()
    UserProfile.objects.filter(user__in=[people["leader"], people["deactivated"]]).update(role=Role.LEADER)
    return {
        **people,
        "job": make_job(band).pk,
        "recording": recording.pk,
        "stem": stem.pk,
        "source": stem.audio_file_id,
        "hers": make_personal_token(people["leader"], "hers")[0].pk,
        "upload": upload.id,
    }


def signed_in(user: User) -> str:
    """Return a token of a session of that person's."""
    client = Client()
    client.force_login(user)
    session = client.session
    token = token_of_session(session, user)
    session.save()
    return token


def token_for(who: str, asked_for: dict[str, Any], settings: Any) -> str | None:
    """Return the token with which somebody of the table comes."""
    if who == "anonymous":
        return None
    user = asked_for["staff"] if who.endswith(("token", "secret")) else asked_for[who]
    token = signed_in(user)
    if who == "deactivated":
        User.objects.filter(pk=user.pk).update(is_active=False)
    claims = {"sub": str(user.pk), "jti": str(session_token_id(token)), "exp": timezone.now() + timedelta(days=1)}
    if who == "token of another secret":
        return jwt.encode(claims, "another secret, as long as ours has to be", "HS256")
    if who == "expired token":
        return jwt.encode({**claims, "exp": timezone.now() - timedelta(1)}, settings.SIGN_IN.jwt_secret, "HS256")
    return token


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("row", ROWS)
def test_matrix(row, who, asked_for, settings):
    method, path = row.split()
    expected = ROWS[row][max(0, PEOPLE.index(who) - len(STRANGERS) + 1)]
    token = token_for(who, asked_for, settings)
    if path.startswith("/media") or path.endswith(".zip"):
        write_files(Recording.objects.get())
        call_command("make_peaks", stdout=io.StringIO())
    body = next((body for end, body in BODIES.items() if path.endswith(end)), {})
    ids = {name: getattr(thing, "pk", thing) for name, thing in asked_for.items()}
    address = path.format(**ids)
    client = Client()
    if token is not None:
        client.cookies[COOKIE] = token

    if path.startswith(("/api", "/auth")) and method != "GET":
        response = client.generic(
            method, address, data=json.dumps(body), content_type="application/json", headers={"Tus-Resumable": "1.0.0"}
        )
    else:
        response = client.generic(method, address) if method == "GET" else client.post(address, body)
    response.getvalue()  # closes the file

    location = response.headers.get("Location", "").partition("?")[0]
    assert (location if response.status_code == 302 else str(response.status_code)) == expected
    if path.startswith(("/api/", "/auth/")) and response.status_code >= 400 and path not in GOOGLE:
        assert response.json()["detail"]


def test_no_route_is_missing_and_no_cell():
    assert set(all_routes(get_resolver().url_patterns)) - {route_of(row) for row in ROWS} == set()
    assert {len(cells) for cells in ROWS.values()} == {5}


def test_no_method_of_the_api_is_missing():
    asked = {(route_of(row), row.split()[0]) for row in ROWS}
    offered = {
        (route, method)
        for route, pattern in all_routes(get_resolver().url_patterns).items()
        for method in methods(pattern)
    }

    assert offered - asked == set()


def route_of(row: str) -> str:
    """Return the route of a row's address; ids of any value lead to the same."""
    path = row.split()[1]
    for name in ("recording", "stem", "source", "hers", "member", "job", "upload"):
        path = path.replace(f"{{{name}}}", "00000000-0000-4000-8000-000000000000")
    return resolve(path.partition("?")[0]).route if path != "/api/no-such" else ""


def all_routes(patterns: list[Any], prefix: str = "") -> dict[str, URLPattern]:
    """Return all routes except the admin's own, which has one check for all of them."""
    routes: dict[str, URLPattern] = {}
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            routes[route] = pattern
        elif pattern.namespace != "admin":
            routes |= all_routes(pattern.url_patterns, route)
    return routes


def methods(pattern: URLPattern) -> Iterator[str]:
    """Yield the methods that an address of the API answers."""
    view: Any = pattern.callback
    if not hasattr(view, "cls"):
        return
    names = getattr(view, "actions", None) or [name for name in view.cls.http_method_names if hasattr(view.cls, name)]
    yield from (name.upper() for name in names if name not in ("head", "options"))
