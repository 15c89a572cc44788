"""OpenFeature's own clients, unmodified, against a served Farebox: any SDK with an OFREP provider is a client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from openfeature import api as openfeature
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from tests.api import token
from tests.entitlements.conftest import a_gift
from tests.proof.serving import serving

SCRIPTS = Path(__file__).with_name("openfeature")
NPM, NODE = shutil.which("npm"), shutil.which("node")
INSTALL_SECONDS, RUN_SECONDS = 120, 60
ANNA, BEN = EvaluationContext("anna"), EvaluationContext("ben")


@pytest.fixture
def served(books: None) -> Iterator[str]:
    """Serve what anna has bought: every feature of the pro plan, for 30 days."""
    a_gift("anna")
    with serving() as url:
        yield url


def python_client(url: str, bearer: str) -> OpenFeatureClient:
    provider = OFREPProvider(url, headers_factory=lambda: {"Authorization": f"Bearer {bearer}"})
    openfeature.set_provider(provider, domain="farebox")
    return openfeature.get_client(domain="farebox")


@pytest.fixture
def shop(served: str) -> Iterator[OpenFeatureClient]:
    """The product's backend, with OpenFeature's Python SDK."""
    yield python_client(served, token(f"shop-{uuid4()}", "service"))
    openfeature.shutdown()


def test_python_asks_for_a_boolean(shop: OpenFeatureClient) -> None:
    details = shop.get_boolean_details("export", False, ANNA)

    assert (details.value, details.reason, details.variant) == (True, Reason.TARGETING_MATCH, "granted")
    assert details.flag_metadata["plan_id"] == "pro-monthly"
    assert shop.get_boolean_value("export", True, BEN) is False


def test_python_asks_for_a_value_and_has_its_own_default_without_one(shop: OpenFeatureClient) -> None:
    assert shop.get_string_value("support_level", "none", ANNA) == "priority"

    details = shop.get_string_details("support_level", "none", BEN)

    assert (details.value, details.reason, details.variant) == ("none", Reason.DEFAULT, "no_entitlement")


def test_python_asks_whether_a_metered_feature_is_left(shop: OpenFeatureClient) -> None:
    details = shop.get_boolean_details("api_calls", False, ANNA)

    assert (details.value, details.variant) == (True, "within_limit")
    assert details.flag_metadata["remaining"] == details.flag_metadata["limit"]


def test_python_is_told_what_is_wrong(shop: OpenFeatureClient) -> None:
    unknown = shop.get_boolean_details("no-such", True, ANNA)
    nobody = shop.get_boolean_details("export", True)
    other_type = shop.get_string_details("export", "mine", ANNA)

    assert (unknown.value, unknown.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    assert (nobody.value, nobody.error_code) == (True, ErrorCode.TARGETING_KEY_MISSING)
    assert (other_type.value, other_type.error_code) == ("mine", ErrorCode.TYPE_MISMATCH)


def test_python_with_a_users_token_asks_for_himself_alone(served: str) -> None:
    client = python_client(served, token("anna"))

    assert client.get_boolean_value("export", False) is True
    assert client.get_boolean_details("export", False, BEN).error_code == ErrorCode.FLAG_NOT_FOUND
    openfeature.shutdown()


def test_python_without_a_token_has_its_default(served: str) -> None:
    details = python_client(served, "nothing").get_boolean_details("export", True, ANNA)

    assert (details.value, details.error_message) == (True, "unauthorized")
    openfeature.shutdown()


def test_python_waits_when_it_asked_too_often(shop: OpenFeatureClient, settings: LazySettings) -> None:
    settings.RATE_LIMITED, settings.RATE_LIMITS = True, {**settings.RATE_LIMITS, "service_checks": 1}

    said = [shop.get_boolean_details("export", False, ANNA) for _ in range(3)]

    assert said[0].value is True
    assert "Rate limited" in str(said[1].error_message)
    assert "paused due to TooManyRequests" in str(said[2].error_message)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the pinned packages from npm, outside the tree."""
    if not (NPM and NODE):
        pytest.skip("needs node and npm on the PATH")
    place = tmp_path_factory.mktemp("openfeature")
    for file in SCRIPTS.iterdir():
        shutil.copy(file, place)
    words = [NPM, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", "--fetch-timeout=20000"]
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot install the providers: {done.stderr.strip().splitlines()[-1:]}")
    return place


def run(packages: Path, script: str, url: str, bearer: str) -> Any:
    """Run a script of the folder `openfeature`, and return the JSON that it prints."""
    assert NODE
    words = [NODE, script]
    known = {**os.environ, "FAREBOX_URL": url, "FAREBOX_TOKEN": bearer}
    done = subprocess.run(
        words, cwd=packages, env=known, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_node_asks_as_a_server(packages: Path, served: str) -> None:
    """The server provider: one request a flag."""
    said = run(packages, "server.mjs", served, token("shop", "service"))

    assert said["export"] == {"value": True, "reason": "TARGETING_MATCH", "variant": "granted"}
    assert said["support_level"]["value"] == "priority"
    assert said["calls_left"] > 0
    # Of a flag without a value the caller has his default.
    assert said["support_level_of_ben"] == "none"
    assert said["unknown"] == {"value": True, "errorCode": "FLAG_NOT_FOUND"}
    assert said["nobody"] == {"value": True, "errorCode": "TARGETING_KEY_MISSING"}


@pytest.mark.slow
def test_a_browser_asks_for_all_flags_at_once(packages: Path, served: str) -> None:
    """The web provider: one request for all, then If-None-Match, and 304 while nothing has changed."""
    said = run(packages, "web.mjs", served, token("anna"))

    assert said["export"] == {"value": True, "reason": "TARGETING_MATCH", "variant": "granted"}
    assert said["support_level"]["value"] == "priority"
    assert said["unknown"] == {"value": True, "errorCode": "FLAG_NOT_FOUND"}
    assert said["statuses"] == [200, 304]
    assert said["foreign"] == 404
