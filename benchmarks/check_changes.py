"""A process that changes grants as a worker does: python -m benchmarks.check_changes MANY_A_SECOND | once

It says "ready" and then reads a line at a time. Of many a second: for so many seconds it changes grants of so many
users, fifty in each transaction as a job does, and prints how many it has changed and for how much CPU; of 0 users it
holds back and gives again what they bought, each with its history and in a transaction of its own, as fast as it can.
Of `once`: it takes away what the named user bought, and prints the moment at which the commit had returned by the
machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402  (Django must be set up first)
from django.db.models import F  # noqa: E402

from benchmarks.check_seeds import user  # noqa: E402
from entitlements import grants  # noqa: E402
from entitlements.grants import Source  # noqa: E402
from entitlements.models import Entitlement, SourceType  # noqa: E402
from events import clock  # noqa: E402

TOGETHER, FEATURE = 50, "export"
# Of these nobody asks, and nothing else is taken away.
FIRST_TURNED = 4000


def change(wanted: int, seconds: float, users: int) -> dict[str, float]:
    """Let a grant of so many users a second end later; of the first `users`, who are spread as names in a table are."""
    step = users // TOGETHER
    began, changed, number = time.monotonic(), 0, 0
    while (now := time.monotonic()) < began + seconds:
        if (ahead := changed / wanted - (now - began)) > 0:
            time.sleep(ahead)
            continue
        names = [user(number % step + place * step) for place in range(TOGETHER)]
        with transaction.atomic():
            rows = Entitlement.objects.filter(user_id__in=names, feature_id=FEATURE)
            changed += rows.update(ends_at=F("ends_at") + timedelta(seconds=1))
        number += 1
    return {"changed": changed, "seconds": time.monotonic() - began}


def turn(seconds: float) -> dict[str, float]:
    """Hold back what one user after the other bought, and give it again."""
    began, changed = time.monotonic(), 0
    while time.monotonic() < began + seconds:
        source = Source(SourceType.SUBSCRIPTION, f"subscription-{FIRST_TURNED + changed // 2:08d}")
        with transaction.atomic():
            if changed % 2:
                grants.resume(source, at=clock.now())
            else:
                grants.suspend(source, reason="paused", at=clock.now())
        changed += 1
    return {"changed": changed, "seconds": time.monotonic() - began}


def revoke(number: int) -> float:
    """Take one away, and return when the commit had returned: before anything is announced."""
    with committed() as moments, transaction.atomic():
        grants.revoke(Source(SourceType.SUBSCRIPTION, f"subscription-{number:08d}"), reason="refund", at=clock.now())
    return moments[0]


@contextmanager
def committed() -> Iterator[list[float]]:
    """Note when each commit of the block returned, by the machine's monotonic clock."""
    moments: list[float] = []
    connection.ensure_connection()
    own = connection.connection
    commit = own.commit

    def noted() -> None:
        commit()
        moments.append(time.monotonic())

    own.commit = noted
    try:
        yield moments
    finally:
        del own.commit


def main(wanted: str) -> None:
    """Do as each line says."""
    print("ready", flush=True)
    for line in sys.stdin:
        if wanted == "once":
            said: object = revoke(int(line))
        else:
            seconds, users = line.split()
            before = time.process_time()
            made = change(int(wanted), float(seconds), int(users)) if int(users) else turn(float(seconds))
            said = {**made, "cpu": time.process_time() - before}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
