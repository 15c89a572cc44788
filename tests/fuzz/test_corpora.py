"""Every field of every body and header, with everything that has broken readers of input before."""

from __future__ import annotations

from collections import Counter

import pytest
from django.test import Client

from tests.fuzz.corpora import AMOUNTS, JSON_TEXTS, UNICODE, URLS
from tests.fuzz.requests import ABSENT, Asked
from tests.fuzz.sending import CORPORA, IN_BODIES, REQUESTS, names, send
from tests.shown import Shown

told: Counter[str] = Counter()
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::RuntimeWarning")]


def test_the_corpora_are_as_large_as_promised() -> None:
    assert (len(AMOUNTS), len(URLS), len(UNICODE), len(JSON_TEXTS)) == (200, 300, 500, 200)
    assert len({repr(value) for value in UNICODE}) > 450


@pytest.mark.parametrize("field", IN_BODIES, ids=names(IN_BODIES))
@pytest.mark.parametrize("corpus", CORPORA)
def test_no_value_of_any_field_breaks_us(root: Client, field: tuple[Asked, str, str], corpus: str) -> None:
    """No 5xx, and no status that the schema does not name."""
    send(root, field, corpus, told)


# What else is a true answer: to `{}` where whoever asks is the one for whom it is, for a user for whom nothing waits to
# be billed or shared, and to what the buyer, or who was invited, alone may say.
ALSO = {
    "post_customers": {201, 409},
    "post_payment_methods_setup": {201, 409},
    "post_invoices": {409},
    "post_subscription_consent": {403},
    "post_families": {409},
    "post_invitation_accept": {403},
    "post_invitation_decline": {403},
}


@pytest.mark.parametrize("asked", [one for one in REQUESTS if one.body], ids=lambda one: one.id)
def test_no_json_breaks_us(root: Client, asked: Asked) -> None:
    """None of the 200 texts is a good request but `{}` where nothing needs to be said; some name what is absent."""
    path = asked.path.replace("{iso_code}", "QM").replace("{id}", ABSENT)

    answers = [
        root.generic(asked.method, path, text.encode("utf-8"), content_type="application/json") for text in JSON_TEXTS
    ]

    assert {answer.status_code for answer in answers} <= {400, 404} | ALSO.get(asked.id, set())
    named = "errorDetails" if "/ofrep/" in path else "errors"
    assert all(answer.json().get(named) for answer in answers if answer.status_code == 400)
    told["json"] += len(answers)


def test_the_figures_are_shown(shown: Shown) -> None:
    """After the others."""
    assert min(told.values(), default=0) > 0
    fields, operations = len(IN_BODIES), len({asked.id for asked, _, _ in IN_BODIES})
    shown(
        f"corpora over {fields} fields of {operations} operations, in bodies and headers: {dict(told)} requests, no 5xx"
    )
