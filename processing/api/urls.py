"""Addresses of uploads and jobs in the API, below `/api/`. None ends in a slash."""

from django.urls import path

from catalog import converters as _converters  # noqa: F401  # `name` below
from processing.api import callbacks, direct, jobs, resumable, uploads

urlpatterns = [
    path("upload/<name:name>", uploads.Upload.as_view(), name="api-upload"),
    path("uploads/<name:name>", resumable.Uploads.as_view(), name="api-resumable"),
    path("uploads/<name:name>/direct", direct.Uploads.as_view(), name="api-direct"),
    path("uploads/<name:name>/direct/parts", direct.PartsOf.as_view(), name="api-direct-parts"),
    path("uploads/<name:name>/direct/complete", direct.Complete.as_view(), name="api-direct-complete"),
    path("uploads/<name:name>/direct/abort", direct.Abort.as_view(), name="api-direct-abort"),
    path("uploads/<name:name>/<name:upload_id>", resumable.UploadOf.as_view(), name="api-resumable-upload"),
    path("jobs", jobs.Jobs.as_view({"get": "list"}), name="api-jobs"),
    path("jobs/<name:job_id>/cancel", jobs.CancelJob.as_view(), name="api-job-cancel"),
    path("jobs/<name:job_id>/retry", jobs.RetryJob.as_view(), name="api-job-retry"),
    path("jobs/<name:job_id>", jobs.JobOf.as_view(), name="api-job"),
    path("jobs/<name:job_id>/status", jobs.JobStatus.as_view(), name="api-job-status"),
    path("jobs/<name:job_id>/complete", callbacks.JobDone.as_view(), name="api-job-complete"),
    path("jobs/<name:job_id>/complete/<name:token>", callbacks.JobDoneByToken.as_view(), name="api-job-complete-token"),
]
