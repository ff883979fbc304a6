"""How the API reads requests and writes answers and errors."""

import json
from typing import IO, Any

import orjson
from django.core.exceptions import RequestDataTooBig
from rest_framework import exceptions
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_exception_handler

from stemset.errors import NOTHING_HERE, TOO_LARGE, error_body

SIGN_IN = "Sign in first: nobody is signed in here, or the sign-in has ended."
# What DRF calls errors that belong to no field.
NO_FIELD = {"detail", "non_field_errors", "__all__"}


class TooLarge(exceptions.APIException):
    """The body has more bytes than such a body may have."""

    status_code = 413
    default_detail = TOO_LARGE
    default_code = "too_large"


class JsonParser(JSONParser):
    """JSON by orjson: in UTF-8 whatever the header says, no NaN, no half surrogates, no endless nesting.

    A subclass of DRF's, because only for that DRF minds how large the body may be.
    """

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: dict[str, Any] | None = None
    ) -> Any:
        """Return what the body says. Raises ParseError (400)."""
        try:
            return orjson.loads(stream.read())
        except orjson.JSONDecodeError as error:
            raise exceptions.ParseError(f"The body is not valid JSON: {error}.") from None


class JsonRenderer(BaseRenderer):
    """JSON by orjson: UUIDs and datetimes as they are, never NaN or infinity."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: dict[str, Any] | None = None
    ) -> bytes:
        """Return the bytes of `data`."""
        return b"" if data is None else to_json(data)


def to_json(data: Any) -> bytes:
    """Return `data` as JSON. Integers past 64 bits and deep nesting, which orjson does not know, take a slower way."""
    try:
        return orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        return json.dumps(data, default=str, allow_nan=False, separators=(",", ":")).encode()


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer with `{"detail": text}`; what is wrong with single fields is under `errors`, by the field's name."""
    if isinstance(error, RequestDataTooBig):
        context["request"]._request._mark_post_parse_error()  # nobody tries to read it again
        error = TooLarge()
    answer = rest_exception_handler(error, context)
    if answer is not None:
        answer.data = _told(error, answer, context)
    return answer


def _told(error: Exception, answer: Response, context: dict[str, Any]) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        errors = _by_field(answer.data)
        detail = " ".join(f"{field}: {text}" if field else text for field in errors for text in errors[field])
        of_fields = {field: texts for field, texts in errors.items() if field}
        return error_body(detail, of_fields)
    return error_body(_sentence(error, answer, context))


def _sentence(error: Exception, answer: Response, context: dict[str, Any]) -> str:
    match error:
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return SIGN_IN
        case exceptions.Throttled():
            return f"That was too much at once. Try again in {answer.headers.get('Retry-After', 1)} seconds."
        case exceptions.NotAcceptable():
            return "Answers from here are in JSON (application/json), which the Accept header does not allow."
        case exceptions.UnsupportedMediaType():
            known = " or ".join(parser.media_type for parser in context["view"].parser_classes)
            return f"The body's Content-Type must be {known}."
        case exceptions.APIException():
            return str(error.detail)
    return str(error) or NOTHING_HERE


def _by_field(errors: Any, path: str = "") -> dict[str, list[str]]:
    """Return sentences by the name of their field, `a.b` for one inside another and "" for none."""
    if isinstance(errors, dict):
        parts = [(path if key in NO_FIELD else f"{path}.{key}".strip("."), value) for key, value in errors.items()]
    elif isinstance(errors, list):
        parts = [(path, value) for value in errors]
    else:
        return {path: [str(errors)]}
    found: dict[str, list[str]] = {}
    for where, value in parts:
        for field, texts in _by_field(value, where).items():
            found.setdefault(field, []).extend(texts)
    return found
