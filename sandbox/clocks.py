"""Virtual time: the global clock, the test clocks of customers, and what falls due while one of them moves."""

import time
from collections.abc import Callable, Iterable

from sandbox import errors, events
from sandbox.store import Obj, Store

KIND = "test_helpers.test_clock"
Action = Callable[[], object]
Due = tuple[int, Action]
Scheduler = Callable[[Store, str | None], Iterable[Due]]

# A clock that has not come to rest after so many rounds is a mistake in a scheduler.
MOST_ROUNDS = 100_000
# What an action makes due lies at least this far ahead (a draft's hour), so all within it is run from one look.
SOONEST = 3600
SCHEDULERS: list[Scheduler] = []
KINDS_WITH_CLOCK = ("subscription", "invoice", "invoiceitem")


def scheduled(scheduler: Scheduler) -> Scheduler:
    """Register who knows what falls due on a clock (None: the global one) as pairs of moment and action.

    An action looks again whether it is still due, for another may have come before it, and changes what made it due,
    or time would stand still.
    """
    SCHEDULERS.append(scheduler)
    return scheduler


def clock_of(store: Store, customer: str | None) -> str | None:
    """Give the id of the test clock that a customer follows; None for the global clock."""
    owner = store.lookup(customer) if customer else None
    return (owner or {}).get("test_clock")


def due(store: Store, clock_id: str | None) -> list[Due]:
    """Give what falls due on a clock, earliest first."""
    found = [each for scheduler in SCHEDULERS for each in scheduler(store, clock_id)]
    return sorted(found, key=lambda each: each[0])


def advance(store: Store, clock_id: str | None, to: int) -> None:
    """Move a clock forward and run what falls due, each step at its own moment; None moves the global clock.

    Raises Stripe's 400 when the moment lies in the past, or a step's error, which leaves the clock at that step.
    """
    if to < _reading(store, clock_id):
        raise errors.invalid("The target time must be after the current frozen time.", param="frozen_time")
    _run(store, clock_id, to)
    set_reading(store, clock_id, to)


def _run(store: Store, clock_id: str | None, to: int) -> None:
    for _ in range(MOST_ROUNDS):
        waiting = due(store, clock_id)
        if not waiting or waiting[0][0] > to:
            break
        horizon = min(to, waiting[0][0] + SOONEST - 1)
        for moment, action in waiting:
            if moment <= horizon:
                _step(store, clock_id, moment, action)
    else:
        raise RuntimeError(f"After {MOST_ROUNDS} rounds there is still something due: {waiting[0]}")


def catch_up(store: Store) -> None:
    """Run what real time has made due on the global clock, which goes on by itself: nothing sets it."""
    _run(store, None, store.now())


def make(store: Store, *, frozen_time: int, name: str | None = None) -> Obj:
    """Make a test clock that stands at a moment."""
    clock: Obj = {
        "id": store.new_id("clock"),
        "object": KIND,
        "created": int(time.time()),
        "deletes_after": int(time.time()) + 30 * 86400,
        "frozen_time": frozen_time,
        "livemode": False,
        "name": name,
        "status": "ready",
        "status_details": {},
    }
    store.put(clock)
    events.emit(store, f"{KIND}.created", clock)
    return clock


def give(store: Store, customer: str) -> str:
    """Give a customer a test clock of its own, at its present time, unless it has one; return the clock's id."""
    with store.transaction():
        owner = store.get("customer", customer)
        if owner.get("test_clock"):
            return str(owner["test_clock"])
        clock = make(store, frozen_time=store.now(customer), name=f"clock of {customer}")
        attach(store, customer, clock["id"])
        return str(clock["id"])


def attach(store: Store, customer: str, clock_id: str) -> None:
    """Let a customer, and all that is billed to it, follow a test clock from now on."""
    store.put(store.get("customer", customer) | {"test_clock": clock_id})
    for kind in KINDS_WITH_CLOCK:
        for obj in store.find(kind, customer=customer):
            store.put(obj | {"test_clock": clock_id})


def set_reading(store: Store, clock_id: str | None, moment: int) -> None:
    """Set what a clock shows, and run nothing."""
    if clock_id is None:
        store.set_setting("clock_offset", moment - int(time.time()))
    else:
        store.put(store.get(KIND, clock_id) | {"frozen_time": moment})


def _step(store: Store, clock_id: str | None, moment: int, action: Action) -> None:
    with store.transaction():
        # Not where time is ahead already: a second that ends meanwhile would be lost.
        if moment > _reading(store, clock_id):
            set_reading(store, clock_id, moment)
        action()


def _reading(store: Store, clock_id: str | None) -> int:
    return store.now() if clock_id is None else int(store.get(KIND, clock_id, param="test_clock")["frozen_time"])
