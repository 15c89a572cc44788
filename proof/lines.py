"""The lines of the proof: each a number, a title, and a function that shows figures or raises."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import httpx
import stripe

from proof.client import Refused
from proof.expecting import Differs, NotReached
from proof.run import Run


@dataclass(frozen=True, slots=True)
class Table:
    """Figures that belong together."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Figure = str | Table
Figures = Iterator[Figure]
Prove = Callable[[Run], Figures]


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    title: str
    prove: Prove
    needs_sandbox: bool


class State(StrEnum):
    HOLDS = "holds"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(slots=True)
class Outcome:
    """What became of one line."""

    line: Line
    state: State = State.HOLDS
    seconds: float = 0.0
    figures: list[Figure] = field(default_factory=list)
    why: str = ""


LINES: dict[int, Line] = {}


def line(number: int, title: str, *, needs_sandbox: bool = False) -> Callable[[Prove], Prove]:
    """Register a line. Its function yields figures as it finds them, so that a failing line shows how far it came."""

    def register(prove: Prove) -> Prove:
        LINES[number] = Line(number, title, prove, needs_sandbox)
        return prove

    return register


def run_one(line: Line, run: Run) -> Outcome:
    """Prove one line and time it. Whatever goes wrong is told in the outcome, so that the other lines still run."""
    outcome = Outcome(line)
    if line.needs_sandbox and not run.settings.has_sandbox:
        outcome.state, outcome.why = State.NOT_RUN, "needs the sandbox, and Stripe itself is in use"
        return outcome
    began = time.perf_counter()
    try:
        for figure in line.prove(run):
            outcome.figures.append(figure)
    except (Differs, NotReached, Refused, httpx.HTTPError, stripe.StripeError) as reason:
        outcome.state, outcome.why = State.FAILED, f"{_kind(reason)}{reason}"
    except Exception:
        # A fault of the proof itself must not hide the lines that come after it.
        outcome.state, outcome.why = State.FAILED, traceback.format_exc(limit=-3)
    outcome.seconds = time.perf_counter() - began
    return outcome


def _kind(reason: Exception) -> str:
    return "" if isinstance(reason, Differs | NotReached | Refused) else f"{type(reason).__name__}: "
