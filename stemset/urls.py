"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

admin.site.site_header = admin.site.site_title = "Stemset"
admin.site.index_title = "Behind the scenes"

urlpatterns = [
    path("", include("catalog.urls")),
    path("", include("accounts.urls")),
    path("admin/", admin.site.urls),
]
