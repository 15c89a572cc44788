"""The proof's lines on a Farebox whose worker is called at once: whatever a route changes, the proof must keep up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from config.celery import app
from proof import forgery, prices, purchase, recurring, refund
from proof.lines import LINES, State, run_one
from proof.run import Run
from proof.settings import Settings
from tests.proof.serving import serving
from tests.stripe_side import StripeSide

# The other two stop processes, and ask the books of the database that is configured.
NUMBERS = range(1, 11)
assert all((forgery, prices, purchase, recurring, refund))


@pytest.fixture
def run(books: None, stripe_side: StripeSide, settings: LazySettings) -> Iterator[Run]:
    app.conf.task_always_eager = True
    with serving() as url:
        endpoint = stripe_side.post(
            "webhook_endpoints", **{"url": f"{url}/api/v1/webhooks/stripe", "enabled_events[]": "*"}
        )
        settings.STRIPE_WEBHOOK_SECRET = endpoint["secret"]
        settings.ALLOWED_RETURN_ORIGINS = [url]
        stripe_side.control("webhooks", mode="normal")
        yield Run(
            Settings(
                url=url,
                jwt_secret=settings.JWT_SECRET,
                jwt_issuer=settings.JWT_ISSUER,
                jwt_audience=settings.JWT_AUDIENCE,
                stripe_base=stripe_side.url,
                stripe_key="sk_test_proof",
                webhook_secret=endpoint["secret"],
                redis_url=settings.REDIS_URL,
                # How soon it is depends on the machine, and is measured by the proof: here it must only come about.
                prompt_seconds=60,
            )
        )
        stripe_side.reset()
    app.conf.task_always_eager = False


@pytest.mark.slow
def test_the_lines_of_one_process_hold(run: Run) -> None:
    """PZ-07, CO-01, CO-02, PA-07, PA-09, RF-02, SU-04, SU-07, EN-07, WH-01, WH-02, WH-04."""
    outcomes = [run_one(LINES[number], run) for number in NUMBERS]

    failed = {outcome.line.number: outcome.why for outcome in outcomes if outcome.state is not State.HOLDS}
    assert failed == {}
