"""What a corpus is sent to, and what an answer must be like."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.test import Client

from tests.books import forget_snapshots
from tests.fuzz.corpora import AMOUNTS, UNICODE, URLS
from tests.fuzz.requests import Asked, all_requests

REQUESTS, SCHEMAS = all_requests()
FIELDS = [(asked, where, name) for asked in REQUESTS for where, name in asked.fields(SCHEMAS)]
# Two files share them, so that two workers do.
IN_ADDRESSES = [field for field in FIELDS if field[1] in {"path", "query"}]
IN_BODIES = [field for field in FIELDS if field not in IN_ADDRESSES]
CORPORA = {"amounts": AMOUNTS, "urls": URLS, "unicode": UNICODE}
AMOUNT_FIELDS = {"amount", "base_price", "requested", "limit", "offset", "pricing_multiplier"}
# What staff gave anna, and said of her, is read whole with each of her answers: hundreds would make every one slow.
PILES = """
    DELETE FROM entitlements_override;
    DELETE FROM entitlements_entitlement WHERE source_type = 'manual';
"""
AT_ONCE = 50
# `./farebox fuzz` sends every value to every field; the tests all of a field's own kind, and a tenth of the others.
EVERYTHING = "FUZZ_EXAMPLES" in os.environ


def _is_of(corpus: str, name: str) -> bool:
    kind = "amounts" if name in AMOUNT_FIELDS else "urls" if name.endswith("_url") else "unicode"
    return corpus == kind


def _sample(corpus: str, seed: str) -> list[Any]:
    return CORPORA[corpus][zlib.crc32(seed.encode()) % 10 :: 10]


def _lighten() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(PILES)
    forget_snapshots()


def names(fields: list[tuple[Asked, str, str]]) -> list[str]:
    """Name each field for the report."""
    return [f"{asked.id} {where} {name}" for asked, where, name in fields]


def send(client: Client, field: tuple[Asked, str, str], corpus: str, told: Counter[str]) -> None:
    """Send the values of a corpus in one field. Fails on a 5xx and on a status that the schema does not name."""
    asked, where, name = field
    wrong = []
    values = CORPORA[corpus] if EVERYTHING or _is_of(corpus, name) else _sample(corpus, asked.id + name)
    for number, value in enumerate(values):
        if number % AT_ONCE == 0:
            _lighten()
        answer = asked.send(client, where, name, value)
        if answer.status_code >= 500 or str(answer.status_code) not in asked.schema["responses"]:
            wrong.append((value, answer.status_code, answer.content[:200]))
        if name in AMOUNT_FIELDS - {"pricing_multiplier"} and where == "body" and answer.status_code < 300:
            assert type(value) is int, value
        if name.endswith("_url") and answer.status_code < 300:
            assert value.startswith(tuple(f"{origin}/" for origin in settings.ALLOWED_RETURN_ORIGINS)), value

    assert wrong == []
    told[corpus] += len(values)
