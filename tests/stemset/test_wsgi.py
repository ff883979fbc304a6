"""Requests that Django itself would break down at before anything could answer them."""

import io
from wsgiref.util import setup_testing_defaults

import pytest

from stemset.wsgi import application

# Django closes old connections around every request: there may be one.
pytestmark = pytest.mark.django_db


def answer(**environment: str) -> tuple[str, bytes]:
    status, _headers, body = whole_answer(**environment)
    return status, body


def answered(method: str) -> tuple[str, dict[str, str], bytes]:
    return whole_answer(REQUEST_METHOD=method)


def whole_answer(**environment: str) -> tuple[str, dict[str, str], bytes]:
    environ = {"wsgi.input": io.BytesIO(), "PATH_INFO": "/api/no-such", "HTTP_HOST": "localhost", **environment}
    setup_testing_defaults(environ)
    heads = []
    body = b"".join(application(environ, lambda *head: heads.append(head)))
    return heads[0][0], dict(heads[0][1]), body


@pytest.mark.parametrize("query", ["q=%FF", "&".join(f"a{number}=" for number in range(2000)), ""])
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=bz2_codec",
        "text/plain; charset=idna",
        "text/plain; charset=undefined",
        "text/plain; charset=utf-16",
        "text/plain; charset=utf-8",
        "text/plain; charset*=x'y",
        "a/b;" + "c=d;" * 10_000,
        "\xff\x00",
    ],
)
def test_an_odd_content_type_is_answered(settings, content_type, query):
    status, body = answer(CONTENT_TYPE=content_type, QUERY_STRING=query)

    assert status == "404 Not Found"
    assert body.startswith(b'{"detail"')


def test_a_head_is_answered_as_a_get_without_its_body():
    got, head = answered("GET"), answered("HEAD")

    assert (head[0], head[1]["Content-Length"]) == (got[0], str(len(got[2])))
    assert (bool(got[2]), head[2]) == (True, b"")
