"""Addresses for signing in and out, and of one's own account. None ends in a slash but the admin's, which all do."""

from django.contrib import admin
from django.urls import path

from accounts import api, pages
from accounts.google import views as google
from accounts.signing import with_its_token
from accounts.throttle import throttled

urlpatterns = [
    path("login", pages.login, name="login"),
    path("logout", pages.logout, name="logout"),
    # The admin's own, ahead of it: what is true of /login and /logout is true of them.
    path("admin/login/", with_its_token(throttled("password", "POST")(admin.site.login))),
    path("admin/logout/", with_its_token(admin.site.admin_view(admin.site.logout))),
    path("auth/login", google.begin, name="google"),
    path("auth/callback", google.callback, name="google-callback"),
    path("auth/logout", api.Logout.as_view()),
    path("auth/logout-everywhere", api.LogoutEverywhere.as_view()),
    path("auth/status", api.Status.as_view()),
    path("auth/picture", api.OwnPicture.as_view(), name="picture"),
    path("account", pages.account, name="account"),
    path("account/part", pages.choose_part, name="choose-part"),
    path("account/tokens", pages.make_token, name="make-token"),
    path("account/tokens/<uuid:token_id>/revoke", pages.revoke_token, name="revoke-token"),
    path("account/sign-out-everywhere", pages.sign_out_everywhere, name="sign-out-everywhere"),
]
