from __future__ import annotations

import waffle
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class Flag(APIView):
    def get(self, request: Request, name: str) -> Response:
        """Say whether the flag is on for whoever asks."""
        return Response({"flag": name, "is_active": waffle.flag_is_active(request, name)})
