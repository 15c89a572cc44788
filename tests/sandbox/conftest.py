"""A running sandbox for the tests: its own process, spoken to by Stripe's own client."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from tests.sandbox.receiver import Receiver

ROOT = Path(__file__).parents[2]
SECRET = "whsec_of_the_tests"
FIRST_LINE = re.compile(r"answers on (http://\S+)")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that runs: its address, Stripe's client for it, its control endpoints, and who hears of events."""

    url: str
    # Any: the client's types cannot know which ids an answer was asked to expand.
    client: Any
    receiver: Receiver

    def control(self, path: str, /, **asked: Any) -> dict[str, Any]:
        """Post to a control endpoint; an answer that is no success fails the test."""
        answer = requests.post(f"{self.url}/_sandbox/{path}", json=asked, timeout=60)
        assert answer.ok, answer.text
        given: dict[str, Any] = answer.json()
        return given

    def read(self, path: str, /, **asked: Any) -> dict[str, Any]:
        """Read a control endpoint."""
        answer = requests.get(f"{self.url}/_sandbox/{path}", params=asked, timeout=60)
        assert answer.ok, answer.text
        given: dict[str, Any] = answer.json()
        return given

    def form(self, path: str, /, **fields: str) -> requests.Response:
        """Send an API request by hand, where Stripe's client would not let it through."""
        return requests.post(
            f"{self.url}{path}", data=fields, headers={"Authorization": "Bearer sk_test_x"}, timeout=60
        )

    def deliver(self) -> list[str]:
        """Deliver all that waits, and give the types of the events in the order of their arrival."""
        before = len(self.receiver.arrivals)
        self.control("webhooks/flush")
        return self.receiver.types[before:]

    def advance(self, *, seconds: int = 0, days: int = 0, customer: str | None = None) -> int:
        """Move the global clock, or one customer's, and give the new moment."""
        moved = self.control("clock", advance=seconds + days * 86400, customer=customer)
        return int(moved["now"])


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Listen for webhooks."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="session")
def running_sandbox(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Start one sandbox for all tests, with every answer held against Stripe's types."""
    folder = tmp_path_factory.mktemp("sandbox")
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--db", str(folder / "sandbox.sqlite3"), "--seed", "7"]
    command += ["--webhook-url", receiver.url, "--webhook-secret", SECRET]
    log = (folder / "log").open("w")
    environment = os.environ | {"SANDBOX_CHECK_SHAPES": "1"}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    assert process.stdout is not None
    found = FIRST_LINE.search(process.stdout.readline())
    assert found, (folder / "log").read_text()
    client = stripe.StripeClient("sk_test_of_the_tests", base_addresses={"api": found[1]}, max_network_retries=0)
    yield Sandbox(found[1], client, receiver)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    process.stdout.close()
    log.close()


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    """Give the sandbox empty, with the same ids for every test and events that wait for `deliver`."""
    running_sandbox.control("reset", seed=7)
    running_sandbox.control("webhooks", mode="paused")
    running_sandbox.receiver.clear()
    return running_sandbox
