"""Fills a peer with what it is asked for: python -m benchmarks.peers.preparation idiomatic|waffle USERS"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta

import django


def main(peer: str, users: int) -> None:
    """Make its tables, and cache what its check reads."""
    os.environ["DJANGO_SETTINGS_MODULE"] = f"benchmarks.peers.{peer}.settings"
    django.setup()
    from django.core.cache import cache
    from django.core.management import call_command

    from benchmarks.check_seeds import user

    call_command("migrate", verbosity=0)
    if peer == "waffle":
        call_command("waffle_flag", "export", create=True, authenticated=True, verbosity=0)
        return
    end = (datetime.now(UTC) + timedelta(days=27)).isoformat()
    limits = {"api_calls": 10_000, "export": None, "reports": None, "storage_gb": 100, "support_level": None}
    grants = {feature: {"limit": limit, "expires_at": end} for feature, limit in limits.items()}
    cache.set_many({f"entitlements:{user(number)}": grants for number in range(users)}, timeout=None)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
