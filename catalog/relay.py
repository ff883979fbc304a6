"""Audio of the object store by way of this server, for browsers that may not read the store's answers themselves."""

import logging
from collections.abc import Iterator
from functools import cache

import requests
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

logger = logging.getLogger(__name__)
BLOCK = 64 * 1024
TIMEOUTS = (10, 60)
# What the store judges: it knows the object, we do not.
ASKED = ("Range", "If-Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since")
TOLD = ("Content-Length", "Content-Range", "ETag", "Last-Modified", "Accept-Ranges")
WITH_BODY = (200, 206)
# Who may not list a bucket is told 403 of what is not in it.
MISSING = (403, 404)
WITHOUT_BODY = (304, 412, 416)


def relay(request: HttpRequest, url: str, headers: dict[str, str]) -> HttpResponseBase:
    """Ask the store for what this GET or HEAD asks, at a signed address, and pass its answer on with our `headers`.

    Raises Http404 when it has no such object; answers 502 when it does not answer as it should.
    """
    asked = {name: request.headers[name] for name in ASKED if name in request.headers}
    try:
        # As it is stored: what a Range counts are those bytes.
        answer = _store().request(
            str(request.method),
            url,
            headers=asked | {"Accept-Encoding": "identity"},
            stream=True,
            timeout=TIMEOUTS,
            allow_redirects=False,
        )
    except requests.RequestException:
        logger.exception("The object store cannot be reached.")
        return HttpResponse(status=502)
    headers = headers | {name: answer.headers[name] for name in TOLD if name in answer.headers}
    if answer.status_code in WITH_BODY and request.method == "GET":
        return StreamingHttpResponse(_Body(answer), status=answer.status_code, headers=headers)
    answer.close()
    if answer.status_code in (*WITH_BODY, *WITHOUT_BODY):
        if answer.status_code in WITHOUT_BODY:
            headers.pop("Content-Length", None)  # of what the store had to say about it
        return HttpResponse(status=answer.status_code, headers=headers)
    logger.error("The object store answers %s.", answer.status_code)
    if answer.status_code in MISSING:
        raise Http404("There is no such file.")
    return HttpResponse(status=502)


@cache
def _store() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no password of a .netrc, and the addresses are signed already
    return session


class _Body:
    """The body of an answer, a block at a time. A server closes it also when the browser hangs up."""

    def __init__(self, answer: requests.Response) -> None:
        self.answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self.answer.raw.stream(BLOCK, decode_content=False)

    def close(self) -> None:
        """Let the connection go."""
        self.answer.close()
