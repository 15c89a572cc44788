"""The schema tells the truth: every operation, by everybody outside, with good and bad input, answers as it says."""

from __future__ import annotations

import pytest
import schemathesis

from config.api.authentication import Role
from tests.fuzz.operations import OUTSIDE, Tally, as_asked, schema
from tests.shown import Shown
from tests.stripe_side import StripeSide

tally = Tally()


@pytest.mark.slow
@pytest.mark.parametrize("role", OUTSIDE)
@schema.parametrize()
@as_asked
def test_every_operation_answers_as_the_schema_says(case: schemathesis.Case, role: Role, ground: StripeSide) -> None:
    """No 5xx, no undocumented status, no answer of another form."""
    tally.ask(case, role)


@pytest.mark.slow
def test_the_figures_are_shown(shown: Shown) -> None:
    """After the others: how many requests were sent."""
    tally.show(shown)
