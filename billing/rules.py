"""Change what money does to access: first see whom it hits, then write it, then let everybody's access follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from billing import customers, facts, payments, policy, subscriptions
from billing.errors import HitsOthers, NoSuchRule
from billing.models import Payment, PolicyRule, Subscription
from billing.policy import Access, Action, Cause, Kind, Rule, Rules, Taken
from billing.transactions import whole
from events import clock, history

BATCH = 500


@dataclass(frozen=True, slots=True)
class Hit:
    """One source whose access a changed rule changes."""

    user_id: str
    object: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.user_id} ({self.object}): {self.before} -> {self.after}"


def preview(kind: Kind, cause: Cause, rule: Rule) -> list[Hit]:
    """List whose access a rule would change, and write nothing. Raises NoSuchRule.

    What was revoked before stays revoked, whatever the rule becomes.
    """
    if (kind, cause) not in policy.DEFAULTS:
        raise NoSuchRule(kind, cause)
    old = policy.rules()
    new = {**old, (kind, cause): rule}
    return list(_hits_on_payments(old, new) if kind is Kind.ONE_TIME else _hits_on_subscriptions(old, new))


def change(kind: Kind, cause: Cause, rule: Rule, *, hits: int, at: datetime) -> PolicyRule:
    """Set a rule, with `hits` the number of sources that it was seen to hit. Access follows by `apply`.

    Raises NoSuchRule, and HitsOthers when it hits more or fewer by now: nothing is written then.
    """
    now = len(preview(kind, cause, rule))
    if now != hits:
        raise HitsOthers(hits, now)
    return _write(kind, cause, rule, hits=hits, at=at)


def apply(*, at: datetime) -> int:
    """Let access follow every changed rule, each source in a transaction of its own. May be repeated, and killed.

    Returns how many sources were looked at.
    """
    count = 0
    for rule in PolicyRule.objects.filter(due=True).order_by("pk"):
        rows = _payments() if rule.kind == Kind.ONE_TIME else _subscriptions()
        for row in rows.iterator(BATCH):
            _follow(row, at=at)
            count += 1
        # Not when it was changed again in the meantime: then it is due once more.
        PolicyRule.objects.filter(pk=rule.pk, updated_at=rule.updated_at).update(due=False)
    return count


@whole
def _write(kind: Kind, cause: Cause, rule: Rule, *, hits: int, at: datetime) -> PolicyRule:
    default = policy.DEFAULTS[kind, cause]
    row, _ = PolicyRule.objects.select_for_update().get_or_create(
        kind=kind, cause=cause, defaults={"action": default.action, "days": default.days}
    )
    before = {"action": row.action, "days": row.days}
    after = {"action": str(rule.action), "days": rule.days}
    if before == after:
        return row
    row.action, row.days, row.due, row.updated_at = rule.action, rule.days, True, clock.now()
    row.save(update_fields=["action", "days", "due", "updated_at"])
    history.record(
        "policy.changed",
        subject="policy:access",
        object=f"policy:{kind}.{cause}",
        at=at,
        data={"before": before, "after": after, "hits": hits},
    )
    return row


@whole
def _follow(row: Payment | Subscription, *, at: datetime) -> None:
    customers.lock(row.customer_id)
    if isinstance(row, Payment):
        payments.give(Payment.objects.select_for_update(of=("self",)).get(pk=row.pk), at=at)
    else:
        subscriptions.entitle(Subscription.objects.select_for_update(of=("self",)).get(pk=row.pk), at=at)


def _payments() -> QuerySet[Payment]:
    """Return the one-time purchases of which a bank or we gave something back, or may."""
    bought = Q(checkout__isnull=False) | Q(quote__isnull=False)
    paid = Payment.objects.filter(bought, status=Payment.Status.SUCCEEDED, subscription=None)
    touched = paid.filter(refunds__isnull=False) | paid.filter(disputes__isnull=False)
    named = Payment.objects.filter(pk__in=touched.values("pk")).select_related("customer")
    return named.prefetch_related("refunds", "disputes").order_by("pk")


def _subscriptions() -> QuerySet[Subscription]:
    return Subscription.objects.filter(status__in=Subscription.LIVE).select_related("customer").order_by("pk")


def _hits_on_payments(old: Rules, new: Rules) -> Iterator[Hit]:
    for payment in _payments().iterator(BATCH):
        told = facts.of(payment)
        before, after = (_said(policy.taken(Kind.ONE_TIME, told, rules)) for rules in (old, new))
        if before != after:
            yield Hit(payment.customer.user_id, f"payment:{payment.pk}", before, after)


def _hits_on_subscriptions(old: Rules, new: Rules) -> Iterator[Hit]:
    for subscription in _subscriptions().iterator(BATCH):
        told, unpaid = facts.of_last(subscription), facts.unpaid(subscription)
        before, after = (_granted(policy.access_of(subscription, told, rules, **unpaid)) for rules in (old, new))
        if before != after:
            yield Hit(subscription.customer.user_id, f"subscription:{subscription.pk}", before, after)


def _said(taken: Taken) -> str:
    match taken.action:
        case Action.REVOKE:
            return f"revoked ({taken.reason})"
        case Action.SUSPEND:
            return f"suspended ({taken.reason})"
    return f"until {taken.ends_at:%Y-%m-%d %H:%M}" if taken.ends_at else "access"


def _granted(access: Access) -> str:
    if access.revoked:
        return f"revoked ({access.revoked})"
    if access.hold:
        return f"suspended ({access.hold})"
    end = access.grace_until or access.ends_at
    return f"until {end:%Y-%m-%d %H:%M}" if end else "nothing yet"
