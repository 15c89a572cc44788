"""What is said of how soon changes show, and of what they cost, is what was measured."""

from __future__ import annotations

from benchmarks.check_freshness import CHANGES_A_SECOND, Beside, Turned, _said
from benchmarks.verdicts import Goal
from benchmarks.wrk import Round


def a_round(rate: float, cpu: float) -> Round:
    return Round(rate=rate, p50=1, p99=2, count=100, bad=0, cpu=cpu)


def test_a_process_is_late_by_the_last_question_that_was_told_yes() -> None:
    """What was asked before the commit may be answered after it."""
    before, after = Turned(yes=(9.9, 10.1), no=(10.2, 10.3)), Turned(yes=(10.004, 10.005), no=(10.006, 10.008))

    assert before.late(10.0) == 0
    assert round(after.late(10.0), 6) == 4
    assert round(after.known(10.0), 6) == 8


def test_too_few_changes_and_a_late_process_fall_short() -> None:
    rates: dict[str, list[Beside]] = {
        "alone": [Beside(a_round(1000, 20))],
        "spread": [Beside(a_round(850, 24), CHANGES_A_SECOND / 2, 100)],
        "asked about": [Beside(a_round(500, 40), CHANGES_A_SECOND, 110)],
    }
    quiet = [(10.0, [Turned(yes=(10.001, 10.002), no=(10.003, 10.004))] * 2)] * 100
    loaded = [*quiet[:97], *[(10.0, [Turned(yes=(10.02, 10.03), no=(10.04, 10.05))] * 2)] * 3]

    said = _said(rates, quiet, loaded)

    assert [(Goal(*each).verdict, round(each[1], 3)) for each in said["goals"]] == [
        ("FALLS SHORT", 500),
        ("pass", 0.85),
        ("pass", 0.007),
        ("pass", 1),
        ("FALLS SHORT", 20),
        ("pass", 4),
        ("FALLS SHORT", 50),
        ("pass", 20),
    ]
    assert "500 at 40.0 us beside 1,000 changes a second of users asked about, each 110 us" in said["said"]
