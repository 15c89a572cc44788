"""The process: it starts fast enough, survives a kill, and keeps to itself."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.sandbox.conftest import FIRST_LINE, ROOT, SECRET, Sandbox
from tests.sandbox.receiver import Receiver

HEADERS = {"Authorization": "Bearer sk_test_x"}


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a sandbox of its own and give its address."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = FIRST_LINE.search(process.stdout.readline())
        assert found
        try:
            yield process, found[1]
        finally:
            process.kill()


def test_what_it_knows_and_owes_survives_a_kill(tmp_path: Path, receiver: Receiver) -> None:
    receiver.clear()
    db = str(tmp_path / "sandbox.sqlite3")
    options = ("--db", db, "--webhook-url", receiver.url, "--webhook-secret", SECRET)
    with started(*options) as (process, url):
        requests.post(f"{url}/_sandbox/webhooks", json={"mode": "paused"}, timeout=10)
        made = requests.post(f"{url}/v1/customers", headers=HEADERS, timeout=10).json()
        process.send_signal(signal.SIGKILL)

    with started(*options) as (_, url):
        known = requests.get(f"{url}/v1/customers/{made['id']}", headers=HEADERS, timeout=10).json()
        requests.post(f"{url}/_sandbox/webhooks/flush", timeout=10)

    assert known["id"] == made["id"]
    assert receiver.types == ["customer.created"]


def test_fresh_forgets_and_a_seed_repeats(tmp_path: Path) -> None:
    options = ("--db", str(tmp_path / "sandbox.sqlite3"), "--fresh", "--seed", "3")
    made = []
    for _ in range(2):
        with started(*options) as (_, url):
            made.append(requests.post(f"{url}/v1/customers", headers=HEADERS, timeout=10).json()["id"])
            count = len(requests.get(f"{url}/v1/customers", headers=HEADERS, timeout=10).json()["data"])

    assert made[0] == made[1]
    assert count == 1


def test_without_a_seed_ids_never_repeat(tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        with started("--db", str(tmp_path / "sandbox.sqlite3"), "--fresh") as (_, url):
            made.append(requests.post(f"{url}/v1/customers", headers=HEADERS, timeout=10).json()["id"])

    assert made[0] != made[1]


def test_the_control_endpoints_answer_on_loopback_alone(tmp_path: Path) -> None:
    address = _own_address()
    with started("--db", str(tmp_path / "sandbox.sqlite3"), "--host", "0.0.0.0") as (_, url):
        port = url.rpartition(":")[2]
        inside = requests.get(f"http://127.0.0.1:{port}/_sandbox/health", timeout=10)
        outside = requests.get(f"http://{address}:{port}/_sandbox/health", timeout=10)

    assert inside.status_code == 200
    assert outside.status_code == 403


def test_the_sandbox_knows_nothing_of_what_it_stands_next_to() -> None:
    own = {path.stem for path in (ROOT / "sandbox").glob("*.py")}
    others = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} - {"sandbox", "tests"}
    lines = [line for path in (ROOT / "sandbox").glob("*.py") for line in path.read_text().splitlines()]
    imported = {line.split()[1].partition(".")[0] for line in lines if line.startswith(("import ", "from "))}

    assert own
    assert not imported & (others | {"django", "djstripe"})


def test_what_it_does_not_know_it_refuses_by_name(sandbox: Sandbox) -> None:
    answer = sandbox.form("/v1/customers", source="tok_visa")

    assert answer.status_code == 400
    assert "does not know `source`" in answer.json()["error"]["message"]


def test_a_control_request_that_makes_no_sense_is_a_400(sandbox: Sandbox) -> None:
    wild = requests.post(f"{sandbox.url}/_sandbox/clock", json={"to": "tomorrow"}, timeout=10)
    header = requests.post(f"{sandbox.url}/v1/customers", headers=HEADERS | {"Sandbox-Webhooks": "rain"}, timeout=10)

    assert (wild.status_code, header.status_code) == (400, 400)


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: the kernel only says which of this machine's addresses it would use.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("This machine has no address but loopback.")
        return str(probe.getsockname()[0])
