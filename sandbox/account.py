"""The one account that every key belongs to."""

from sandbox import errors, routes
from sandbox.routes import Call
from sandbox.store import Obj, Store

NAME = "Stripe sandbox"
COUNTRY, CURRENCY = "US", "usd"
NOTHING_DUE: Obj = {
    "alternatives": [],
    "current_deadline": None,
    "currently_due": [],
    "disabled_reason": None,
    "errors": [],
    "eventually_due": [],
    "past_due": [],
    "pending_verification": [],
}


@routes.route("GET", "/v1/account")
def own(call: Call) -> Obj:
    return _account(call.store)


@routes.route("GET", "/v1/accounts/<id>", params="AccountRetrieveParams")
def retrieve(call: Call) -> Obj:
    account = _account(call.store)
    if call.path["id"] != account["id"]:
        message = f"The provided key does not have access to account '{call.path['id']}'."
        raise errors.StripeError(message, status=403, code="account_invalid")
    return account


def _account(store: Store) -> Obj:
    known = store.find("account")
    return known[0] if known else store.put(_made(store))


def _made(store: Store) -> Obj:
    id = f"acct_{store.token(16, series='accounts')}"
    return {
        "id": id,
        "object": "account",
        "business_profile": _business_profile(),
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": COUNTRY,
        "created": store.now(),
        "default_currency": CURRENCY,
        "details_submitted": True,
        "email": "owner@example.com",
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/accounts/{id}/external_accounts",
        },
        "future_requirements": NOTHING_DUE,
        "metadata": {},
        "payouts_enabled": True,
        "requirements": NOTHING_DUE,
        "settings": _settings(),
        "tos_acceptance": {"date": store.now(), "ip": "127.0.0.1", "user_agent": None},
        "type": "standard",
    }


def _business_profile() -> Obj:
    return {
        "annual_revenue": None,
        "estimated_worker_count": None,
        "mcc": "5734",
        "minority_owned_business_designation": None,
        "name": NAME,
        "product_description": None,
        "support_address": None,
        "support_email": None,
        "support_phone": None,
        "support_url": None,
        "url": "https://example.com",
    }


def _settings() -> Obj:
    descriptor = "SANDBOX"
    kana = {"statement_descriptor_prefix_kana": None, "statement_descriptor_prefix_kanji": None}
    return {
        "bacs_debit_payments": {"display_name": None, "service_user_number": None},
        "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
        "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            "statement_descriptor_prefix": None,
        }
        | kana,
        "dashboard": {"display_name": NAME, "timezone": "Etc/UTC"},
        "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": "offer"},
        "payments": {
            "statement_descriptor": descriptor,
            "statement_descriptor_kana": None,
            "statement_descriptor_kanji": None,
        }
        | kana,
        "payouts": {
            "debit_negative_balances": True,
            "schedule": {"delay_days": 2, "interval": "daily"},
            "statement_descriptor": None,
        },
        "sepa_debit_payments": {},
    }
