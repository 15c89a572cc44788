"""Once more: what was given up is tried again, and what was done is looked at again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db.models import QuerySet

from billing import sync, webhooks
from billing.models import WebhookEvent
from billing.transactions import whole
from events import clock, history

Status = WebhookEvent.Status


def chosen(
    *, id: str = "", type: str = "", since: datetime | None = None, dead: bool = False
) -> QuerySet[WebhookEvent]:
    """Return the events that fit everything asked, oldest first. `type` may end in `.*`."""
    rows = WebhookEvent.objects.defer("body")
    if id:
        rows = rows.filter(stripe_id=id)
    if type:
        rows = rows.filter(type__startswith=type[:-1]) if type.endswith(".*") else rows.filter(type=type)
    if since:
        rows = rows.filter(received_at__gte=since)
    if dead:
        rows = rows.filter(status=Status.DEAD)
    return rows.order_by("pk")


def replay(event: WebhookEvent) -> str:
    """Look again at what an event is about, and return the Stripe id; empty when it is about nothing of ours.

    A dead one gets its twelve tries anew. What was ignored is judged by today's table. May be repeated: an event
    means "look again", so nothing is done twice. Raises nothing: what fails is tried again by the sweeper.
    """
    if event.status == Status.DEAD:
        revive(event, at=clock.now())
    named = event.looks_at or (webhooks.read(event.body.encode()).looks_at if event.body else "")
    if named:
        sync.try_look(named)
    return named


@whole
def revive(event: WebhookEvent, *, at: datetime) -> bool:
    """Let a dead event wait again, with all its tries, and say whether this call did it."""
    if not event.move_to(Status.RECEIVED, at=at):
        return False
    event.attempts, event.last_error, event.due_at = 0, "", at
    event.save(update_fields=["attempts", "last_error", "due_at"])
    name = f"webhook:{event.stripe_id}"
    history.record("webhook.replayed", subject=name, object=name, at=at, data={"type": event.type})
    return True


def replay_all(events: QuerySet[WebhookEvent], tell: Callable[[int], object] = lambda _done: None) -> int:
    """Replay each, telling how many are done; return how many objects were looked at: a look serves many."""
    looked: set[str] = set()
    for done, event in enumerate(events.iterator(chunk_size=100), start=1):
        if event.status == Status.DEAD or event.looks_at not in looked:
            looked |= {replay(event)} - {""}
        tell(done)
    return len(looked)
