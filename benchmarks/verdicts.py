"""What measured numbers say: medians, ratios, goals, and whether the machine was quiet enough to believe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

STEADY = 0.25


class NotHere(Exception):
    """It cannot be measured here, and why."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What was wanted of a number: at least so much, or at most. `found` is None when it was not measured."""

    name: str
    found: float | None
    wanted: float
    at_least: bool = True

    @property
    def verdict(self) -> str:
        """Say pass, FALLS SHORT, or not measured."""
        if self.found is None:
            return "not measured"
        reached = self.found >= self.wanted if self.at_least else self.found <= self.wanted
        return "pass" if reached else "FALLS SHORT"

    @property
    def line(self) -> str:
        """Write it as a row of a table."""
        found = "" if self.found is None else f"{self.found:,.3g}"
        return f"| {self.name} | {'>=' if self.at_least else '<='} {self.wanted:,g} | {found} | {self.verdict} |"


def unstable(rates: Sequence[float]) -> bool:
    """Say whether the yardstick itself varied by more than a quarter between the rounds."""
    return max(rates) > (1 + STEADY) * min(rates)


def ratio(rates: Mapping[str, Sequence[float]], one: str, other: str) -> float | None:
    """Return the ratio of two medians; None when one of them was not measured."""
    if not rates.get(one) or not rates.get(other):
        return None
    return median(rates[one]) / median(rates[other])


def best(rates: Mapping[str, Sequence[float]], names: Sequence[str]) -> str | None:
    """Name the one with the best median of those that were measured."""
    measured = [name for name in names if rates.get(name)]
    return max(measured, key=lambda name: median(rates[name]), default=None)
