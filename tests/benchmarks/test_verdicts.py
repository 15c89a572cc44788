"""What a measurement says of its numbers is right, whatever the numbers are."""

from __future__ import annotations

import pytest

from benchmarks import check_goals, wrk
from benchmarks.verdicts import Goal, best, ratio, unstable


@pytest.mark.parametrize(
    ("found", "wanted", "at_least", "verdict"),
    [
        (0.85, 0.85, True, "pass"),
        (0.8499, 0.85, True, "FALLS SHORT"),
        (1.35, 1.35, False, "pass"),
        (1.3501, 1.35, False, "FALLS SHORT"),
        (0.0, 0.01, False, "pass"),
        (None, 0.85, True, "not measured"),
    ],
)
def test_a_goal_is_reached_or_not(found: float | None, wanted: float, at_least: bool, verdict: str) -> None:
    goal = Goal("warm / F0", found, wanted, at_least)

    assert goal.verdict == verdict
    assert goal.line.endswith(f"| {verdict} |")


def test_a_ratio_is_one_of_medians() -> None:
    """One round that was disturbed does not count."""
    rates = {"warm": [80.0, 90.0, 10.0], "F0": [100.0, 1000.0, 90.0], "none": []}

    assert ratio(rates, "warm", "F0") == 0.8
    assert ratio(rates, "warm", "none") is None
    assert ratio(rates, "warm", "unknown") is None
    assert best(rates, ["warm", "F0", "none", "unknown"]) == "F0"
    assert best(rates, ["none"]) is None


def test_a_yardstick_that_varies_by_more_than_a_quarter_is_told() -> None:
    assert not unstable([100, 125])
    assert unstable([100, 125.1, 110])
    assert not unstable([100])


SAID = """Running 2s test @ http://127.0.0.1:1
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.21ms    2.00ms  30.00ms   90.00%
    Req/Sec     9.00k     1.00k   10.00k    70.00%
  Latency Distribution
     50%  310.00us
     75%  700.00us
     90%    1.10ms
     99%    1.02s
  20000 requests in 2.00s, 3.00MB read
  Non-2xx or 3xx responses: 7
Requests/sec:  10000.00
"""


def test_what_wrk_says_is_read() -> None:
    found = wrk.read(SAID, cpu=0.5)

    assert (found.rate, found.count, found.bad) == (10_000, 20_000, 7)
    assert (found.p50, found.p99, found.cpu) == (0.31, 1020, 25)
    with pytest.raises(RuntimeError):
        wrk.read("unable to connect")


def test_a_request_is_one_line() -> None:
    ask = wrk.Ask("/check?a=b", (("A", "b=c"), ("D", "e f")), "POST", '{"a":"b"}')

    assert ask.line == 'POST\t/check?a=b\tA=b=c\x01D=e f\t{"a":"b"}'


def a_round(rate: float, **more: float) -> dict[str, float]:
    return {"rate": rate, "p50": 1, "p99": 2, "cpu_us": 20, "p50_alone": 0.1, "p99_alone": 0.2, "transactions": 0,
            "commands": 0, "reads": 0, **more}  # fmt: skip


def test_the_table_says_what_was_reached_missed_skipped_and_in_doubt() -> None:
    found = {
        "rounds": {
            "F0": [a_round(1000), a_round(1300)],
            "F1": [a_round(200)],
            "P1 idiomatic": [a_round(100)],
            "warm": [a_round(1100)],
            "usage, one subject": [a_round(250)],
        },
        "floors": {"usage, one subject": 100.0},
        "lone": {"memory": {"said": "170 bytes", "goals": [("bytes a user", 170, 250, False)]}},
        "skipped": {"bulk": "there is no such route yet"},
    }

    table = check_goals.table(found)

    assert "| warm / F0 | >= 0.85 | 0.957 | pass |" in table
    assert "| warm / P1 | >= 65 | 11 | FALLS SHORT |" in table
    assert "| 10,000 EdDSA tokens / F0 | >= 0.8 |  | not measured |" in table
    assert "| usage of one subject / pgbench's plain UPDATE of that row | >= 2 | 2.5 | pass |" in table
    assert "| bytes a user | <= 250 | 170 | pass |" in table
    assert "Not measured: bulk: there is no such route yet." in table
    assert "UNSTABLE" in table
    assert "DOUBTFUL" in table
