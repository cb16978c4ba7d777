"""Django's settings for the downtime desk: a process of its own, with nothing but memory behind it.

Invariants:
- The one database is in memory, one for each thread; no patient's data reaches a disk.
- Sessions are in memory, too: when the desk starts again, everybody signs in again.
- None of the console's addresses is served.
"""

from __future__ import annotations

from datetime import timedelta

from tourniquet.site import settings as console

SECRET_KEY = console.SECRET_KEY
DEBUG = False
ALLOWED_HOSTS = console.ALLOWED_HOSTS
SCRATCH_DATABASE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": ":memory:",
    "CONN_MAX_AGE": None,
    "OPTIONS": {"init_command": "PRAGMA temp_store=MEMORY;"},
}
DATABASES = {"default": SCRATCH_DATABASE}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 2000},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
SESSION_COOKIE_NAME = "desk"
CSRF_COOKIE_NAME = "desk-csrf"
SESSION_COOKIE_AGE = int(timedelta(hours=4).total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "tourniquet.web.desk.errors.csrf_failure"
INSTALLED_APPS = console.INSTALLED_APPS
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tourniquet.web.middleware.PageHeaders",
    "tourniquet.web.desk.errors.DeskErrors",
]
ROOT_URLCONF = "tourniquet.site.desk_urls"
TEMPLATES = console.TEMPLATES
AUTH_USER_MODEL = console.AUTH_USER_MODEL
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
STATIC_URL = console.STATIC_URL
STATIC_ROOT = None
STATICFILES_DIRS = console.STATICFILES_DIRS
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = False
LOGGING_CONFIG = None
DEFAULT_AUTO_FIELD = console.DEFAULT_AUTO_FIELD
