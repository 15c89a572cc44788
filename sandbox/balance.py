"""The balance: what each movement of money left behind, its fee taken off."""

from sandbox import routes
from sandbox.routes import Call
from sandbox.store import Obj, Store

# Stripe's published price of a card payment in the US; the fixed part is in minor units of any currency.
FEE_PERMILLE, FEE_FIXED = 29, 30
DAYS_PENDING = 2
REPORTING = {"payment_refund": "refund", "refund_failure": "refund_failure", "adjustment": "dispute"}


def card_fee(amount: int) -> int:
    """Give the fee of a charge, half up, never more than the charge."""
    return min((amount * FEE_PERMILLE + 500) // 1000 + FEE_FIXED, amount)


def record(
    store: Store,
    type: str,
    amount: int,
    source: Obj,
    *,
    fee: int = 0,
    description: str | None = None,
    category: str | None = None,
) -> Obj:
    """Write one movement, negative when money leaves, and give it."""
    now = store.now(source.get("customer"))
    details = {"amount": fee, "application": None, "currency": source["currency"], "type": "stripe_fee"}
    return store.put(
        {
            "id": store.new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": now + DAYS_PENDING * 86400,
            "balance_type": "payments",
            "created": now,
            "currency": source["currency"],
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [details | {"description": "Stripe processing fees"}] if fee else [],
            "net": amount - fee,
            "reporting_category": category or REPORTING.get(type, type),
            "source": source["id"],
            "status": "pending",
            "type": type,
        }
    )


@routes.route("GET", "/v1/balance", params="BalanceRetrieveParams")
def retrieve(call: Call) -> Obj:
    now = call.store.now()
    sums: dict[str, dict[str, int]] = {}
    for moved in call.store.find("balance_transaction"):
        kept = sums.setdefault(moved["currency"], {"available": 0, "pending": 0})
        kept["available" if moved["available_on"] <= now else "pending"] += moved["net"]
    return {
        "object": "balance",
        "available": _amounts(sums, "available"),
        "livemode": False,
        "pending": _amounts(sums, "pending"),
        "refund_and_dispute_prefunding": {"available": [], "pending": []},
    }


@routes.route("GET", "/v1/balance_transactions", params="BalanceTransactionListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("type", "source", "currency") if key in call.params}
    found = [_aged(call.store, each) for each in call.store.find("balance_transaction", **equal)]
    return routes.listing(call, found, "/v1/balance_transactions")


@routes.route("GET", "/v1/balance_transactions/<id>", params="BalanceTransactionRetrieveParams")
def retrieve_transaction(call: Call) -> Obj:
    return _aged(call.store, call.store.get("balance_transaction", call.path["id"]))


def _aged(store: Store, moved: Obj) -> Obj:
    return moved | {"status": "available" if moved["available_on"] <= store.now() else "pending"}


def _amounts(sums: dict[str, dict[str, int]], part: str) -> list[Obj]:
    amounts = [
        {"amount": kept[part], "currency": currency, "source_types": {"card": kept[part]}}
        for currency, kept in sorted(sums.items())
    ]
    return amounts or [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]
