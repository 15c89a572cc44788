"""What one more user takes, in a process and in Valkey: python -m benchmarks.check_memory"""

from __future__ import annotations

import json
import os
import time
import tracemalloc

import django

USERS = 2000


def main() -> None:
    """Keep users of the table as a server keeps them, and count the bytes."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    import redis
    from django.conf import settings

    from benchmarks.check_seeds import user
    from entitlements import facts, packing, shelf
    from entitlements.near import Memory
    from entitlements.shelf import Change

    known = facts.read_many([user(number) for number in range(USERS)])
    packed = {user_id: packing.pack(each) for user_id, each in known.items()}
    memory = Memory(lambda: 10**9)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for user_id, (packet, _shapes) in packed.items():
        # As they come from outside: nothing of them is there already.
        memory.put("".join(list(user_id)), bytes(bytearray(packet)), time.monotonic() + 30)
    after, _ = tracemalloc.get_traced_memory()
    valkey = redis.Redis.from_url(settings.REDIS_URL)
    for user_id, (packet, shapes) in packed.items():
        shelf.here().keep(Change(user_id, packet, 30.0, shapes))
    sizes = [valkey.memory_usage(f"{settings.APP_NAME}:facts:{user_id}") or 0 for user_id in packed]
    print(json.dumps({"process": (after - before) / USERS, "valkey": sum(sizes) / USERS}))


if __name__ == "__main__":
    main()
