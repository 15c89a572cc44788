"""Those who come together have their work done together, and every one of them hears of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from events.groups import Group

# Long before it everybody has heard.
PATIENCE = 600.0


def started(run: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_each_of_many_is_worked_on_once_and_hears_of_it() -> None:
    """Eight threads, 500 times each: nobody sleeps on when his work is done."""
    worked: list[int] = []
    heard: list[int] = []
    group = Group(worked.extend, most=5, patience=PATIENCE)

    def come(first: int) -> None:
        for number in range(first, 4000, 8):
            group.join(number)
            heard.append(number)

    threads = [started(lambda first=first: come(first)) for first in range(8)]  # type: ignore[misc]
    for thread in threads:
        thread.join(60)

    assert sorted(heard) == sorted(worked) == list(range(4000))


def test_who_has_left_holds_up_nobody() -> None:
    """Each wakes the next; one who could wait no longer while he was worked for is passed over."""
    go_on, done = threading.Event(), []

    def work(ones: Sequence[str]) -> None:
        done.extend(ones)
        if ones[0] == "first":
            go_on.wait()
        else:
            group._leave(places["hasty"])

    group = Group(work, most=9, patience=PATIENCE)
    threads = {"first": started(lambda: group.join("first"))}
    while not done:
        assert threads["first"].is_alive()
    for name in ("heir", "hasty", "next", "last"):
        threads[name] = started(lambda name=name: group.join(name))  # type: ignore[misc]
        while not any(place.one == name for place in list(group._waiting)):
            assert threads[name].is_alive()
    places = {place.one: place for place in group._waiting}
    go_on.set()
    for name in ("first", "heir", "next", "last"):
        threads[name].join(60)

    assert [name for name, thread in threads.items() if thread.is_alive()] == ["hasty"]
    assert done == ["first", "heir", "hasty", "next", "last"]
    places["hasty"].turn.release()
