"""Lines 8 and 9: a subscription through the months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from proof import buyer
from proof.expecting import same, true, until
from proof.lines import Figures, line
from proof.person import Person
from proof.run import Run

PLAN = "pro-monthly"
FEATURE = "export"
SECOND = timedelta(seconds=1)
# Stripe finalizes a renewal's invoice an hour after the period ends.
RENEWED = timedelta(hours=2)
# Longer than Stripe tries again and than any grace.
GIVEN_UP = timedelta(days=45)
Answer = dict[str, Any]


@line(8, "A monthly subscription: renewed without a gap; then past due, grace, and gone", needs_sandbox=True)
def renewal(run: Run) -> Figures:
    """Two months pass: the first renewal is paid, the second meets a card that is refused."""
    person = run.new_person("DE")
    subscription, customer = _subscribe(run, person)
    first_end = _moment(subscription["current_period_end"])
    yield f"{subscription['status']}, paid until {first_end:%Y-%m-%d %H:%M:%S}"

    second_end = _renew(run, person, customer, first_end)
    around = (first_end - SECOND, first_end, first_end + SECOND, first_end + RENEWED, second_end - SECOND)
    same("access around the renewal", [True] * len(around), [person.check(FEATURE, at=at)["allowed"] for at in around])
    yield f"a month later: renewed, paid until {second_end:%Y-%m-%d %H:%M:%S}; no gap at {len(around)} moments"

    run.stripe.give_failing_card(customer=customer, subscription=subscription["stripe_id"])
    run.sandbox.move_clock(customer, to=_unix(second_end + RENEWED))
    _until_status(person, "past_due")
    grace_until = _in_grace(person, second_end)
    yield f"another month, a failing card: past_due; in grace until {grace_until:%Y-%m-%d %H:%M:%S}, then no"

    run.sandbox.move_clock(customer, to=_unix(second_end + GIVEN_UP))
    over = _until_status(person, "canceled", "unpaid")
    late = person.check(FEATURE, at=second_end + GIVEN_UP)
    same("access after Stripe has given up", False, late["allowed"])
    yield f"Stripe gives up: {over['status']}, check says {late['reason_code']}"


@line(9, "Cancel at period end: access until that very second, then no", needs_sandbox=True)
def cancel(run: Run) -> Figures:
    """What was paid for is kept, to the last microsecond, before and after the end has come."""
    person = run.new_person("DE")
    subscription, customer = _subscribe(run, person)
    end = _moment(subscription["current_period_end"])
    canceled = person.cancel(subscription["id"])
    same("cancel_at_period_end", True, canceled["cancel_at_period_end"])
    last, first = _around(person, end)
    yield f"canceled at period end, {end:%Y-%m-%d %H:%M:%S}"
    yield f"one microsecond before: {last['allowed']}; at that second: {first['allowed']} ({first['reason_code']})"
    run.sandbox.move_clock(customer, to=_unix(end + RENEWED))
    over = _until_status(person, "canceled")
    _around(person, end)
    yield f"the end has come: {over['status']}, and the same two answers"


def _subscribe(run: Run, person: Person) -> tuple[Answer, str]:
    opened, _ = person.open_checkout(PLAN)
    landing = buyer.pay(opened["url"], card=buyer.GOOD_CARD, country=person.country)
    true("the buyer's way back", landing.paid, f"{landing.url} {landing.alert}", expected="to the success_url")
    subscription = _until_status(person, "active")
    until("access", lambda: person.check(FEATURE), lambda check: bool(check["allowed"]), expected="granted")
    customer = run.stripe.session(opened["stripe_id"]).customer
    return subscription, str(customer)


def _renew(run: Run, person: Person, customer: str, end: datetime) -> datetime:
    run.sandbox.move_clock(customer, to=_unix(end + RENEWED))
    renewed = until(
        "the renewal",
        lambda: person.subscriptions()[0],
        lambda found: _moment(found["current_period_end"]) > end,
        expected=f"a period after {end}",
    )
    same("status after the renewal", "active", renewed["status"])
    same("start of the new period", end, _moment(renewed["current_period_start"]))
    paid = until("payments", person.payments, _both_paid, expected="two, succeeded")
    same("price of the renewal", paid[1]["amount"], paid[0]["amount"])
    return _moment(renewed["current_period_end"])


def _both_paid(payments: list[Answer]) -> bool:
    return [payment["status"] for payment in payments] == ["succeeded", "succeeded"]


def _in_grace(person: Person, end: datetime) -> datetime:
    check = until(
        "check after an unpaid renewal",
        lambda: person.check(FEATURE, at=end + SECOND),
        lambda found: found["reason_code"] == "in_grace",
        expected="in_grace",
    )
    same("access in grace", True, check["allowed"])
    grace_until = _moment(check["grace_until"])
    same("access in the last second of grace", True, person.check(FEATURE, at=grace_until - SECOND)["allowed"])
    same("access after grace", False, person.check(FEATURE, at=grace_until)["allowed"])
    return grace_until


def _around(person: Person, end: datetime) -> tuple[Answer, Answer]:
    last = person.check(FEATURE, at=end - timedelta(microseconds=1))
    first = person.check(FEATURE, at=end)
    same("access one microsecond before the end and at the end", (True, False), (last["allowed"], first["allowed"]))
    return last, first


def _until_status(person: Person, *statuses: str) -> Answer:
    found = until(
        "subscription",
        person.subscriptions,
        lambda rows: len(rows) == 1 and rows[0]["status"] in statuses,
        expected=f"one, {' or '.join(statuses)}",
    )
    return found[0]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _unix(at: datetime) -> int:
    return int(at.timestamp())
