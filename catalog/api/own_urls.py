"""Addresses of our own API, below `/api/`. None ends in a slash."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from catalog.api import docs, viewsets

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("recordings", viewsets.Recordings, basename="api-recording")
router.register("stems", viewsets.Stems, basename="api-stem")
router.register("audio-files", viewsets.AudioFiles, basename="api-audio-file")

urlpatterns = [
    path("schema", docs.Schema.as_view(), name="api-schema"),
    path("docs", docs.docs, name="api-docs"),
    *router.urls,
]
