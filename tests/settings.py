"""The site's own settings, with a clean test environment around them."""

import os

os.environ.setdefault("DATABASE_POOL", "false")
for name in (
    "STEMSET_BYPASS_AUTH",
    "DEBUG",
    "STEMSET_LOCAL_STORAGE",
    "STEMSET_CONFIG",
    "R2_ENDPOINT_URL",
    "R2_TIMEOUT_SECONDS",
    "STEMSET_API_RATE",
    "STEMSET_SIDECARS",
    "FRONTEND_URL",
    "BACKEND_URL",
    "STEMSET_TRUSTED_ORIGINS",
    "STEMSET_CLIENT_DIR",
    "STEMSET_CLIENT_ORIGINS",
    "STEMSET_SENDFILE",
    "STEMSET_RELAY_OBJECTS",
    "STEMSET_REMOTE_SECRET",
    "STEMSET_REMOTE_TIMEOUT_MINUTES",
    "STEMSET_HTTPS",
    "GOOGLE_CLIENT_ID",
    "GOOGLE_CLIENT_SECRET",
    "OAUTH_REDIRECT_URI",
    "JWT_SECRET",
    "GOOGLE_OIDC_ENDPOINT",
):
    os.environ.pop(name, None)

from stemset.settings import *  # noqa: E402, F403

SECRET_KEY = "tests"
# A server of their own, apart from the site's data: conftest.py has it forget about power failures.
if "EMBEDDED_FOLDER" in DATABASES["default"]:  # noqa: F405
    DATABASES["default"]["EMBEDDED_FOLDER"] = str(VAR_DIR / "tests" / "postgres")  # noqa: F405
STATIC_ROOT = VAR_DIR / "test-static"  # noqa: F405
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns about a folder that is not there
# Django's live server answers everything below MEDIA_URL by itself; our own view is to be tested.
MEDIA_URL = "/not-served/"
# Every test comes from the same address.
SIGN_IN_RATES = {"google": "10000/minute", "password": "10000/minute"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
