"""The web's entry point."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from config import boot  # noqa: E402  (the checks are known when Django is set up)

boot.refuse_unsafe()
