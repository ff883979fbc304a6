"""The OpenAPI schema: valid, complete, and true."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import URLResolver, get_resolver

from catalog.api.docs import openapi_schema
from catalog.api.viewsets import AudioFiles, Recordings, Stems
from tests.factories import make_recording

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema() -> dict:
    return openapi_schema()


def operations(schema: dict) -> list[tuple[str, str, dict]]:
    found = [(path, method, each) for path, item in schema["paths"].items() for method, each in item.items()]
    assert all(method in METHODS for _path, method, _each in found)
    return found


def test_is_valid_and_written_without_a_warning():
    out = io.StringIO()

    call_command("spectacular", validate=True, fail_on_warn=True, stdout=out)

    assert "openapi: 3.1" in out.getvalue()


def test_every_operation_explains_itself(schema):
    for path, method, operation in operations(schema):
        where = f"{method} {path}"
        assert operation.get("summary"), where
        assert not operation["summary"].endswith("."), where
        assert operation.get("description"), where
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), (where, parameter["name"])


def test_every_operation_tells_of_its_errors(schema):
    for path, method, operation in operations(schema):
        where = f"{method} {path}"
        told = set(operation["responses"])
        assert told & {"200", "201", "302"} or told >= {"404", "500"}, where
        assert {"400", "406", "500"} <= told or "302" in told, where
        if "{" in path:
            assert "404" in told, where
        if operation["security"] and {} not in operation["security"]:
            assert "401" in told, where
        if method != "get":
            assert "403" in told, where
        if "requestBody" in operation:
            assert {"413", "415"} <= told, where
        for status, answer in operation["responses"].items():
            assert answer["description"], (where, status)
            if status >= "400" and "content" in answer:
                assert set(answer["content"]) <= {"application/json", "text/html"}, (where, status)


# Pages for people, the ways there and back that a browser takes, and what speaks a protocol with a manual of its own.
DIRECT = "/api/uploads/{name}/direct"
NO_JSON = {
    *("/api/docs", "/auth/login", "/auth/callback", "/api/uploads/{name}", "/api/uploads/{name}/{upload_id}"),
    *(DIRECT, f"{DIRECT}/parts", f"{DIRECT}/complete", f"{DIRECT}/abort"),
}


def test_every_route_is_in_it(schema):
    routes = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", address).replace("{pk}", "{id}")
        for address in addresses(get_resolver().url_patterns)
        if address.startswith(("/api/", "/auth/"))
    }

    assert routes - NO_JSON == set(schema["paths"])


def addresses(patterns, prefix="/") -> Iterator[str]:
    """Yield the addresses of all routes as they are written."""
    for pattern in patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, address)
        else:
            yield address


@pytest.mark.parametrize("viewset", [Recordings, Stems, AudioFiles])
def test_the_manual_names_every_filter_and_order(viewset):
    manual = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text()
    filters = viewset.filterset_class.base_filters

    for name in {*filters, *filters["ordering"].by}:
        assert f"`{name}`" in manual


def test_ways_to_sign_in_are_named(schema):
    schemes = schema["components"]["securitySchemes"]

    assert {scheme["type"] for scheme in schemes.values()} == {"http", "apiKey"}
    assert schema["paths"]["/api/recordings"]["get"]["security"] == [{name: []} for name in schemes]


def test_silence_may_be_null(schema):
    stem = schema["components"]["schemas"]["Stem"]

    assert stem["properties"]["measured_lufs"]["type"] == ["number", "null"]
    assert "measured_lufs" in stem["required"]


@pytest.mark.parametrize(
    ("path", "component"),
    [("/api/recordings", "Recording"), ("/api/stems", "Stem"), ("/api/audio-files", "AudioFile")],
)
@pytest.mark.parametrize("who", ["bob", "alice"])
def test_answers_have_exactly_the_fields_that_it_names(request, asking, schema, demo_band, path, component, who):
    make_recording(demo_band)
    (row, *_) = asking(request.getfixturevalue(who)).get(path).json()["results"]
    told = schema["components"]["schemas"][component]

    assert set(told["required"]) <= set(row) <= set(told["properties"])


def test_is_for_people_who_are_signed_in(asking, bob):
    assert asking(None).get("/api/schema").status_code == 401
    response = asking(bob).get("/api/schema")
    assert response["Content-Type"] == "application/json"
    assert response.json()["openapi"].startswith("3.1")


def test_its_page_leads_strangers_to_the_sign_in(client, db):
    assert client.get("/api/docs")["Location"] == "/login?next=/api/docs"
