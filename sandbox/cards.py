"""Stripe's test cards as data: what each number does (docs.stripe.com/testing)."""

import hashlib
from dataclasses import dataclass

from sandbox import countries, errors

DECLINED = "Your card was declined."


@dataclass(frozen=True, slots=True)
class Decline:
    """A refusal: Stripe's code, the bank's reason and the sentence for the buyer."""

    code: str = "card_declined"
    decline_code: str | None = "generic_decline"
    message: str = DECLINED
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A test card.

    `decline` refuses every use, `charge_decline` only charges; `authentication` is "", "always" or
    "unless_set_up"; `dispute` and `refund` say what follows a charge or a refund.
    """

    number: str
    brand: str = "visa"
    country: str = "US"
    funding: str = "credit"
    decline: Decline | None = None
    charge_decline: Decline | None = None
    authentication: str = ""
    dispute: str | None = None
    refund: str = ""

    @property
    def last4(self) -> str:
        """Give the digits that people see."""
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        """Give what is the same for every use of one number."""
        return hashlib.sha256(f"card {self.number}".encode()).hexdigest()[:16]


INSUFFICIENT = Decline(decline_code="insufficient_funds", message="Your card has insufficient funds.")
EXPIRED = Decline("expired_card", None, "Your card has expired.")
WRONG_CVC = Decline("incorrect_cvc", None, "Your card's security code is incorrect.")
TROUBLE = Decline("processing_error", None, "An error occurred while processing your card. Try again in a little bit.")
# An off-session charge that the bank wants the buyer to confirm.
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
TOO_OFTEN = Decline(
    decline_code="card_velocity_exceeded",
    message="Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
)

KNOWN = {
    card.number: card
    for card in (
        Card("4242424242424242"),
        Card("4000056655665556", funding="debit"),
        Card("5555555555554444", brand="mastercard"),
        Card("2223003122003222", brand="mastercard"),
        Card("5200828282828210", brand="mastercard", funding="debit"),
        Card("5105105105105100", brand="mastercard", funding="prepaid"),
        Card("378282246310005", brand="amex"),
        Card("371449635398431", brand="amex"),
        Card("6011111111111117", brand="discover"),
        Card("6011000990139424", brand="discover"),
        Card("3056930009020004", brand="diners"),
        Card("36227206271667", brand="diners"),
        Card("3566002020360505", brand="jcb", country="JP"),
        Card("3530111333300000", brand="jcb", country="JP"),
        Card("6200000000000005", brand="unionpay", country="CN"),
        Card("4000000000000077"),
        Card("4000000000003720"),
        Card("4000000000000002", decline=Decline()),
        Card("4000000000009995", decline=INSUFFICIENT),
        Card("4000000000009987", decline=Decline(decline_code="lost_card")),
        Card("4000000000009979", decline=Decline(decline_code="stolen_card")),
        Card("4000000000000069", decline=EXPIRED),
        Card("4000000000000127", decline=WRONG_CVC),
        Card("4000000000000119", decline=TROUBLE),
        Card("4000000000006975", decline=TOO_OFTEN),
        Card("4100000000000019", charge_decline=Decline(decline_code="fraudulent", blocked=True)),
        Card("4000000000000341", charge_decline=Decline()),
        Card("4000002500003155", authentication="unless_set_up"),
        Card("4000002760003184", authentication="always"),
        Card("4000000000003220", authentication="always"),
        Card("4000000000003063", authentication="always"),
        Card("4000003800000446", authentication="on_session"),
        Card("4000008260003178", authentication="always", charge_decline=INSUFFICIENT),
        Card("4000008400001629", authentication="always", charge_decline=Decline()),
        Card("4000000000000259", dispute="fraudulent"),
        Card("4000000000002685", dispute="product_not_received"),
        Card("4000000000001976", dispute="general"),
        Card("4000000000007726", refund="pending"),
        Card("4000000000005126", refund="fails"),
    )
}

# The names that Stripe gives to these numbers in tests: pm_card_<name>, tok_<name>.
TOKENS = {
    "visa": "4242424242424242",
    "visa_debit": "4000056655665556",
    "mastercard": "5555555555554444",
    "mastercard_debit": "5200828282828210",
    "mastercard_prepaid": "5105105105105100",
    "amex": "378282246310005",
    "discover": "6011111111111117",
    "diners": "3056930009020004",
    "jcb": "3566002020360505",
    "unionpay": "6200000000000005",
    "bypassPending": "4000000000000077",
    "chargeDeclined": "4000000000000002",
    "chargeDeclinedInsufficientFunds": "4000000000009995",
    "chargeDeclinedLostCard": "4000000000009987",
    "chargeDeclinedStolenCard": "4000000000009979",
    "chargeDeclinedExpiredCard": "4000000000000069",
    "chargeDeclinedIncorrectCvc": "4000000000000127",
    "chargeDeclinedProcessingError": "4000000000000119",
    "chargeDeclinedVelocityLimitExceeded": "4000000000006975",
    "chargeDeclinedFraudulent": "4100000000000019",
    "chargeCustomerFail": "4000000000000341",
    "authenticationRequired": "4000002760003184",
    "authenticationRequiredOnSetup": "4000002500003155",
    "authenticationRequiredSetupForOffSession": "4000003800000446",
    "authenticationRequiredChargeDeclinedInsufficientFunds": "4000008260003178",
    "threeDSecure2Required": "4000000000003220",
    "threeDSecureRequired": "4000000000003063",
    "threeDSecureRequiredChargeDeclined": "4000008400001629",
    "createDispute": "4000000000000259",
    "createDisputeProductNotReceived": "4000000000002685",
    "createDisputeInquiry": "4000000000001976",
    "pendingRefund": "4000000000007726",
    "refundFail": "4000000000005126",
}


def by_number(number: str) -> Card:
    """Find what a number does; raise Stripe's 402 for one that no bank could have given out.

    400000, a country's three ISO digits and any rest with a right check digit is a good Visa of that country: the
    pattern of Stripe's own list, and so there is one for the countries that Stripe's list leaves out.
    """
    digits = number.replace(" ", "").replace("-", "")
    if digits in KNOWN:
        return KNOWN[digits]
    if not digits.isdigit() or not 12 <= len(digits) <= 19 or not _luhn(digits):
        raise errors.card_declined(
            "Your card number is incorrect.", code="incorrect_number", param="number", keeps=False
        )
    country = countries.codes_by_number().get(digits[6:9])
    if digits.startswith("400000") and len(digits) == 16 and country:
        return Card(digits, country=country)
    message = "Your card was declined. Your request was in test mode, but used a non test card."
    raise errors.card_declined(message, decline_code="test_mode_live_card", keeps=False)


def by_token(token: str) -> Card | None:
    """Find the card of `pm_card_visa`, `tok_visa`, `pm_card_in` (any country) and their like."""
    name = token.removeprefix("pm_card_").removeprefix("tok_")
    if name == token:
        return None
    if name in TOKENS or name.removeprefix("visa_") in TOKENS:
        return KNOWN[TOKENS.get(name) or TOKENS[name.removeprefix("visa_")]]
    numbers = {code.lower(): digits for digits, code in countries.codes_by_number().items()}
    return visa_of(numbers[name]) if name in numbers else None


def visa_of(country_number: str) -> Card:
    """Make a good Visa of the country with this ISO number."""
    digits = f"400000{country_number}000000"
    number = next(digits + str(last) for last in range(10) if _luhn(digits + str(last)))
    return by_number(number)


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(each - 9 if each > 9 else each for each in doubled) % 10 == 0
