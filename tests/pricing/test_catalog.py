"""The seed's facts: the documents' own examples, and every country (PL-03, PZ-01 .. PZ-05, PZ-08)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricing import catalog, plans

ZONE_ROWS, COUNTRY_ROWS = catalog.zones()
COUNTRIES = {row.iso_code: row for row in COUNTRY_ROWS}
# ISO 3166-1 alpha-2, all 249, and Kosovo's user-assigned code.
ISO_3166 = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
    CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
    GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
    KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
    MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
    SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
    UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK
"""


@pytest.mark.parametrize(
    ("zone", "multiplier", "examples"),
    [
        ("A", "1.00", "US GB DE JP"),
        ("B", "0.70", "CN BR RU"),
        ("C", "0.40", "IN ID PH"),
        ("D", "0.20", "AF ET UG"),
    ],
    ids=["PZ-02", "PZ-03", "PZ-04", "PZ-05"],
)
def test_the_documents_examples_stand_in_their_zones(zone: str, multiplier: str, examples: str) -> None:
    rows = {row.code: row for row in ZONE_ROWS}

    assert str(rows[zone].multiplier) == multiplier
    assert {COUNTRIES[code].zone_id for code in examples.split()} == {zone}


def test_every_country_of_iso_3166_is_there() -> None:
    """PZ-08."""
    assert len(ISO_3166.split()) == 250
    assert set(COUNTRIES) == set(ISO_3166.split())
    assert all(row.name and len(row.name) <= 255 for row in COUNTRY_ROWS)


def test_a_zone_other_than_the_class_s_has_a_reason() -> None:
    """Ruling 31: the zone is policy, the class is data, and the difference is explained."""
    zone_of = {row.world_bank_classification: row.code for row in ZONE_ROWS}

    for row in COUNTRY_ROWS:
        assert row.reason or zone_of.get(row.world_bank_classification) == row.zone_id, row.iso_code
        assert row.dataset == "World Bank FY2026"


def test_russia_indonesia_and_ethiopia_keep_the_documents_zones_beside_their_class() -> None:
    found = [(COUNTRIES[code].zone_id, COUNTRIES[code].world_bank_classification) for code in ("RU", "ID", "ET")]

    assert found == [("B", "High income"), ("C", "Upper middle income"), ("D", "Not classified")]


def test_the_documents_plans_are_for_sale_as_they_say() -> None:
    """PL-02, PL-04, PL-06, PL-07: 29.99 once for life, 1999 USD a month, a family of six."""
    _, rows = catalog.plans()
    plans_by_id = {row.id: row for row in rows}

    premium, pro, family = (plans_by_id[plan].terms for plan in ("premium-plan", "pro-monthly", "family-yearly"))

    assert (premium.billing_cycle, premium.amount_minor, premium.currency) == ("one_time", 2999, "usd")
    assert (pro.billing_cycle, pro.amount_minor, pro.currency) == ("monthly", 1999, "usd")
    assert (family.billing_cycle, family.max_users) == ("yearly", 6)
    assert plans_by_id["pro-monthly"].said["description"] == "Pro Plan Monthly Subscription"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('[countries."Not in list"]\nQM = "Nowhere"\n[overrides]', "QM has no zone"),
        ('[countries."High income"]\nUS = "A"\n[countries."Low income"]\nUS = "B"\n[overrides]', "US has no zone, or"),
        ('[countries."High income"]\n[overrides]\nQM = { zone = "A", reason = "x" }', "unknown countries: QM"),
    ],
)
def test_a_slip_in_the_file_of_zones_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    zones = "\n".join(
        f'[zones.{code}]\nname = "{code}"\nmultiplier = "1"\nworld_bank_classification = "{group}"'
        for code, group in (("A", "High income"), ("D", "Low income"))
    )
    file = tmp_path / "zones.toml"
    file.write_text(f'dataset = "x"\n{zones}\n{text}\n')

    with pytest.raises(ValueError, match=wrong):
        catalog.zones(file)


def test_an_unknown_word_in_the_file_of_plans_is_named(tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text('[features]\n[plans.x]\nname = "X"\nprice = 3\n[plans.x.features]\n')

    with pytest.raises(TypeError, match="plan x: unknown words: price"):
        catalog.plans(file)


@pytest.mark.usefixtures("world")
def test_every_plan_of_the_file_can_be_sold() -> None:
    """PL-10."""
    _, rows = catalog.plans()

    for row in rows:
        plans.require_sound(row.terms)
