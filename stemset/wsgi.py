"""The WSGI application that gunicorn serves."""

import os
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")


class Utf8Request(WSGIRequest):
    """A request whose text is UTF-8, whatever its Content-Type says.

    Django reads the address with the charset named there while it makes the request, before anything could answer what
    goes wrong then: a charset that is no encoding of text (`bz2_codec`) or a thousand parameters break it down. No
    browser and no client of ours names another one.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            self.content_type, self.content_params = "", {}


class Handler(WSGIHandler):
    """Answers a HEAD as a GET, without the body: Django leaves that to servers, and gunicorn warns about each one."""

    request_class = Utf8Request

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        """Return the answer; its Content-Length tells how long the body would be."""
        response = super().get_response(request)
        if request.method == "HEAD" and isinstance(response, HttpResponse):
            response.content = b""
        return response


django.setup(set_prefix=False)
application = Handler()
