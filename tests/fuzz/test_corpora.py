"""Every field of every operation, with everything that has broken readers of input before."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from tests.api import api
from tests.fuzz.corpora import AMOUNTS, JSON_TEXTS, UNICODE, URLS
from tests.fuzz.requests import ABSENT, Asked, all_requests
from tests.shown import Shown
from tests.stripe_side import StripeSide

REQUESTS, SCHEMAS = all_requests()
FIELDS = [(asked, where, name) for asked in REQUESTS for where, name in asked.fields(SCHEMAS)]
CORPORA = {"amounts": AMOUNTS, "urls": URLS, "unicode": UNICODE}
AMOUNT_FIELDS = {"amount", "base_price", "requested", "limit", "offset", "pricing_multiplier"}
# `./farebox fuzz` sends every value to every field; the tests all of a field's own kind, and a tenth of the others.
EVERYTHING = "FUZZ_EXAMPLES" in os.environ
told: Counter[str] = Counter()
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::RuntimeWarning")]


def _is_of(corpus: str, name: str) -> bool:
    kind = "amounts" if name in AMOUNT_FIELDS else "urls" if name.endswith("_url") else "unicode"
    return corpus == kind


def _sample(corpus: str, seed: str) -> list[Any]:
    return CORPORA[corpus][zlib.crc32(seed.encode()) % 10 :: 10]


@pytest.fixture
def root(ground: StripeSide) -> Client:
    client = api("root", "admin")
    client.raise_request_exception = False
    return client


def test_the_corpora_are_as_large_as_promised() -> None:
    assert (len(AMOUNTS), len(URLS), len(UNICODE), len(JSON_TEXTS)) == (200, 300, 500, 200)
    assert len({repr(value) for value in UNICODE}) > 450


@pytest.mark.parametrize(("asked", "where", "name"), FIELDS, ids=[f"{a.id} {w} {n}" for a, w, n in FIELDS])
@pytest.mark.parametrize("corpus", CORPORA)
def test_no_value_of_any_field_breaks_us(root: Client, asked: Asked, where: str, name: str, corpus: str) -> None:
    """No 5xx, and no status that the schema does not name."""
    wrong = []
    values = CORPORA[corpus] if EVERYTHING or _is_of(corpus, name) else _sample(corpus, asked.id + name)
    for value in values:
        answer = asked.send(root, where, name, value)
        if answer.status_code >= 500 or str(answer.status_code) not in asked.schema["responses"]:
            wrong.append((value, answer.status_code, answer.content[:200]))
        if name in AMOUNT_FIELDS - {"pricing_multiplier"} and where == "body" and answer.status_code < 300:
            assert type(value) is int, value
        if name.endswith("_url") and answer.status_code < 300:
            assert value.startswith(tuple(f"{origin}/" for origin in settings.ALLOWED_RETURN_ORIGINS)), value

    assert wrong == []
    told[corpus] += len(values)


# Whoever asks is the one for whom it is.
SAY_NOTHING = {"post_customers", "post_payment_methods_setup"}


@pytest.mark.parametrize("asked", [one for one in REQUESTS if one.body], ids=lambda one: one.id)
def test_no_json_breaks_us(root: Client, asked: Asked) -> None:
    """None of the 200 texts is a good request but `{}` where nothing needs to be said; some name what is absent."""
    path = asked.path.replace("{iso_code}", "QM").replace("{id}", ABSENT)

    answers = [
        root.generic(asked.method, path, text.encode("utf-8"), content_type="application/json") for text in JSON_TEXTS
    ]

    assert {answer.status_code for answer in answers} <= {400, 404} | ({201, 409} if asked.id in SAY_NOTHING else set())
    assert all(answer.json().get("errors") for answer in answers if answer.status_code == 400)
    told["json"] += len(answers)


def test_the_figures_are_shown(shown: Shown) -> None:
    """After the others."""
    fields = len(FIELDS)
    shown(f"corpora over {fields} fields of {len(REQUESTS)} operations: {dict(told)} requests, no 5xx")
