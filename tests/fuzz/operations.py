"""Requests made from the schema, and what an answer must be like.

The roles are asked from two files, so that two workers share them.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import count
from typing import Any

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

OUTSIDE = (Role.ANONYMOUS, Role.USER)
INSIDE = tuple(role for role in Role if role not in OUTSIDE)
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
        # What is known by its tag is a 304.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "304", *REFUSALS]},
        "negative_data_rejection": {"expected-statuses": [*REFUSALS, "405", "413", "415"]},
    },
}
THERE = {
    "user_id": "anna",
    "plan_id": "premium-plan",
    "feature_code": "export",
    "key": "export",
    "country_code": "IN",
    "iso_code": "IN",
    "success_url": "http://localhost:3000/done",
    "cancel_url": "http://localhost:3000/back",
}
turn = count()


def the_schema() -> Any:
    config = SchemathesisConfig.from_dict(SETTINGS)
    schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True), config=config)
    schema.app = application
    return schema


schema = the_schema()
as_asked = hypothesis_settings(suppress_health_check=list(HealthCheck), deadline=None)


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


class Tally:
    """What one file has asked, and what it was answered."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.codes: Counter[int] = Counter()

    def ask(self, case: schemathesis.Case, role: Role) -> None:
        """Send a request as this role. Fails on a 5xx, an undocumented status, and an answer of another form."""
        _point_at_what_is_there(case)
        headers = {} if role is Role.ANONYMOUS else {"Authorization": f"Bearer {token('anna', role)}"}
        response = case.call(headers=headers)
        self.asked[role] += 1
        self.codes[response.status_code] += 1
        case.validate_response(response, headers=headers)

    def show(self, shown: Shown) -> None:
        """Print how many requests were sent."""
        told = ", ".join(f"{role} {count}" for role, count in self.asked.items())
        broken = sum(count for code, count in self.codes.items() if code >= 500)
        total = sum(self.asked.values())
        shown(f"schemathesis: {total} requests by {len(self.asked)} roles ({told}): {broken} answers of 5xx")
        shown(f"answers by status: {dict(sorted(self.codes.items()))}")
