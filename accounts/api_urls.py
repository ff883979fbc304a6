"""Addresses of the API about people, below /api. None ends in a slash."""

from django.urls import path

from accounts import api
from catalog import converters as _converters  # noqa: F401  # `name` below

urlpatterns = [
    path("tokens", api.Tokens.as_view()),
    path("tokens/<uuid:token_id>", api.OneToken.as_view()),
    path("profiles/<name:name>/members", api.Members.as_view()),
    path("profiles/<name:name>/members/<uuid:user_id>", api.OneMember.as_view()),
]
