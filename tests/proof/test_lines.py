"""One line of the proof: what becomes of it, and what the reader sees."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from proof.__main__ import code
from proof.expecting import NotReached, same, until
from proof.lines import LINES, Figures, Line, Outcome, State, Table, run_one
from proof.run import Run
from proof.settings import Settings
from proof.show import Screen

ROOT = Path(__file__).resolve().parents[2]
SANDBOX = "http://127.0.0.1:1"


def a_run(stripe_base: str = SANDBOX) -> Run:
    return Run(
        Settings(
            url="http://127.0.0.1:1",
            jwt_secret="a secret of more than thirty-two bytes",
            jwt_issuer="farebox",
            jwt_audience="farebox",
            stripe_base=stripe_base,
            stripe_key="sk_test_a",
            webhook_secret="whsec_a",
            redis_url="redis://127.0.0.1:1/0",
        )
    )


def holding(run: Run) -> Figures:
    yield "one figure"
    yield Table(("country", "zone"), (("IN", "C"),))


def differing(run: Run) -> Figures:
    yield "as far as this"
    same("payments", 1, 2)


def unreached(run: Run) -> Figures:
    yield "nothing"
    raise NotReached(3)


def broken(run: Run) -> Figures:
    yield "nothing"
    raise KeyError("amount")


def shown(outcome: Outcome) -> str:
    out = io.StringIO()
    Screen(Console(file=out, width=120)).show(outcome)
    return out.getvalue()


def test_twelve_lines_are_registered_in_order() -> None:
    assert sorted(LINES) == list(range(1, 13))


def test_a_line_that_holds_shows_its_figures_and_its_time() -> None:
    outcome = run_one(Line(1, "Prices", holding, needs_sandbox=False), a_run())

    text = shown(outcome)

    assert outcome.state is State.HOLDS
    assert text.startswith("ok  1  Prices")
    assert " ms" in text
    assert "one figure" in text
    assert "IN" in text


def test_a_line_that_fails_says_what_was_expected_and_what_was_found() -> None:
    outcome = run_one(Line(5, "Twice", differing, needs_sandbox=False), a_run())

    text = shown(outcome)

    assert outcome.state is State.FAILED
    assert text.startswith("x   5  Twice")
    assert "as far as this" in text
    assert "payments: expected 1, got 2" in text


@pytest.mark.parametrize("prove", [differing, unreached, broken])
def test_whatever_a_line_raises_the_others_still_run(prove: object) -> None:
    outcome = run_one(Line(4, "Access", prove, needs_sandbox=False), a_run())  # type: ignore[arg-type]

    assert outcome.state is State.FAILED
    assert outcome.why


def test_a_line_that_needs_the_sandbox_is_not_run_on_stripe_itself() -> None:
    run = a_run(stripe_base="https://api.stripe.com")

    outcome = run_one(Line(8, "Months", holding, needs_sandbox=True), run)

    assert outcome.state is State.NOT_RUN
    assert "needs the sandbox" in shown(outcome)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([State.HOLDS, State.HOLDS], 0),
        ([State.HOLDS, State.NOT_RUN], 3),
        ([State.NOT_RUN, State.FAILED], 1),
    ],
)
def test_the_exit_code_is_0_only_if_every_line_holds(states: list[State], expected: int) -> None:
    line = Line(1, "Prices", holding, needs_sandbox=False)

    assert code([Outcome(line, state) for state in states]) == expected


def test_waiting_ends_with_the_last_thing_that_was_seen() -> None:
    answers = iter(["pending", "pending", "succeeded"])

    found = until("payment", lambda: next(answers), lambda status: status == "succeeded", expected="succeeded")

    assert found == "succeeded"


def test_ctrl_c_ends_the_proof_without_a_traceback() -> None:
    """It waits for an answer that never comes, until somebody has enough."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings = {
            "JWT_SECRET": "j" * 32,
            "STRIPE_SECRET_KEY": "sk_test_a",
            "STRIPE_WEBHOOK_SECRET": "whsec_a",
            "PYTHONUNBUFFERED": "1",
        }
        proof = subprocess.Popen(
            [sys.executable, "-m", "proof", "--url", f"http://127.0.0.1:{deaf.getsockname()[1]}"],
            cwd=ROOT, env=os.environ | settings, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        caller, _ = deaf.accept()
        # It has asked: while it connects, what is being cleared away might swallow the signal.
        assert caller.recv(1)
        proof.send_signal(signal.SIGINT)
        said, complaint = proof.communicate()
        caller.close()

    assert proof.returncode == 130
    assert complaint == "\nStopped.\n"
    assert "Traceback" not in said
