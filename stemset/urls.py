"""Every address of the site."""

from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import include, path
from django.views.generic import RedirectView

admin.site.site_header = admin.site.site_title = "Stemset"
admin.site.index_title = "Behind the scenes"
admin.site.unregister(Group)  # access goes by profile, not by group

urlpatterns = [
    path("", include("catalog.urls")),
    path("", include("accounts.urls")),
    path("admin", RedirectView.as_view(url="/admin/"), name="admin-without-slash"),
    path("admin/", admin.site.urls),
]
