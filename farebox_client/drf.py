"""In Django REST framework: `permission_classes = [requires_feature("export")]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from farebox_client.django import decided

if TYPE_CHECKING:
    from rest_framework.views import APIView


def requires_feature(feature_code: str) -> type[BasePermission]:
    """Make a permission: who may not use the feature gets a 403 with the reason's code."""

    class RequiresFeature(BasePermission):
        message = f"{feature_code} is not yours to use."

        def has_permission(self, request: Request, view: APIView) -> bool:
            """Ask Farebox."""
            decision = decided(request, feature_code)
            self.code = decision.reason_code
            return decision.allowed

    return RequiresFeature
