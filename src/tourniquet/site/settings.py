"""Django's settings, all from the environment through kernel.settings."""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tourniquet.kernel import settings as environment
from tourniquet.kernel.errors import OperatorError

HOME = environment.home()


def database(url: str, home: Path) -> dict[str, Any]:
    """Django's description of the database that a URL names; SQLite in the home where it is "".

    Raises: OperatorError when the URL is not one that we know.
    """
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(home / "tourniquet.sqlite3"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                    "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-65536; "
                    "PRAGMA mmap_size=268435456; PRAGMA wal_autocheckpoint=64000;"
                ),
            },
        }
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or len(parts.path) < 2:
        raise OperatorError(
            "The database URL is not one that Tourniquet knows.",
            where="TOURNIQUET_DATABASE_URL",
            remedy="Use postgresql://USER:PASSWORD@HOST:PORT/NAME, or unset it for SQLite.",
        )
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or (parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


def secret_key(home: Path) -> str:
    """The key that signs sessions: from the environment, or made once and kept in the home."""
    given = environment.read("TOURNIQUET_SECRET_KEY")
    if given:
        return given
    path = home / "secret-key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
        return path.read_text().strip()


SECRET_KEY = secret_key(HOME)
DEBUG = environment.read("TOURNIQUET_DEBUG") == "1"
ALLOWED_HOSTS = environment.read("TOURNIQUET_ALLOWED_HOSTS").split(",")
DATABASES = {"default": database(environment.read("TOURNIQUET_DATABASE_URL"), HOME)}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "tourniquet.record",
    "tourniquet.directory",
    "tourniquet.patients",
    "tourniquet.pathology",
    "tourniquet.diary",
    "tourniquet.triage",
    "tourniquet.incident",
    "tourniquet.notices",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tourniquet.web.middleware.PageHeaders",
    "tourniquet.web.middleware.Errors",
]
ROOT_URLCONF = "tourniquet.site.urls"
ASGI_APPLICATION = "tourniquet.site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [str(Path(__file__).parent.parent / "web" / "templates")],
        "OPTIONS": {"environment": "tourniquet.web.jinja.environment"},
    }
]
AUTH_USER_MODEL = "directory.SignIn"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "tourniquet.web.errors.csrf_failure"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
STATIC_URL = "/static/"
STATIC_ROOT = None  # nothing is collected: WhiteNoise serves what the package holds
STATICFILES_DIRS = [str(Path(__file__).parent.parent / "web" / "static")]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = False
LOGGING_CONFIG = None
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS: list[str] = []
