from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.doors import Door
from config.api.pagination import PageQuery, page, paged
from config.api.strict import valid
from events.models import Event
from events.serializers import EventQuery, EventSerializer


class Events(Door):
    @extend_schema(parameters=[EventQuery, PageQuery], responses=paged(EventSerializer))
    def get(self, request: Request) -> Response:
        """List history, newest first: of one subject, of one object, or of one type."""
        return Response(page(request, Event.objects.filter(**valid(EventQuery, request)), EventSerializer))
