"""What a buyer answers to another price: it begins with the next period, and only with his consent.

What is paid stays as it was bought. Without consent nobody is charged more: the price stays, or the subscription ends
with its period (`ZONE_WITHOUT_CONSENT`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog
from django.conf import settings
from django.db.models import Q, QuerySet

from billing import changing, customers, proposals, subscriptions, targets
from billing.errors import AlreadyDecided, BillingError
from billing.idempotency import Asking
from billing.models import Subscription, SubscriptionChange, ZoneCheck
from billing.subscription_errors import NoProposal, NotChangeable
from billing.targets import Line
from billing.transactions import whole
from events import clock
from vault import faults

log = structlog.get_logger("farebox.repricing")
Status = ZoneCheck.Status
CANCEL = "cancel"


def answer(subscription: Subscription, *, accept: bool) -> None:
    """Take the buyer's answer. The same answer may be repeated; the price changes once, with the next period.

    Raises NoProposal, AlreadyDecided, NotChangeable, StripeRefused and StripeUnknown: then the consent stands, and the
    janitor finishes it.
    """
    check = ZoneCheck.objects.filter(subscription=subscription).exclude(proposed=None).order_by("-pk").first()
    if check is None:
        raise NoProposal
    wanted = Status.CONSENTED if accept else Status.DECLINED
    check = whole(_answered)(check, wanted)
    if accept and check.change is None:
        finish(check)
    elif check.to_cancel:
        end(check)


def finish(check: ZoneCheck) -> None:
    """Let Stripe bill the consented price from the next period on. May be repeated: it is asked for once."""
    subscription, quote = check.subscription, check.proposed
    assert subscription  # noqa: S101 (narrows the type)
    assert quote  # noqa: S101
    before = targets.lines_now(subscription)
    after = [Line(one.item, quote if one.main else one.quote, one.quantity, one.main) for one in before]
    made = SubscriptionChange.objects.filter(principal="zone", idempotency_key__startswith=f"{check.pk}:")
    dead = made.filter(Q(status="failed") | Q(status="previewed", expires_at__lte=clock.now())).count()
    change = changing.from_next_period(subscription, after, asking=Asking.of("zone", f"{check.pk}:{dead}", {}))
    ZoneCheck.objects.filter(pk=check.pk).update(change=change)


def end(check: ZoneCheck) -> None:
    """Let a subscription without consent end with the period that is paid. May be repeated."""
    subscription = check.subscription
    assert subscription  # noqa: S101 (narrows the type)
    if subscription.status in Subscription.LIVE:
        subscriptions.cancel(subscription, now=False)
    ZoneCheck.objects.filter(pk=check.pk).update(to_cancel=False)


def settle_due(*, at: datetime) -> int:
    """Close what nobody answered in time, and finish what was answered. Returns how many. May be repeated."""
    done = 0
    for check in _rows().filter(status=Status.PROPOSED, answer_until__lte=at)[:100]:
        done += _tried(partial(whole(_answered), check, Status.LAPSED), check)
    for check in _rows().filter(to_cancel=True)[:100]:
        done += _tried(partial(end, check), check)
    unfinished = _rows().filter(status=Status.CONSENTED, change=None, subscription__status__in=Subscription.LIVE)
    for check in unfinished[:100]:
        done += _tried(partial(finish, check), check)
    return done


def _rows() -> QuerySet[ZoneCheck]:
    return ZoneCheck.objects.select_related("subscription__customer", "proposed").order_by("pk")


def _tried(work: Callable[[], object], check: ZoneCheck) -> bool:
    try:
        work()
    except BillingError as reason:
        log.warning("repricing put off", check=str(check.pk), reason=faults.named(reason))
        return False
    return True


def _answered(check: ZoneCheck, status: ZoneCheck.Status) -> ZoneCheck:
    """Write an answer down, or that there was none. Of two at once one counts."""
    at = clock.now()
    customers.lock(check.payment.customer_id)
    found = _rows().select_for_update(of=("self",)).get(pk=check.pk)
    if found.status == status:
        return found
    subscription, quote = found.subscription, found.proposed
    if subscription and quote and status == Status.CONSENTED and found.status == Status.PROPOSED:
        changing.require_changeable(subscription)
        if subscription.version_id != quote.version_id:
            raise NotChangeable("its plan is another one by now")
    if not found.move_to(status, at=at):
        raise AlreadyDecided(found.status)
    found.to_cancel = status != Status.CONSENTED and settings.ZONE_WITHOUT_CONSENT == CANCEL
    found.decided_by = "nobody" if status == Status.LAPSED else "buyer"
    found.save(update_fields=["to_cancel", "decided_by"])
    proposals.record(found, at=at)
    return found
