"""Every currency that Stripe charges in, as data.

Source: Stripe's page docs.stripe.com/currencies, sections "Supported presentment currencies",
"Zero-decimal", "Three-decimal", "Special cases", "Minimum and maximum charge amounts" (docs/data-sources.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pricing.errors import UnknownCurrency


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TWO_DECIMALS = _codes("""
    usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc
    cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt
    lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln
    qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah uyu uzs wst xcd yer zar
    zmw
""")
_ZERO_DECIMALS = _codes("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
# The last digit must be 0: Stripe's partners settle these to two places.
_THREE_DECIMALS = _codes("bhd jod kwd omr tnd")
# No fractions exist any more, but the API keeps two places for old callers: 5 ISK is sent as 500. UGX also stands on
# Stripe's zero-decimal list; its own special case says to send two places, and that is what is charged.
_WHOLE_IN_HUNDREDTHS = _codes("isk ugx")

# Below these Stripe refuses a charge. They belong to the currency Stripe settles in; we charge and settle in the same.
_MINIMUM_CHARGE = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50,
    "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip

# HUF and TWD have a special case too, but for payouts only: charges carry two decimals.


@dataclass(frozen=True, slots=True)
class Currency:
    """How Stripe counts one currency: a minor unit is `10 ** -exponent`, an amount a multiple of `step`."""

    code: str
    exponent: int
    step: int
    minimum_minor: int | None

    @property
    def smallest_minor(self) -> int:
        """The least that can be charged at all: Stripe's documented minimum, or one step."""
        return self.minimum_minor or self.step


def _all() -> dict[str, Currency]:
    kinds = ((_TWO_DECIMALS, 2, 1), (_ZERO_DECIMALS, 0, 1), (_THREE_DECIMALS, 3, 10), (_WHOLE_IN_HUNDREDTHS, 2, 100))
    return {
        code: Currency(code, exponent, step, _MINIMUM_CHARGE.get(code))
        for codes, exponent, step in kinds
        for code in codes
    }


CURRENCIES: Mapping[str, Currency] = _all()
STEPS: Mapping[int, tuple[str, ...]] = {10: _THREE_DECIMALS, 100: _WHOLE_IN_HUNDREDTHS}


def find(currency: str) -> Currency:
    """Return the currency by its code in any case. Raises UnknownCurrency."""
    try:
        return CURRENCIES[currency.lower()]
    except KeyError:
        raise UnknownCurrency(currency) from None
