"""The countries of ISO 3166-1: their codes, numbers and names."""

import csv
from functools import lru_cache
from pathlib import Path

TABLE = Path(__file__).with_suffix(".csv")


@lru_cache(maxsize=1)
def names() -> dict[str, str]:
    """Give the name of each two-letter code, by alphabet of the names."""
    return {row["code"]: row["name"] for row in _rows()}


@lru_cache(maxsize=1)
def codes_by_number() -> dict[str, str]:
    """Give the two-letter code of each three-digit number."""
    return {row["number"]: row["code"] for row in _rows()}


def _rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
