"""Which methods a page takes. Elsewhere DRF says so; these answer in the form that the asked place speaks."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from stemset.errors import is_api, json_error


def only_get(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Refuse everything but GET. HEAD too: it would begin or use up a sign-in of which nobody sees anything."""

    @csrf_exempt  # what changes nothing needs no token, and the rest is told that it is not possible
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "GET":
            return view(request, *args, **kwargs)
        if not is_api(request):
            return HttpResponseNotAllowed(["GET"])
        response = json_error(405, f"{request.method} is not possible here.")
        response.headers["Allow"] = "GET"
        return response

    return wrapped
