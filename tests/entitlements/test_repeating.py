"""What could not be told is told again until it is done, or nobody needs to know any more."""

from __future__ import annotations

from collections.abc import Mapping

from entitlements.repeating import Repeats
from tests.entitlements.nearby import wait_until


class Deaf:
    """Hears nothing the first so many times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.heard: list[Mapping[str, int]] = []

    def hear(self, versions: Mapping[str, int]) -> bool:
        self.heard.append(versions)
        return len(self.heard) > self.times


def test_it_is_told_until_it_is_heard_and_no_longer() -> None:
    ear = Deaf(times=2)
    repeats = Repeats(ear.hear)

    repeats.later({"ann": 7})
    wait_until(lambda: repeats.is_over)

    assert ear.heard == [{"ann": 7}] * 3


def test_of_several_versions_the_newest_is_told() -> None:
    ear = Deaf(times=0)
    repeats = Repeats(ear.hear)

    repeats.later({"ann": 7})
    repeats.later({"ann": 9, "ben": 1})
    repeats.later({"ann": 8})
    wait_until(lambda: repeats.is_over)

    assert ear.heard[-1] == {"ann": 9, "ben": 1}


def test_what_came_while_it_was_told_is_told_too() -> None:
    heard: list[Mapping[str, int]] = []

    def hear(versions: Mapping[str, int]) -> bool:
        if not heard:
            repeats.later({"ann": 9})
        heard.append(versions)
        return True

    repeats = Repeats(hear)

    repeats.later({"ann": 7})
    wait_until(lambda: repeats.is_over)

    assert heard == [{"ann": 7}, {"ann": 9}]


def test_what_nobody_can_remember_any_more_is_not_told() -> None:
    ear = Deaf(times=0)
    repeats = Repeats(ear.hear, seconds=0)

    repeats.later({"ann": 7})
    wait_until(lambda: repeats.is_over)

    assert ear.heard == []
