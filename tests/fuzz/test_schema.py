"""The schema tells the truth: every operation, by every role, with good and bad input, answers as it says."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import count
from typing import Any

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from billing.models import Checkout, Payment, Refund, Subscription
from config.api.authentication import Role
from config.wsgi import application
from tests.api import token
from tests.fuzz.conftest import EXAMPLES
from tests.shown import Shown
from tests.stripe_side import StripeSide

REFUSALS = ["400", "401", "403", "404", "409", "422"]
SETTINGS: dict[str, Any] = {
    "generation": {
        "max-examples": EXAMPLES,
        "with-security-parameters": False,
        "database": "none",
        "deterministic": True,
    },
    "checks": {
        # Well-formed input can still be refused: an address on another origin, a page that begins after no row.
        "positive_data_acceptance": {"expected-statuses": ["2xx", *REFUSALS]},
        "negative_data_rejection": {"expected-statuses": [*REFUSALS, "405", "413", "415"]},
    },
}
THERE = {
    "user_id": "anna",
    "plan_id": "premium-plan",
    "feature_code": "export",
    "country_code": "IN",
    "iso_code": "IN",
    "success_url": "http://localhost:3000/done",
    "cancel_url": "http://localhost:3000/back",
}
asked: Counter[str] = Counter()
turn, codes = count(), Counter[int]()


def the_schema() -> Any:
    config = SchemathesisConfig.from_dict(SETTINGS)
    schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True), config=config)
    schema.app = application
    return schema


schema = the_schema()


@cache
def _ids() -> dict[str, str]:
    models = {"checkout-sessions": Checkout, "payments": Payment, "refunds": Refund, "subscriptions": Subscription}
    return {name: str(model._default_manager.latest("created_at").pk) for name, model in models.items()}


def _point_at_what_is_there(case: schemathesis.Case) -> None:
    """Name anna, her objects and what is sold in every other well-formed request: the rest names what is absent."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE or next(turn) % 2:
        return
    there = {**THERE, "id": _ids().get(case.path.split("/")[3], ""), "payment_id": _ids()["payments"]}
    for said in (case.path_parameters, case.query, case.body):
        if isinstance(said, dict):
            said.update({name: there[name] for name in said if name in there})


@pytest.mark.slow
@pytest.mark.parametrize("role", Role)
@schema.parametrize()
@hypothesis_settings(suppress_health_check=list(HealthCheck), deadline=None)
def test_every_operation_answers_as_the_schema_says(case: schemathesis.Case, role: Role, ground: StripeSide) -> None:
    """No 5xx, no undocumented status, no answer of another form."""
    _point_at_what_is_there(case)
    headers = {} if role is Role.ANONYMOUS else {"Authorization": f"Bearer {token('anna', role)}"}

    response = case.call(headers=headers)

    asked[role] += 1
    codes[response.status_code] += 1
    case.validate_response(response, headers=headers)


@pytest.mark.slow
def test_the_figures_are_shown(shown: Shown) -> None:
    """After the others: how many requests were sent."""
    told = ", ".join(f"{role} {count}" for role, count in asked.items())
    broken = sum(count for code, count in codes.items() if code >= 500)
    shown(f"schemathesis: {sum(asked.values())} requests by {len(asked)} roles ({told}): {broken} answers of 5xx")
    shown(f"answers by status: {dict(sorted(codes.items()))}")
