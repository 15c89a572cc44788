"""Put right what was recorded wrongly: another row is appended, and nothing is changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection

from entitlements import thresholds, usage
from entitlements.models import UsageEvent
from entitlements.usage_errors import BelowZero, CorrectionRefused, CorrectsACorrection, UnitsWrong
from events import context, history
from events.asking import Asking
from events.ids import uuid7
from events.transactions import whole


def correct(meant: UsageEvent, units: int, *, reason: str, asking: Asking, now: datetime) -> tuple[UsageEvent, bool]:
    """Add `units` to a use, or with less than 0 give them back to the pools that paid; say if this key did so before.

    At most what is left of the use is given back, and a hard limit stands. Raises UnitsWrong, BelowZero,
    CorrectionRefused, CorrectsACorrection, KeyReused.
    """
    if units == 0:
        raise UnitsWrong(units)
    if meant.corrects is not None:
        raise CorrectsACorrection
    if asking.key is None:
        asking = Asking(asking.principal, str(uuid7()), asking.request_hash)
    asking = Asking(asking.principal, f"correction:{asking.key}", asking.request_hash)
    if row := usage.earlier(asking):
        return row, True
    try:
        return _appended(meant, units, reason, asking, now), False
    except IntegrityError:
        if row := usage.earlier(asking):
            return row, True
        raise


@whole
def _appended(meant: UsageEvent, units: int, reason: str, asking: Asking, now: datetime) -> UsageEvent:
    id = uuid7()
    row: list[Any] = [id, asking.principal, asking.key, asking.request_hash, meant.pk, units, now, reason]
    with connection.cursor() as cursor:
        cursor.execute("SELECT entitlements_correct(%s, %s, %s, %s, %s, %s, %s, %s)", row)
        (became,) = cursor.fetchone()
    if became == "below":
        raise BelowZero(units)
    if became == "refused":
        raise CorrectionRefused(units)
    made = UsageEvent.objects.get(pk=id)
    said = {"feature_code": made.feature_id, "units": units, "corrects": str(meant.pk)}
    with context.explained(reason):
        history.record(
            "usage.corrected", subject=history.user(made.user_id), object=f"usage:{made.pk}", at=now, data=said
        )
    thresholds.tell_of(made.user_id, made.feature_id, at=made.at, now=now)
    return made
