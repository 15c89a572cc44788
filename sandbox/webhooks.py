"""Which endpoint gets which event, when, and how often: the queue of deliveries and its modes."""

import hashlib
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any

from sandbox import errors
from sandbox.store import Obj, Store

MODES = ("normal", "paused", "drop", "shuffle", "duplicate", "delay")
# Events of one shuffled moment wait this long for each other before they leave in another order.
SHUFFLE_WINDOW = 0.2


@dataclass(frozen=True, slots=True)
class Mode:
    """How events leave.

    `times` is the number of copies for `duplicate`, and for every other mode the number of events it holds for
    (None: until the mode changes).
    """

    mode: str = "normal"
    times: int | None = None
    delay_ms: int = 0
    before_reply: bool = False


# What the header Sandbox-Webhooks asks for the events of one request.
ASKED: ContextVar[Mode | None] = ContextVar("asked", default=None)


def mode_from(wanted: Mapping[str, Any]) -> Mode:
    """Read a mode from a control request; raise Stripe's 400 when it is none."""
    name = str(wanted.get("mode", "normal"))
    if name not in MODES:
        raise errors.invalid(f"Invalid mode: must be one of {', '.join(MODES)}", param="mode")
    times = wanted.get("times")
    return Mode(
        mode=name,
        times=None if times is None else int(times),
        delay_ms=int(wanted.get("delay_ms") or 0),
        before_reply=str(wanted.get("before_reply", "")).lower() in {"true", "1"},
    )


def mode_from_header(header: str) -> Mode:
    """Read `duplicate; times=3; delay_ms=50; before_reply=true`."""
    name, *options = [part.strip() for part in header.split(";")]
    return mode_from({"mode": name} | dict(option.split("=", 1) for option in options if "=" in option))


def set_mode(store: Store, mode: Mode) -> None:
    """Set how events leave from now on; events that a pause held leave with the next mode."""
    with store.transaction():
        store.set_setting("webhook_mode", asdict(mode))
        if mode.mode != "paused":
            for delivery in store.find("_delivery", due_at=None):
                store.put(delivery | {"due_at": time.time()})


def current_mode(store: Store) -> Mode:
    """Give the mode of the running request, else the one that is set."""
    return ASKED.get() or _mode_set(store)


def _mode_set(store: Store) -> Mode:
    return Mode(**store.setting("webhook_mode", {}))


def wanting(store: Store, type: str) -> list[Obj]:
    """Give the enabled endpoints that listen to this type of event, oldest first."""
    endpoints = store.find("webhook_endpoint", status="enabled")
    return [each for each in reversed(endpoints) if any(type_fits(type, asked) for asked in each["enabled_events"])]


def type_fits(type: str, pattern: str) -> bool:
    """Say whether a type is meant by `*`, `charge.*` or its own name."""
    return pattern in {"*", type} or (pattern.endswith(".*") and type.startswith(pattern[:-1]))


def queue(store: Store, event: Obj) -> None:
    """Write one delivery for each endpoint and copy."""
    mode = current_mode(store)
    if mode.mode == "drop":
        _use_up(store, mode)
        return
    copies = (mode.times or 2) if mode.mode == "duplicate" else 1
    for endpoint in wanting(store, event["type"]):
        for _ in range(copies):
            store.put(_delivery(store, event, endpoint, mode))
    if mode.mode not in {"normal", "duplicate"}:
        _use_up(store, mode)


def _delivery(store: Store, event: Obj, endpoint: Obj, mode: Mode) -> Obj:
    number = int(store.setting("deliveries", 0)) + 1
    store.set_setting("deliveries", number)
    return {
        "id": f"_delivery_{number}",
        "object": "_delivery",
        "number": number,
        "event": event["id"],
        "endpoint": endpoint["id"],
        "request": event["request"]["id"],
        "attempts": 0,
        "order": _shuffled(store, number) if mode.mode == "shuffle" else number,
        # A pause holds also what a header wants otherwise.
        "due_at": None if _mode_set(store).mode == "paused" else _due_at(mode),
    }


def _due_at(mode: Mode) -> float | None:
    now = time.time()
    if mode.mode == "paused":
        return None
    if mode.mode == "shuffle":
        window = mode.delay_ms / 1000 or SHUFFLE_WINDOW
        return (now // window + 2) * window
    return now + (mode.delay_ms / 1000 if mode.mode == "delay" else 0)


def _shuffled(store: Store, number: int) -> int:
    digest = hashlib.sha256(f"{store.setting('seed')}:order:{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _use_up(store: Store, mode: Mode) -> None:
    if mode.times is None or ASKED.get() is not None:
        return
    left = mode.times - 1
    following = asdict(mode) | {"times": left} if left > 0 else asdict(Mode(before_reply=mode.before_reply))
    store.set_setting("webhook_mode", following)
