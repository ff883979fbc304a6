"""The WSGI application that gunicorn serves."""

import os
from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.wsgi import get_wsgi_application
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


application: WSGIHandler = get_wsgi_application()
application.request_class = Utf8Request
