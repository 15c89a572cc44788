"""An answer with the little that it needs: DRF's own is first an empty page of HTML, made from a template."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Any

from django.http.response import ResponseHeaders
from rest_framework.response import Response

from config.api.strict import Plain

SHORT = Plain()
JSON = {"content-type": ("Content-Type", SHORT.media_type)}
# What no two answers hold each for themselves.
ALIKE = {name: value for name, value in vars(Response()).items() if value is None or isinstance(value, bool)}


class Answer(Response):
    """DRF's response to a question that is answered often: JSON, and nothing but `data` in it."""

    def __init__(self, data: Any, status: int = 200):
        self.__dict__.update(ALIKE)
        self.data, self.status_code = data, status
        self.headers = ResponseHeaders.__new__(ResponseHeaders)
        self.headers._store = JSON.copy()
        self.cookies: SimpleCookie = SimpleCookie()
        self._resource_closers: list[Any] = []
        self._post_render_callbacks: list[Any] = []
        self._container = [b""]

    _is_rendered: bool

    @property
    def rendered_content(self) -> bytes:  # type: ignore[override]
        """Write `data` as JSON."""
        return SHORT.render(self.data)

    def render(self) -> Answer:
        """Write it once."""
        if self._is_rendered:
            return self
        self._container, self._is_rendered = [self.rendered_content], True
        for callback in self._post_render_callbacks:
            callback(self)
        return self
