from __future__ import annotations

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from config.api.authentication import seconds_left
from config.api.doors import Door
from config.api.permissions import owner, subject
from config.api.strict import valid
from entitlements import snapshot, stream
from entitlements.serializers.stream import StreamQuery

LAST = OpenApiParameter(
    "Last-Event-ID", str, OpenApiParameter.HEADER, description="Of the last event: a change since then is told at once."
)


class EntitlementStream(Door):
    @extend_schema(parameters=[StreamQuery, LAST], responses={(200, "text/event-stream"): OpenApiTypes.STR})
    def get(self, request: Request) -> HttpResponseBase:
        """Tell, within a second, that what a user has is another now: server-sent events `entitlements.changed`.

        Their data is `{user_id, version, catalog}`: ask again for what counts now. The stream ends after five minutes
        or with the token; come back with the id of the last event. 503 when this process has enough streams.
        """
        user_id = valid(StreamQuery, request).get("user_id") or owner(request)
        if user_id is None:
            raise ValidationError({"user_id": "Say which user is meant: the token is a service's or of staff."})
        seen = request.headers.get("Last-Event-ID")
        snapshot.line.open()
        events = stream.changes(subject(request, user_id), seen=seen, seconds=seconds_left(request))
        answer = StreamingHttpResponse(events if request.method == "GET" else (), content_type="text/event-stream")
        # Proxies must pass on what comes when it comes.
        answer["X-Accel-Buffering"] = "no"
        return answer
