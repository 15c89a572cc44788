"""Every field of every path and query, with everything that has broken readers of input before."""

from __future__ import annotations

from collections import Counter

import pytest
from django.test import Client

from tests.fuzz.requests import Asked
from tests.fuzz.sending import CORPORA, IN_ADDRESSES, names, send
from tests.shown import Shown

told: Counter[str] = Counter()
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::RuntimeWarning")]


@pytest.mark.parametrize("field", IN_ADDRESSES, ids=names(IN_ADDRESSES))
@pytest.mark.parametrize("corpus", CORPORA)
def test_no_value_of_any_field_breaks_us(root: Client, field: tuple[Asked, str, str], corpus: str) -> None:
    """No 5xx, and no status that the schema does not name."""
    send(root, field, corpus, told)


def test_the_figures_are_shown(shown: Shown) -> None:
    """After the others."""
    assert min(told.values(), default=0) > 0
    fields, operations = len(IN_ADDRESSES), len({asked.id for asked, _, _ in IN_ADDRESSES})
    shown(
        f"corpora over {fields} fields of {operations} operations, in paths and queries: {dict(told)} requests, no 5xx"
    )
