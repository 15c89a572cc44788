"""What Stripe asks of an amount in each currency (docs.stripe.com/currencies)."""

from sandbox import errors

_ZERO_DECIMAL = """
    bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf
"""
ZERO_DECIMAL = frozenset(_ZERO_DECIMAL.split())
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
# Without decimals since long, yet Stripe still wants them written with two, which must be 00.
WHOLE_IN_TWO = frozenset({"isk", "ugx"})
_TWO_DECIMAL = """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd btn bwp byn bzd cad cdf chf
    cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl hrk htg huf idr ils
    inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mro mru mur mvr mwk mxn myr
    mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sll sos
    srd std stn svc szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd xcg yer zar zmw
"""
TWO_DECIMAL = frozenset(_TWO_DECIMAL.split())
KNOWN = ZERO_DECIMAL | THREE_DECIMAL | TWO_DECIMAL
# The smallest charge, in minor units (docs.stripe.com/currencies: minimum and maximum charge amounts).
SMALLEST = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50,
    "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
LARGEST = 99_999_999


def checked(currency: str, param: str = "currency") -> str:
    """Give the code in small letters; raise Stripe's 400 for one that Stripe does not take."""
    code = currency.lower()
    if code not in KNOWN:
        message = f"Invalid currency: {code}. Stripe currently supports these currencies: {', '.join(sorted(KNOWN))}"
        raise errors.invalid(message, param=param)
    return code


def check_charge(amount: int, currency: str, param: str = "amount") -> None:
    """Raise Stripe's 400 for an amount that cannot be charged."""
    if amount < SMALLEST.get(currency, 1):
        message = f"Amount must be at least {shown(SMALLEST.get(currency, 1), currency)}"
        raise errors.invalid(message, param=param, code="amount_too_small")
    if amount > LARGEST:
        message = f"Amount must be no more than {shown(LARGEST, currency)}"
        raise errors.invalid(message, param=param, code="amount_too_large")
    check_step(amount, currency, param)


def check_step(amount: int, currency: str, param: str = "amount") -> None:
    """Raise Stripe's 400 where the last digits must be zero."""
    step = 100 if currency in WHOLE_IN_TWO else 10 if currency in THREE_DECIMAL else 1
    if amount % step:
        message = f"Invalid amount: amounts in {currency.upper()} must be divisible by {step}."
        raise errors.invalid(message, param=param, code="parameter_invalid_integer")


def shown(amount: int, currency: str) -> str:
    """Write an amount for people: `$9.99 usd` is `9.99 USD` here, for there are no signs for most."""
    places = decimals(currency)
    return f"{amount / 10**places:,.{places}f} {currency.upper()}"


def decimals(currency: str) -> int:
    """Give the number of digits behind the point that Stripe uses."""
    if currency in THREE_DECIMAL:
        return 3
    return 0 if currency in ZERO_DECIMAL - WHOLE_IN_TWO else 2
