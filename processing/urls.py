"""Addresses of our own pages about uploads and jobs. None ends in a slash."""

from django.urls import path

from catalog import converters as _converters  # noqa: F401  # `name` below
from processing import pages, pages_upload

urlpatterns = [
    path("upload/<name:profile_name>", pages_upload.upload, name="upload"),
    path("jobs", pages.jobs, name="jobs"),
    path("jobs/<name:job_id>/cancel", pages.cancel, name="cancel-job"),
    path("jobs/<name:job_id>/retry", pages.retry, name="retry-job"),
]
