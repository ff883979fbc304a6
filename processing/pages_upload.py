"""The page where recordings are uploaded. What it does is in static/upload.js; what is taken is the API's to judge."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog.access import Action, profile_for
from processing.scanner import EXTENSIONS
from processing.uploads import limits


@require_safe
def upload(request: HttpRequest, profile_name: str) -> HttpResponse:
    """Show where files are chosen or dropped, and what becomes of them."""
    context = {
        "profile": profile_for(request.user, profile_name, Action.UPLOAD),
        "kinds": limits.KINDS,
        "suffixes": ",".join(sorted(EXTENSIONS)),
        "max_bytes": limits.max_bytes(),
    }
    return render(request, "processing/upload.html", context)
