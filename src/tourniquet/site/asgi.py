"""The ASGI application that `tourniquet serve` runs."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from tourniquet.site.threads import ThreadedApplication

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tourniquet.site.settings")
application = ThreadedApplication(get_wsgi_application())
