"""Minor units, exponents and Stripe's special currencies (requirements.md, rulings 3 and 4; domain rule 2.3)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pricing import currencies, money
from pricing.errors import UnchargeableAmount, UnknownCurrency
from pricing.money import Money

# Written down a second time, from ISO 4217 and Stripe's exceptions, so that a slip in the table is seen.
WITHOUT_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
WITH_THREE = "BHD JOD KWD OMR TND"


def places(code: str) -> int:
    return 0 if code.upper() in WITHOUT_DECIMALS.split() else 3 if code.upper() in WITH_THREE.split() else 2


@pytest.mark.parametrize("code", sorted(currencies.CURRENCIES))
def test_no_currency_is_charged_a_hundred_times_over(code: str) -> None:
    ten_units = 10 * 10 ** places(code)

    shown = Money(ten_units, code)

    assert Decimal(shown.decimal) == 10
    assert money.exponent(code) == places(code)


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (2999, "usd", "29.99 USD"),
        (5, "USD", "0.05 USD"),
        (500, "jpy", "500 JPY"),
        (5120, "kwd", "5.120 KWD"),
        (500, "isk", "5.00 ISK"),
        (500, "ugx", "5.00 UGX"),
        (1045, "huf", "10.45 HUF"),
        (80045, "twd", "800.45 TWD"),
        (0, "eur", "0.00 EUR"),
    ],
)
def test_money_is_shown_with_its_currency_s_places(minor: int, currency: str, shown: str) -> None:
    assert str(Money(minor, currency)) == shown


def test_every_currency_without_cents_or_with_three_decimals_is_known() -> None:
    by_exponent = {
        exponent: {code.upper() for code, currency in currencies.CURRENCIES.items() if currency.exponent == exponent}
        for exponent in (0, 3)
    }

    assert by_exponent == {0: set(WITHOUT_DECIMALS.split()), 3: set(WITH_THREE.split())}


def test_money_is_stored_in_lower_case_and_never_a_float() -> None:
    assert Money(1, "UsD").currency == "usd"
    with pytest.raises(TypeError):
        Money(29.99, "usd")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Money(True, "usd")


def test_a_currency_that_stripe_does_not_know_is_refused() -> None:
    with pytest.raises(UnknownCurrency, match="'zzz'"):
        Money(1, "zzz")


@pytest.mark.parametrize(
    ("exact", "currency", "rounded"),
    [
        ("20.5", "usd", 21),
        ("20.4999", "usd", 20),
        ("2099.3", "usd", 2099),
        ("479.5", "jpy", 480),
        ("5124", "kwd", 5120),
        ("5125", "kwd", 5130),
        ("149", "isk", 100),
        ("150", "ugx", 200),
    ],
)
def test_halves_round_up_to_what_stripe_can_charge(exact: str, currency: str, rounded: int) -> None:
    assert money.round_half_up(Decimal(exact), currency) == rounded


@pytest.mark.parametrize(("minor", "currency", "step"), [(5124, "kwd", 10), (550, "isk", 100), (550, "ugx", 100)])
def test_an_amount_with_digits_that_stripe_refuses_is_refused(minor: int, currency: str, step: int) -> None:
    with pytest.raises(UnchargeableAmount, match=f"multiple of {step}"):
        money.require_chargeable(Money(minor, currency))


def test_payout_rules_of_huf_and_twd_do_not_bind_charges() -> None:
    assert money.require_chargeable(Money(1045, "huf")).minor == 1045
    assert money.require_chargeable(Money(80045, "twd")).minor == 80045


def test_every_documented_minimum_can_be_charged() -> None:
    for currency in currencies.CURRENCIES.values():
        assert currency.smallest_minor % currency.step == 0
        assert currency.smallest_minor > 0
