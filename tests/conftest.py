"""What every test stands on: a real Postgres with the seeds in it, and Stripe's stand-in over HTTP."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection, connections
from pytest_django import DjangoDbBlocker

from tests import shown as figures
from tests.books import empty, require_whole
from tests.buyer import Buyer
from tests.events.mailbox import Mailbox
from tests.patience import be_patient
from tests.stripe_side import StripeSide

shown = figures.shown
pytest_plugins = ("tests.workers",)
END_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that the tests have shown."""
    figures.report(terminalreporter)


@pytest.fixture(autouse=True, scope="session")
def patient() -> None:
    """Let no moment in which this process stands still pass for a Valkey that is away."""
    be_patient()


@pytest.fixture(scope="session")
def django_db_setup(django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Make the worker's test database: dj-stripe's tables the fast way, ours by their migrations, and the seeds."""
    from billing import mirror_tables

    with django_db_blocker.unblock():
        creation = connection.creation
        real_name = connection.settings_dict["NAME"]
        creation._create_test_db(verbosity=0, autoclobber=True)
        connection.close()
        connection.close_pool()
        connection.settings_dict["NAME"] = creation._get_test_db_name()
        mirror_tables.create()
        for command in ("migrate", "seed_zones", "seed_plans"):
            call_command(command, verbosity=0, stdout=io.StringIO())
    yield
    with django_db_blocker.unblock():
        for each in connections.all():
            each.close()
            each.close_pool()
        # A thread or a process that a test left may still hold a connection.
        with creation._nodb_cursor() as cursor:
            cursor.execute(END_OTHERS, [connection.settings_dict["NAME"]])
        creation.destroy_test_db(real_name, verbosity=0)


@pytest.fixture(autouse=True, scope="module")
def fresh_pool() -> None:
    """Begin each file with a pool of its own: threads of the one before may have kept connections."""
    for each in connections.all():
        each.close()
        each.close_pool()


@pytest.fixture
def books(request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let a test commit for real, from several threads if it likes; what it wrote is emptied after it.

    What must hold between money, access and history is asked before that, unless the test broke it on purpose.
    """
    with django_db_blocker.unblock():
        yield
        try:
            if not request.node.get_closest_marker("broken_books"):
                require_whole()
        finally:
            empty()


@pytest.fixture(autouse=True)
def unlimited(settings: LazySettings) -> None:
    """Let a test ask as often as it likes, and no stream last; those of the limits themselves switch them on."""
    settings.RATE_LIMITED = False
    settings.STREAM_SECONDS = 0
    settings.STRIPE_FETCHES_PER_SECOND = 0


@pytest.fixture(scope="session")
def stripe_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the sandbox as a process of its own, and give its URL. It delivers nothing by itself: tests do."""
    file = tmp_path_factory.mktemp("stripe") / "sandbox.sqlite3"
    words = [sys.executable, "-m", "sandbox", "--port", "0", "--db", str(file), "--seed", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent) as process:
        assert process.stdout
        yield process.stdout.readline().strip().rsplit(" ", 1)[1]
        process.terminate()


@pytest.fixture
def stripe_side(stripe_process: str, settings: LazySettings) -> Iterator[StripeSide]:
    """Stripe, as far as this test is concerned: empty at its start, and where our gateway now speaks to."""
    from billing import gateway

    settings.STRIPE_API_BASE = stripe_process
    gateway.client.cache_clear()
    side = StripeSide(stripe_process, settings.STRIPE_WEBHOOK_SECRET)
    side.reset()
    yield side
    gateway.client.cache_clear()


@pytest.fixture
def buyer(books: None, stripe_side: StripeSide) -> Buyer:
    """A user of the product who is about to buy."""
    return Buyer(stripe_side, "anna")


@pytest.fixture
def seals(tmp_path: Path, settings: LazySettings) -> Path:
    """Let history be sealed in this test: a key, and a second place of its own."""
    settings.HISTORY_SIGNING_KEY = "5e" * 32
    settings.HISTORY_SEALS_DIR = str(tmp_path / "seals")
    return tmp_path / "seals" / "seals.jsonl"


@pytest.fixture
def mailbox(books: None, settings: LazySettings) -> Iterator[Mailbox]:
    """Give a mail server that listens, and is the one that is set."""
    box = Mailbox()
    settings.EMAIL_URL = f"smtp://127.0.0.1:{box.port}"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", box.port
    settings.DEFAULT_FROM_EMAIL = "Farebox <billing@example.com>"
    yield box
    box.close()
