"""Addresses of our own pages about uploads and jobs. None ends in a slash."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
