"""Conditional requests: an answer that has not changed since it was last fetched is not sent again."""

import hashlib
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from stemset.errors import json_error

# Kept by the browser of one person, and asked for anew every time: access can be taken away.
CACHE_CONTROL = "private, no-cache"
DEPENDS_ON = ("Cookie", "Authorization")
CHANGED = "It has changed since you last fetched it (If-Match, If-Unmodified-Since)."


def etag_of(body: bytes) -> str:
    """Return a strong tag of an answer: equal tags mean equal bytes."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def conditional(request: HttpRequest, answer: HttpResponse, etag: str = "") -> HttpResponse:
    """Return the answer with its tag (made from its bytes, if none is given), or instead of it 304 or 412."""
    answer.headers["ETag"] = etag or etag_of(answer.content)
    instead = get_conditional_response(request, etag=answer.headers["ETag"], response=answer)
    if instead is None or instead is answer:
        return answer
    if instead.status_code == 412:
        return json_error(412, CHANGED)
    return instead


class ConditionalAnswers(APIView):
    """A view whose answers to GET carry a tag and are sent only when they have changed."""

    is_conditional = True

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Say how long an answer may be kept and for whom, and have it judged once it is written."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", CACHE_CONTROL)
        patch_vary_headers(response, DEPENDS_ON)
        if request.method in ("GET", "HEAD") and response.status_code == 200:
            response.add_post_render_callback(partial(conditional, request._request))
        return response
