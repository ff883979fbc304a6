"""The page where recordings are uploaded. What it does is in static/upload.js; what is taken is the API's to judge."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_safe

from catalog import bucket_uploads
from catalog.access import Action, profile_for
from processing.models import Job
from processing.scanner import EXTENSIONS
from processing.uploads import limits
from stemset.storage_settings import storage_origins


@require_safe
def upload(request: HttpRequest, profile_name: str) -> HttpResponse:
    """Show where files are chosen or dropped, and what becomes of them."""
    profile = profile_for(request.user, profile_name, Action.UPLOAD)
    mine = Job.objects.filter(profile=profile, uploader=request.user.pk, origin=Job.Origin.UPLOAD)
    context = {
        "profile": profile,
        "under_way": mine.filter(state__in=Job.ACTIVE).count(),
        "kinds": limits.KINDS,
        "suffixes": ",".join(sorted(EXTENSIONS)),
        "max_bytes": limits.max_bytes(),
        "has_bucket": bucket_uploads.possible(),
    }
    # No other page of ours may send anything to the bucket.
    bucket = storage_origins(settings.STORAGES["default"])
    policy = settings.SECURE_CSP | ({"connect-src": ["'self'", *bucket]} if bucket else {})
    return csp_override(policy)(render)(request, "processing/upload.html", context)
