"""A process of its own that gives and takes away, as a worker of billing does; it says when each commit was.

Its words: how many. It prints a line when all is given, waits for a line, and then prints one for each revocation: the
user, and the moment of the commit by the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import sys

import django

django.setup()

from django.db import transaction  # noqa: E402  (Django must be set up first)

from benchmarks.check_changes import committed  # noqa: E402
from entitlements import grants  # noqa: E402
from entitlements.grants import Source  # noqa: E402
from entitlements.models import SourceType  # noqa: E402
from events import clock  # noqa: E402
from tests.entitlements.nearby import give  # noqa: E402


def revoke(number: int) -> float:
    """Take one away, and return when the commit had returned: before anything is announced."""
    with committed() as moments, transaction.atomic():
        grants.revoke(source(number), reason="refund", at=clock.now())
    return moments[0]


def source(number: int) -> Source:
    return Source(SourceType.MANUAL, f"gift-{number}")


def main(count: int) -> None:
    for number in range(count):
        give(f"user-{number}", source(number), plan_id="small")
    print("given", flush=True)
    sys.stdin.readline()
    for number in range(count):
        print(number, revoke(number), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
