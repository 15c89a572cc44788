"""Pleasing prices by currency (domain rule 2.3)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing import charm, currencies


@pytest.mark.parametrize(
    ("exact", "currency", "stepped"),
    [
        ("2999", "usd", 2999),
        ("2099.3", "usd", 2099),
        ("1199.6", "usd", 1199),
        ("1199.6", "eur", 1199),
        ("1198.99", "gbp", 1099),
        ("10050", "usd", 10000),
        ("9999", "usd", 9999),
        ("1299", "chf", 1290),
        ("4970", "brl", 4890),
        ("490", "jpy", 480),
        ("1990", "jpy", 1900),
        ("9950", "krw", 9900),
        ("10400", "krw", 10000),
        ("9500", "inr", 8900),
        ("20000", "inr", 19900),
        ("15500", "inr", 14900),
    ],
)
def test_a_price_steps_down_to_its_currency_s_endings(exact: str, currency: str, stepped: int) -> None:
    assert charm.step_down(Decimal(exact), currency) == stepped


@pytest.mark.parametrize(("exact", "currency"), [("120", "usd"), ("98", "usd"), ("250", "jpy"), ("12345", "inr")])
def test_a_step_of_more_than_a_tenth_is_not_taken(exact: str, currency: str) -> None:
    assert charm.step_down(Decimal(exact), currency) == Decimal(exact)


def test_a_currency_without_endings_is_only_rounded() -> None:
    assert charm.step_down(Decimal("1199.6"), "sek") == 1200
    assert charm.step_down(Decimal("5125"), "kwd") == 5130


@given(st.sampled_from(sorted(charm.ENDINGS)), st.integers(1, 10**8), st.integers(0, 10**6))
def test_a_higher_price_never_steps_below_a_lower_one(currency: str, lower: int, more: int) -> None:
    hundredth = Decimal("0.01")

    assert charm.step_down(lower * hundredth, currency) <= charm.step_down((lower + more) * hundredth, currency)


def test_every_ending_is_of_a_currency_that_stripe_takes() -> None:
    assert set(charm.ENDINGS) <= set(currencies.CURRENCIES)
