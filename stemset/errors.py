"""What people and programs get instead of an answer: `{"detail": …}` from the API, a page from everything else."""

import sys
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

API_PREFIXES = ("/api/", "/auth/")
# When to ask again for what the database could not say just now.
RETRY_SECONDS = 5
NOTHING_HERE = "There is nothing here."
TOO_LARGE = "That is more than can be sent here at once."


def is_api(request: HttpRequest) -> bool:
    """Return whether the asked place speaks JSON."""
    return request.path.startswith(API_PREFIXES) or request.path in ("/api", "/auth")


def error_body(detail: str, errors: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """Return an error as the contract has it: `detail` is shown to the person.

    `errors` says what is wrong with single fields or parameters, sentences by name.
    """
    return {"detail": detail, "errors": errors} if errors else {"detail": detail}


def json_error(status: int, detail: str) -> JsonResponse:
    """Return an answer with such an error, from outside the API's own views."""
    return JsonResponse(error_body(detail), status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400, or 413 to what is too large."""
    too_large = isinstance(exception, RequestDataTooBig)
    if not is_api(request):
        response: HttpResponse = defaults.bad_request(request, exception)
        response.status_code = 413 if too_large else 400
        return response
    if too_large:
        return json_error(413, TOO_LARGE)
    return json_error(400, "This request cannot be understood.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403."""
    if is_api(request):
        return json_error(403, "You may not do that.")
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    if is_api(request):
        return json_error(404, NOTHING_HERE)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 while the database cannot be reached. The log has what happened, the answer has not."""
    # Django calls this while it handles the exception, which it does not pass on.
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return _unavailable(request)
    if is_api(request):
        return json_error(500, "That is our fault, not yours, and it was written to the log. Try again in a moment.")
    return defaults.server_error(request)


def _unavailable(request: HttpRequest) -> HttpResponse:
    if is_api(request):
        response: HttpResponse = json_error(503, "The database cannot be reached just now. Try again in a moment.")
    else:
        response = defaults.server_error(request)
        response.status_code = 503
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
