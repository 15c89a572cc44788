"""Pricing zones over HTTP (PZ-01, PZ-06)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from events import clock
from events.models import Event
from pricing import quotes
from pricing.models import Country, PlanVersion
from tests.api import places
from tests.pricing.conftest import history_of

Clients = Callable[..., APIClient]
Plans = Callable[..., PlanVersion]
V1 = "/api/v1"


def test_a_country_is_shown_in_the_documents_flat_form(world: None, client_of: Clients) -> None:
    """PZ-01, PZ-06: GetByISOCode."""
    body = client_of().get(f"{V1}/pricing-zones/in").json()

    assert {name: body[name] for name in body if name not in ("id", "created_at", "updated_at")} == {
        "country": "India",
        "iso_code": "IN",
        "zone": "C",
        "zone_name": "Mid-Low",
        "world_bank_classification": "Lower middle income",
        "gni_per_capita_threshold": "$1,136 - $4,495",
        "pricing_multiplier": "0.40",
        "dataset": "World Bank FY2026",
        "reason": "",
    }
    assert body["id"] == str(Country.objects.get(iso_code="IN").pk)


def test_zones_are_found_by_zone_by_name_and_all(world: None, client_of: Clients) -> None:
    """PZ-06: GetByZone, GetByCountry, List."""
    client = client_of()

    by_zone = client.get(f"{V1}/pricing-zones", {"zone": "D", "offset": 0, "limit": 1}).json()
    by_name = client.get(f"{V1}/pricing-zones", {"country": "türkiye"}).json()
    everything = client.get(f"{V1}/pricing-zones", {"offset": 0, "limit": 100}).json()

    assert by_zone["total"] == Country.objects.filter(zone="D").count()
    assert [row["iso_code"] for row in by_name["data"]] == ["TR"]
    assert (everything["total"], everything["has_more"]) == (250, True)


def test_every_country_is_met_once_when_paging(world: None, client_of: Clients) -> None:
    client, met, cursor = client_of(), [], {}

    while True:
        body = client.get(f"{V1}/pricing-zones", {"limit": 60, **cursor}).json()
        met += [row["iso_code"] for row in body["data"]]
        if not body["has_more"]:
            break
        cursor = {"starting_after": body["next_cursor"]}

    assert len(met) == len(set(met)) == 250


def test_an_unknown_country_is_a_404_and_a_malformed_one_a_400(world: None, client_of: Clients) -> None:
    assert client_of().get(f"{V1}/pricing-zones/QM").status_code == 404
    assert client_of().get(f"{V1}/pricing-zones/IND").status_code == 400
    assert client_of().get(f"{V1}/pricing-zones", {"zone": "E"}).status_code == 400


def test_an_admin_adds_changes_and_removes_a_country(world: None, client_of: Clients) -> None:
    """PZ-06: Upsert, Delete."""
    client = client_of("admin", "root")
    said = {"country": "Nowhere", "zone": "C", "pricing_multiplier": "0.35", "reason": "a trial"}

    added = client.put(f"{V1}/pricing-zones/qm", said, format="json")
    repeated = client.put(f"{V1}/pricing-zones/QM", said, format="json")
    moved = client.put(f"{V1}/pricing-zones/QM", {"country": "Nowhere", "zone": "D"}, format="json")
    removed = client.delete(f"{V1}/pricing-zones/QM")

    assert [answer.status_code for answer in (added, repeated, moved, removed)] == [201, 200, 200, 204]
    assert (added.json()["pricing_multiplier"], moved.json()["pricing_multiplier"]) == ("0.35", "0.35")
    assert moved.json()["reason"] == "a trial"
    assert history_of("country:QM") == ["country.added", "country.changed", "country.removed"]
    assert set(Event.objects.filter(subject="country:QM").values_list("actor", flat=True)) == {"admin:root"}


def test_history_keeps_why_an_admin_changed_a_country_and_what_it_was(world: None, client_of: Clients) -> None:
    client, said = client_of("admin", "root"), {"country": "India", "zone": "D"}

    client.put(f"{V1}/pricing-zones/IN", said, format="json", headers={"Change-Reason": "FY2027 classes"})
    rows = {"rows": [{**said, "iso_code": "IN", "zone": "B"}]}
    client.post(f"{V1}/pricing-zones/bulk", rows, format="json", headers={"Change-Reason": "a slip"})
    client.delete(f"{V1}/pricing-zones/IN", headers={"Change-Reason": "sanctions"})
    refused = client.delete(f"{V1}/pricing-zones/US", headers={"Change-Reason": "x" * 501})

    events = list(Event.objects.filter(subject="country:IN", actor="admin:root").order_by("sequence"))
    assert [event.data["why"] for event in events] == ["FY2027 classes", "a slip", "sanctions"]
    zones = [((event.data["before"] or {})["zone_id"], (event.data["after"] or {}).get("zone_id")) for event in events]
    assert zones == [("C", "D"), ("D", "B"), ("B", None)]
    assert (refused.status_code, places(refused)) == (400, ["Change-Reason"])


def test_a_multiplier_of_the_zone_or_null_is_none_of_its_own(world: None, client_of: Clients) -> None:
    client = client_of("admin")

    for multiplier in ("0.4", None):
        said = {"country": "India", "zone": "C", "pricing_multiplier": multiplier}
        client.put(f"{V1}/pricing-zones/IN", said, format="json")

        assert Country.objects.get(iso_code="IN").multiplier is None


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"country": "India", "zone": "E"}, ["#/zone"]),
        ({"country": "India", "zone": "C", "pricing_multiplier": "0"}, ["#/pricing_multiplier"]),
        ({"country": "India", "zone": "C", "pricing_multiplier": "2.01"}, ["#/pricing_multiplier"]),
        ({"country": "India", "zone": "C", "pricing_multiplier": "0.333"}, ["#/pricing_multiplier"]),
        ({"country": "India", "zone": "C", "pricing_multiplier": "NaN"}, ["#/pricing_multiplier"]),
        ({}, ["#/country", "#/zone"]),
    ],
)
def test_a_bad_upsert_names_its_fields(world: None, client_of: Clients, said: dict[str, Any], wrong: list[str]) -> None:
    answer = client_of("admin").put(f"{V1}/pricing-zones/IN", said, format="json")

    assert (answer.status_code, places(answer)) == (400, wrong)


def test_a_dry_bulk_shows_what_a_wet_one_does(world: None, client_of: Clients) -> None:
    """PZ-06: BulkUpsert."""
    client = client_of("admin")
    rows = [
        {"iso_code": "qm", "country": "Nowhere", "zone": "D"},
        {"iso_code": "IN", "country": "India", "zone": "D"},
        {"iso_code": "US", "country": "United States", "zone": "A"},
    ]
    quotes.ask("premium-plan", "IN", user_id=None, principal="", key=None, at=clock.now())

    dry = client.post(f"{V1}/pricing-zones/bulk", {"rows": rows, "dry_run": True}, format="json").json()
    untouched = Country.objects.get(iso_code="IN").zone_id
    wet = client.post(f"{V1}/pricing-zones/bulk", {"rows": rows}, format="json").json()
    again = client.post(f"{V1}/pricing-zones/bulk", {"rows": rows}, format="json").json()

    assert untouched == "C"
    assert {**dry, "dry_run": False} == wet
    assert (wet["added"], wet["changed"], wet["unchanged"], wet["open_quotes"]) == (["QM"], ["IN"], ["US"], 1)
    assert [(change["before"] or {}).get("zone_id") for change in wet["changes"]] == [None, "C"]
    assert again["unchanged"] == ["QM", "IN", "US"]


def test_every_bad_row_of_a_bulk_is_named_and_none_is_written(world: None, client_of: Clients) -> None:
    rows = [
        {"iso_code": "IN", "country": "India", "zone": "D"},
        {"iso_code": "INDIA", "country": "India", "zone": "D"},
        {"iso_code": "US", "country": "", "zone": "E"},
    ]

    answer = client_of("admin").post(f"{V1}/pricing-zones/bulk", {"rows": rows}, format="json")

    assert answer.status_code == 400
    assert sorted(places(answer)) == ["#/rows/1/iso_code", "#/rows/2/country", "#/rows/2/zone"]
    assert Country.objects.get(iso_code="IN").zone_id == "C"


def test_a_country_twice_in_a_bulk_is_named_at_its_second_row(world: None, client_of: Clients) -> None:
    rows = [{"iso_code": code, "country": "India", "zone": "C"} for code in ("IN", "in")]

    answer = client_of("admin").post(f"{V1}/pricing-zones/bulk", {"rows": rows}, format="json")

    assert places(answer) == ["#/rows/1/iso_code"]


@pytest.mark.parametrize("count", [0, 301])
def test_a_bulk_has_1_to_300_rows(world: None, client_of: Clients, count: int) -> None:
    rows = [{"iso_code": "IN", "country": "India", "zone": "C"}] * count

    answer = client_of("admin").post(f"{V1}/pricing-zones/bulk", {"rows": rows}, format="json")

    assert answer.status_code == 400
    assert all(pointer.startswith("#/rows") for pointer in places(answer))


@pytest.mark.parametrize("role", ["", "user", "service", "support"])
def test_only_admins_write(world: None, client_of: Clients, role: str) -> None:
    client, said = client_of(role), {"country": "India", "zone": "D"}

    answers = [
        client.put(f"{V1}/pricing-zones/IN", said, format="json"),
        client.delete(f"{V1}/pricing-zones/IN"),
        client.post(f"{V1}/pricing-zones/bulk", {"rows": [{"iso_code": "IN", **said}]}, format="json"),
    ]

    assert {answer.status_code for answer in answers} == {403 if role else 401}
    assert Country.objects.get(iso_code="IN").zone_id == "C"
