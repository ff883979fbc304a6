"""Every address of the site."""

from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import include, path
from django.views.generic import RedirectView
from procrastinate.contrib.django.models import ProcrastinateJob
from social_django.models import Association, Nonce, UserSocialAuth

from stemset.client_files import routes as client_routes

admin.site.site_header = admin.site.site_title = "Stemset"
admin.site.index_title = "Behind the scenes"
admin.site.unregister(Group)  # access goes by profile, not by group
# Libraries' own; People and Jobs have what staff need of them.
admin.site.unregister([UserSocialAuth, Nonce, Association, ProcrastinateJob])

handler400 = "stemset.errors.bad_request"
handler403 = "stemset.errors.permission_denied"
handler404 = "stemset.errors.not_found"
handler500 = "stemset.errors.server_error"

urlpatterns = [
    # First what is asked most often.
    path("api/", include("catalog.api.urls")),
    path("api/", include("processing.api.urls")),
    path("api/", include("accounts.api_urls")),
    *client_routes(),
    path("", include("catalog.urls")),
    path("", include("processing.urls")),
    path("", include("accounts.urls")),
    path("admin", RedirectView.as_view(url="/admin/"), name="admin-without-slash"),
    path("admin/", admin.site.urls),
]
