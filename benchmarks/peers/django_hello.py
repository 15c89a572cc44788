"""Django's own least: one view, no middleware. F1, by which what stands in front of a view is compared."""

from __future__ import annotations

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path


def hello(_request: HttpRequest) -> HttpResponse:
    """Say hello."""
    return HttpResponse(b"hello", content_type="text/plain")


urlpatterns = [path("", hello)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[], SECRET_KEY="not used")
application = get_wsgi_application()
