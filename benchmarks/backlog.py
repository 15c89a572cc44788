"""How fast a backlog is worked off, and how often Stripe is asked for it, beside Celery with tasks that do nothing.

10,000 events of 1,000 subscriptions of the sandbox: ten of each, its invoice's and its payment's among them, shuffled.
Then 10,000 of a hundred of them, a hundred of each.
The pace of fetches is off: it is Stripe's limit, not ours.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import Any

import httpx
import redis

from benchmarks import arena, load

Named = tuple[str, str]
SUBSCRIPTIONS, TASKS = 1000, 10_000


def measure(place: arena.Arena) -> dict[str, Any]:
    """Measure both, one after the other."""
    return {"celery_per_second": round(_celery(place)), **_drained(place)}


def _drained(place: arena.Arena) -> dict[str, Any]:
    database = str(place.logs / "sandbox.sqlite3")
    words = [sys.executable, "-m", "sandbox", "--port", "0", "--db", database]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=arena.ROOT) as sandbox:
        try:
            assert sandbox.stdout  # noqa: S101
            url = sandbox.stdout.readline().strip().rsplit(" ", 1)[1]
            events = list(_events(url))
            some = _of_some(events)
            # Four events of each subscription in the first heap.
            few = [(type, looks_at) for type, looks_at in events if looks_at in some] * 25
            place = arena.Arena({**place.environment, "STRIPE_API_BASE": url}, place.logs)
            return {"many": _worked_off(place, url, events), "few": _worked_off(place, url, few)}
        finally:
            sandbox.terminate()


def _worked_off(place: arena.Arena, url: str, events: list[Named]) -> dict[str, Any]:
    file = place.logs / "backlog.json"
    file.write_text(json.dumps([load.event(*each) for each in events]))
    words = [sys.executable, "-m", "benchmarks.backlog", str(file)]
    environment = {**place.environment, "STRIPE_FETCHES_PER_SECOND": "0"}
    before = _requests(url)["last"]
    done = subprocess.run(words, cwd=arena.ROOT, env=environment, check=True, capture_output=True, text=True)
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**said, "fetches": sum(one["method"] == "GET" for one in _requests(url, since=before)["data"])}


def _of_some(events: list[Named]) -> set[str]:
    """Name the objects of the first tenth of the subscriptions."""
    named = sorted({looks_at for _, looks_at in events if looks_at.startswith("sub_")})
    return set(named[: max(1, SUBSCRIPTIONS // 10)])


def _events(url: str) -> list[Named]:
    http = httpx.Client(base_url=url, auth=("sk_test_benchmark", ""), timeout=60)

    def post(path: str, **params: Any) -> Any:
        answer = http.post(f"/v1/{path}", data=params)
        answer.raise_for_status()
        return answer.json()

    http.post("/_sandbox/webhooks", json={"mode": "drop"}).raise_for_status()
    price = post(
        "prices", **{"currency": "usd", "unit_amount": 1000, "recurring[interval]": "month", "product_data[name]": "a"}
    )
    events: list[Named] = []
    for _ in range(SUBSCRIPTIONS):
        customer = post("customers")
        card = post("payment_methods/pm_card_visa/attach", customer=customer["id"])["id"]
        made = post(
            "subscriptions",
            customer=customer["id"],
            default_payment_method=card,
            **{"items[0][price]": price["id"], "expand[0]": "latest_invoice.payments"},
        )
        invoice = made["latest_invoice"]
        intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]
        crowd = [("customer.subscription.updated", made["id"], 4), ("invoice.paid", invoice["id"], 3)]
        for type, looks_at, times in [*crowd, ("payment_intent.succeeded", intent, 3)]:
            events += [(type, looks_at)] * times
    random.Random(1).shuffle(events)
    return events


def _requests(url: str, *, since: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/_sandbox/requests", params={"since": since}, timeout=60).json()
    return found


def _celery(place: arena.Arena) -> float:
    """Queue empty tasks, then start a worker as ours is started, and time it from its first to its last."""
    script = (
        "from benchmarks.peers.djstripe_celery.tasks import work\n"
        + f"for number in range({TASKS}): work.delay(number)"
    )
    place = place.apart()
    redis.Redis.from_url(place.environment["REDIS_URL"]).flushdb()
    place.run("-c", script)
    queue = redis.Redis.from_url(place.environment["REDIS_URL"])
    words = ("-m", "celery", "-A", "benchmarks.peers.djstripe_celery.tasks", "worker", "--concurrency", "2")
    full = queue.llen("celery")
    # SIGQUIT: it need not finish what it has taken.
    with place.running("worker", *words, "--without-gossip", "--without-mingle", stop=signal.SIGQUIT):
        while queue.llen("celery") == full:
            time.sleep(0.01)
        began, left = time.perf_counter(), queue.llen("celery")
        while queue.llen("celery"):
            time.sleep(0.01)
        return float(left) / (time.perf_counter() - began)


def drain(file: str) -> None:
    """Store the events, then do the worker's work, and say how fast it was."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    from billing import sync, webhooks
    from billing.models import WebhookEvent

    WebhookEvent.objects.all().delete()
    with open(file) as events:
        count = sum(webhooks.keep(webhooks.read(json.dumps(event).encode())) for event in json.load(events))
    began = time.perf_counter()
    looks = sync.drain()
    seconds = time.perf_counter() - began
    left = WebhookEvent.objects.filter(status__in=WebhookEvent.WAITING).count()
    print(json.dumps({"events": count, "left": left, "looks": looks, "events_per_second": round(count / seconds)}))


if __name__ == "__main__":
    drain(sys.argv[1])
