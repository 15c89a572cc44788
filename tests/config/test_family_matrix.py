"""The cells of a family: every operation on what is another's, by its owner, its members, and who is no more in it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
from django.db import transaction

from config.api.authentication import Role
from config.api.roles import ROLES, Reach
from entitlements import families, invitations
from entitlements.models import Family
from events import clock
from tests.api import api
from tests.config.test_matrix import OPERATIONS, Things, bought, invite, send
from tests.shown import Shown
from tests.stripe_side import StripeSide

ASKED = [
    row for row, reach in ROLES.items() if reach.get(Role.USER) is Reach.OWN and OPERATIONS[row].names != "nothing"
]
NOTHING: dict[str, int] = {}
# The column "family owner" of the design: checks, entitlements and usage of his members. And the family itself is his.
OF_A_MEMBER = dict.fromkeys(
    (
        *("GET entitlement-check", "POST entitlement-check", "POST entitlement-check-bulk"),
        *("POST ofrep-flag", "POST ofrep-flags", "GET user-entitlements", "GET user-usage"),
    ),
    200,
)
LED = {
    **dict.fromkeys(("GET family", "GET family-members", "GET family-invitations"), 200),
    **{"POST family-invitations": 201, "DELETE invitation": 204, "DELETE family-member": 204},
    **{"POST family-transfer": 200, "POST family-close": 200, "POST family-leave": 409},
}
SEEN = {"GET family": 200, "GET family-members": 200, "POST family-leave": 204}


@pytest.fixture
def people(books: None, stripe_side: StripeSide) -> tuple[Things, Things, Things]:
    """Give what Anna has, who leads a family; what Mia has, who is in it; and what Ben has, who leads another."""
    anna, mia, ben = (bought(stripe_side, who, country="IN", plan="premium-plan") for who in ("anna", "mia", "ben"))
    families.close(Family.objects.get(pk=mia.family), at=clock.now())
    invitations.accept(invite(Family.objects.get(pk=anna.family), "mia"), "mia", at=clock.now())
    return anna, replace(mia, family=anna.family, sent=anna.sent), ben


def differing(caller: str, things: Things, allowed: dict[str, int]) -> list[str]:
    """Call every operation on another's things, and name those that answer as they should not; change nothing."""
    wrong = []
    for operation in ASKED:
        with transaction.atomic() if operation in allowed else nullcontext():
            status = send(api(caller), operation, things).status_code
            if operation in allowed:
                transaction.set_rollback(True)
        if status != allowed.get(operation, 404):
            wrong.append(f"{operation} by {caller} of {things.user_id}: {status}, not {allowed.get(operation, 404)}")
    return wrong


def test_every_cell_of_a_family_holds(people: tuple[Things, Things, Things], shown: Shown) -> None:
    """SE-02, API1:2023: owner of member, member of owner, each of another family, and all of it after leaving."""
    anna, mia, ben = people
    cells = [("anna", mia, {**OF_A_MEMBER, **LED}), ("mia", anna, SEEN), ("mia", ben, NOTHING), ("ben", mia, NOTHING)]

    wrong = [line for caller, things, allowed in cells for line in differing(caller, things, allowed)]
    families.leave(Family.objects.get(pk=anna.family), "mia", at=clock.now())
    # The family that stands among Mia's things is Anna's own, and no way to Mia any more.
    left = [("anna", replace(mia, family=ben.family, sent=ben.sent), NOTHING), ("mia", anna, NOTHING)]
    wrong += [line for caller, things, allowed in left for line in differing(caller, things, allowed)]

    assert wrong == []
    shown(f"{len(ASKED)} operations x 6 pairs of a family = {6 * len(ASKED)} cells, owner, member and former member")
