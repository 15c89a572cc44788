from __future__ import annotations

from typing import Any

from rest_framework import serializers


class Received(serializers.Serializer[Any]):
    received = serializers.BooleanField()
    duplicate = serializers.BooleanField()
