"""Routes found by the first word of a path: a hundred of them are not tried one after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver
from django.urls.resolvers import RoutePattern


class ByWord(URLResolver):
    """Routes under one beginning, of which each starts with a word that stands for itself."""

    def __init__(self, beginning: str, routes: Sequence[URLPattern]):
        super().__init__(RoutePattern(beginning), list(routes))
        under: dict[str, list[URLPattern]] = defaultdict(list)
        for route in routes:
            word = str(route.pattern).split("/")[0]
            if not word or "<" in word:
                raise ValueError(f"{route.pattern} starts with no word.")
            under[word].append(route)
        self._beginning = beginning
        self._under = {word: URLResolver(self.pattern, of_word) for word, of_word in under.items()}
        self._tried = [[route] for route in routes]

    def resolve(self, path: Any) -> ResolverMatch:
        """Return what the routes of the path's first word match. Raises Resolver404."""
        rest = str(path).removeprefix(self._beginning)
        found = self._under.get(rest.split("/", 1)[0])
        if found is None or rest == path:
            raise Resolver404({"path": path, "tried": self._tried})
        return found.resolve(path)
