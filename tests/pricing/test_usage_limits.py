"""The `usage_limits` JSON of the services before: read, refused by name, and written again (PL-01, US-03)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing import catalog
from pricing.errors import UsageLimitsWrong
from pricing.inclusions import Inclusion
from pricing.models import Feature, PlanFeature
from pricing.usage_limits import compiled, shown

Json = dict[str, Any]
KNOWN = {
    "calls": Feature(code="calls", kind="metered", consumable=True),
    "disk": Feature(code="disk", kind="metered", consumable=False),
    "pdf": Feature(code="pdf", kind="boolean"),
    "help": Feature(code="help", kind="static"),
}
UNITS = st.none() | st.integers(0, 2**63 - 1)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"calls": 5}, Inclusion("calls", 5, "month")),
        ({"calls": None}, Inclusion("calls", None, "month")),
        ({"disk": 5}, Inclusion("disk", 5, "never")),
        ({"disk": {"limit": 0}}, Inclusion("disk", 0, "never")),
        ({"calls": {"limit": 5, "period": None}}, Inclusion("calls", 5, "month")),
        (
            {"calls": {"limit": 5, "period": "day", "soft": True, "per_member_cap": 2, "rollover_max": 3}},
            Inclusion("calls", 5, "day", soft=True, member_cap=2, rollover_max=3),
        ),
        (
            {
                "calls": {
                    "limit": 5,
                    "anchor": "calendar",
                    "time_zone": "Europe/Berlin",
                    "warn_at": [50],
                    "priority": -1,
                }
            },
            Inclusion("calls", 5, "month", anchor="calendar", time_zone="Europe/Berlin", warn_at=(50,), priority=-1),
        ),
    ],
)
def test_it_is_read_into_what_a_plan_includes(said: Json, meant: Inclusion) -> None:
    assert compiled(said, KNOWN) == (meant,)


def test_its_features_stand_in_order_of_their_codes() -> None:
    assert [each.feature for each in compiled({"disk": 1, "calls": 1}, KNOWN)] == ["calls", "disk"]


@pytest.mark.parametrize(
    ("said", "place", "why"),
    [
        ([], "", "an object of feature codes"),
        (None, "", "an object of feature codes"),
        ({"fax": 1}, "fax", "no such feature"),
        ({"a.b/c~d": 1}, "a.b~1c~0d", r"usage_limits\.a\.b/c~d: there is no such feature"),
        ({"pdf": 1}, "pdf", "it is boolean"),
        ({"help": {"limit": 1}}, "help", "it is static"),
        ({"calls": "many"}, "calls", "say a number"),
        ({"calls": 1.5}, "calls", "say a number"),
        ({"calls": {}}, "calls/limit", "it is missing"),
        ({"calls": True}, "calls/limit", "whole number from 0 or null, not true"),
        ({"calls": -1}, "calls/limit", "whole number from 0"),
        ({"calls": {"limit": 2**63}}, "calls/limit", "whole number from 0"),
        ({"calls": {"limit": "5"}}, "calls/limit", 'not "5"'),
        ({"calls": {"limit": 5, "per": "day"}}, "calls/per", "this word is not known"),
        ({"calls": {"limit": 5, "period": "fortnight"}}, "calls/period", "one of day, week, month"),
        ({"calls": {"limit": 5, "period": ["day"]}}, "calls/period", "one of day"),
        ({"calls": {"limit": 5, "period": "Month", "soft": None}}, "calls/period", 'not "Month"'),
        ({"calls": {"limit": 5, "anchor": None}}, "calls/anchor", "not null"),
        ({"calls": {"limit": None, "rollover_max": 1}}, "calls/rollover_max", "nothing is left to roll over"),
        ({"disk": {"limit": 5, "period": "month"}}, "disk/period", "its period is never"),
        ({"calls": {"limit": 5, "soft": 1}}, "calls/soft", "true or false"),
        ({"calls": {"limit": 5, "anchor": "moon"}}, "calls/anchor", "one of billing, calendar"),
        ({"calls": {"limit": 5, "time_zone": 1}}, "calls/time_zone", "name of a time zone"),
        ({"calls": {"limit": 5, "warn_at": 80}}, "calls/warn_at", "a list of percentages"),
        ({"calls": {"limit": 5, "warn_at": [True]}}, "calls/warn_at", "a list of percentages"),
        ({"calls": {"limit": 5, "rollover_max": -1}}, "calls/rollover_max", "whole number from 0"),
        ({"calls": {"limit": 5, "per_member_cap": 0.5}}, "calls/per_member_cap", "whole number from 0"),
        ({"calls": {"limit": 5, "priority": 101}}, "calls/priority", "from -100 to 100"),
        ({"calls": {"limit": 5, "member_cap": 1, "per_member_cap": 2}}, "calls/per_member_cap", "another word"),
        (
            {"calls": {"limit": 5, "anchor": "calendar", "time_zone": "Mars/Base"}},
            "calls/time_zone",
            "no time zone 'Mars/Base'",
        ),
        ({"calls": {"limit": 5, "time_zone": "Europe/Berlin"}}, "calls/time_zone", "goes with the anchor calendar"),
        ({"disk": {"limit": 5, "rollover_max": 1}}, "disk/rollover_max", "can roll over"),
        ({"calls": {"limit": 5, "period": "never", "rollover_max": 1}}, "calls/rollover_max", "can roll over"),
        ({"calls": {"limit": 5, "warn_at": [90, 80]}}, "calls/warn_at", "rising percentages"),
        ({"calls": {"limit": 5, "warn_at": [0]}}, "calls/warn_at", "rising percentages"),
    ],
)
def test_what_it_cannot_mean_is_refused_by_its_place(said: object, place: str, why: str) -> None:
    with pytest.raises(UsageLimitsWrong, match=why) as refused:
        compiled(said, KNOWN)

    assert refused.value.field == f"usage_limits/{place}".removesuffix("/")


@st.composite
def inclusions(draw: st.DrawFn) -> Inclusion:
    code = draw(st.sampled_from(["calls", "disk"]))
    limit = draw(UNITS)
    period = draw(st.sampled_from(PlanFeature.Period.values)) if code == "calls" else "never"
    anchor = draw(st.sampled_from(PlanFeature.Anchor.values))
    rolls = period != "never" and limit is not None
    return Inclusion(
        code,
        limit=limit,
        period=period,
        soft=draw(st.booleans()),
        anchor=anchor,
        time_zone=draw(st.sampled_from(["UTC", "Asia/Kolkata"])) if anchor == "calendar" else "UTC",
        warn_at=tuple(sorted(draw(st.sets(st.integers(1, 1000), max_size=10)))),
        rollover_max=draw(UNITS) if rolls else None,
        member_cap=draw(UNITS),
        priority=draw(st.integers(-100, 100)),
    )


@given(included=inclusions())
def test_what_is_shown_is_read_back_as_it_was(included: Inclusion) -> None:
    assert compiled({included.feature: shown(included)}, KNOWN) == (included,)


FILE = """
[features.calls]
name = "Calls"
kind = "metered"
[features.pdf]
name = "PDF"
kind = "boolean"
[plans.one]
name = "One"
billing_cycle = "monthly"
amount_minor = 500
[plans.one.features]
pdf = {}
[plans.one.usage_limits]
"""


def read(tmp_path: Path, limits: str) -> tuple[Inclusion, ...]:
    file = tmp_path / "plans.toml"
    file.write_text(FILE + limits)
    return catalog.plans(file)[1][0].terms.features


def test_the_seed_takes_it_beside_features(tmp_path: Path) -> None:
    found = read(tmp_path, 'calls = { limit = 7, period = "week", per_member_cap = 2 }')

    assert found == (Inclusion("calls", 7, "week", member_cap=2), Inclusion("pdf"))


def test_the_seed_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    with pytest.raises(UsageLimitsWrong, match=r"usage_limits\.calls\.per: this word is not known"):
        read(tmp_path, "calls = { limit = 7, per = 2 }")
    with pytest.raises(UsageLimitsWrong, match=r"usage_limits\.fax: there is no such feature"):
        read(tmp_path, "fax = 7")
    with pytest.raises(TypeError, match="plan one: in features and in usage_limits: pdf"):
        read(tmp_path, "pdf = 7")
