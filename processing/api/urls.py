"""Addresses of uploads and jobs in the API, below `/api/`. None ends in a slash."""

from django.urls import path

from catalog import converters as _converters  # noqa: F401  # `name` below
from processing.api import callbacks, jobs, uploads

urlpatterns = [
    path("upload/<name:name>", uploads.Upload.as_view(), name="api-upload"),
    path("jobs/<name:job_id>", jobs.JobOf.as_view(), name="api-job"),
    path("jobs/<name:job_id>/status", jobs.JobStatus.as_view(), name="api-job-status"),
    path("jobs/<name:job_id>/complete", callbacks.JobDone.as_view(), name="api-job-complete"),
    path("jobs/<name:job_id>/complete/<name:token>", callbacks.JobDoneByToken.as_view(), name="api-job-complete-token"),
]
