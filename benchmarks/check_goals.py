"""The goals of checks, beside what was found."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.check_usage import AT_ONCE, HOT, MANY, SINGLE
from benchmarks.verdicts import Goal, best, ratio, unstable

# P1 / F1 on the machine where it was frozen: who slows the yardstick shows here.
PEER_SHARE = (0.04, 0.12)


def goals(found: dict[str, Any]) -> list[Goal]:
    """Compare what was found with what was wanted."""
    rounds, lone = found["rounds"], found["lone"]
    rates = {name: [each["rate"] for each in of] for name, of in rounds.items()}
    peer = best(rates, ["P2 waffle", "P3 unleash"])
    return [
        Goal("warm / F0", ratio(rates, "warm", "F0"), 0.85),
        Goal("warm in web / F0 in web", ratio(rates, "warm in web", "F0 in web"), 0.85),
        Goal("zipf / F0", ratio(rates, "zipf", "F0"), 0.85),
        Goal("warm / P1", ratio(rates, "warm", "P1 idiomatic"), 65),
        Goal("warm / the best of P2 and P3", ratio(rates, "warm", peer) if peer else None, 10),
        Goal("warm, one connection: p50 / F0's", _of(rounds, "warm", "p50_alone", over="F0"), 1.35, at_least=False),
        Goal("warm, round trips a check", _trips(rounds, "warm"), 0.01, at_least=False),
        Goal("10,000 EdDSA tokens / F0", ratio(rates, "eddsa", "F0"), 0.8),
        Goal("memory cold, Valkey warm / F0", ratio(rates, "valkey warm", "F0"), 0.45),
        Goal("memory cold: round trips a check", _trips(rounds, "valkey warm"), 1.05, at_least=False),
        Goal("all cold / F0", ratio(rates, "all cold", "F0"), 0.17),
        Goal("all cold: queries a check", _of(rounds, "all cold", "transactions"), 1.05, at_least=False),
        Goal("the view, lane off / F1", ratio(rates, "view", "F1"), 0.8),
        Goal("bulk 1 x 100: CPU / a single check's", _of(rounds, "bulk 1 x 100", "cpu_us", over="warm"), 2, False),
        Goal("bulk 100 x 1: CPU / a single check's", _of(rounds, "bulk 100 x 1", "cpu_us", over="warm"), 20, False),
        Goal("usage of one subject / pgbench's plain UPDATE of that row", _over(found, HOT), 2),
        Goal("usage of many subjects / pgbench's plain UPDATE", _over(found, MANY), 0.4),
        Goal("usage in batches, events/s", _events(found), 30_000),
        Goal("usage in batches, events/s / a statement each on one connection", _events(found, over=SINGLE), 12),
        *(Goal(*each) for group in lone.values() for each in group["goals"]),
    ]


def table(found: dict[str, Any]) -> str:
    """Write what was found as Markdown."""
    rounds = found["rounds"]
    names = ("rate", "p50", "p99", "cpu_us", "p50_alone", "p99_alone", "transactions", "commands", "reads")
    head = (
        "/s",
        "p50 ms",
        "p99 ms",
        "CPU us",
        "c=1 p50 ms",
        "c=1 p99 ms",
        "transactions",
        "Valkey commands",
        "Valkey reads",
    )
    lines = [f"| | {' | '.join(head)} | rounds |", "|---|" + "---|" * (len(head) + 1)]
    for name, of in rounds.items():
        shown = " | ".join(f"{median(each[one] for each in of):,.4g}" for one in names)
        lines.append(f"| {name} | {shown} | {', '.join(str(each['rate']) for each in of)} |")
    lines += [f"| pgbench: {name.removeprefix('usage, ')} | {rate:,.4g} |" for name, rate in found["floors"].items()]
    lines += ["", "| goal | wanted | found | |", "|---|---|---|---|", *(goal.line for goal in goals(found))]
    for group, said in found["lone"].items():
        lines += ["", f"{group}: {said['said']}"]
    lines += ["", *(f"Not measured: {name}: {why}." for name, why in found["skipped"].items())]
    return "\n".join([*lines, *_doubts(found)])


def _doubts(found: dict[str, Any]) -> list[str]:
    rates = {name: [each["rate"] for each in of] for name, of in found["rounds"].items()}
    doubts = []
    if unstable(rates["F0"]):
        doubts.append("UNSTABLE: F0 itself varied by more than a quarter; measure on a quieter machine.")
    share = ratio(rates, "P1 idiomatic", "F1")
    if share is not None and not PEER_SHARE[0] <= share <= PEER_SHARE[1]:
        low, high = PEER_SHARE
        doubts.append(f"DOUBTFUL: P1 / F1 is {share:.3f} and not between {low} and {high}: the yardstick has changed.")
    return doubts


def _of(rounds: dict[str, Any], name: str, what: str, *, over: str = "") -> float | None:
    if name not in rounds or (over and over not in rounds):
        return None
    found = float(median(each[what] for each in rounds[name]))
    return found / float(median(each[what] for each in rounds[over])) if over else found


def _trips(rounds: dict[str, Any], name: str) -> float | None:
    trips = [_of(rounds, name, what) for what in ("transactions", "reads")]
    return None if trips[0] is None or trips[1] is None else trips[0] + trips[1]


def _over(found: dict[str, Any], name: str) -> float | None:
    rate, floor = _of(found["rounds"], name, "rate"), found["floors"].get(name)
    return rate / floor if rate and floor else None


def _events(found: dict[str, Any], *, over: str = "") -> float | None:
    rate, other = _of(found["rounds"], AT_ONCE, "rate"), found["floors"].get(over) if over else 1.0
    return rate * 1000 / other if rate and other else None
