"""The site's own settings, with a clean test environment around them."""

import os

os.environ.setdefault("DATABASE_POOL", "false")
for name in ("STEMSET_BYPASS_AUTH", "DEBUG", "STEMSET_LOCAL_STORAGE", "STEMSET_CONFIG", "R2_ENDPOINT_URL"):
    os.environ.pop(name, None)

from stemset.settings import *  # noqa: E402, F403

SECRET_KEY = "tests"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
