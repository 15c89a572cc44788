"""Who may do what: one row for each operation, deny by default.

The key is the method and the route's name. The table makes the permissions and the `x-roles` of the OpenAPI schema; a
route without a row is refused to everybody and fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from config.api.authentication import Role, Scope


class Reach(StrEnum):
    """Whose objects an operation may touch."""

    OWN = "own"
    ANY = "any"


Row = Mapping[Role, Reach]

EVERYBODY: Row = dict.fromkeys(Role, Reach.ANY)
ADMIN: Row = {Role.ADMIN: Reach.ANY}
STAFF: Row = {Role.SUPPORT: Reach.ANY, Role.ADMIN: Reach.ANY}
STAFF_AND_SERVICES: Row = {Role.SERVICE: Reach.ANY, Role.SUPPORT: Reach.ANY, Role.ADMIN: Reach.ANY}
OWNER_AND_READERS: Row = {Role.USER: Reach.OWN, **STAFF_AND_SERVICES}
OWNER_AND_ADMIN: Row = {Role.USER: Reach.OWN, Role.ADMIN: Reach.ANY}
OWNER_AND_STAFF: Row = {Role.USER: Reach.OWN, Role.SUPPORT: Reach.ANY, Role.ADMIN: Reach.ANY}

ROLES: Mapping[str, Row] = {
    "GET plans": EVERYBODY,
    "GET plan": EVERYBODY,
    "GET features": EVERYBODY,
    "POST quotes": EVERYBODY,
    "GET pricing-zones": EVERYBODY,
    "GET pricing-zone": EVERYBODY,
    "PUT pricing-zone": ADMIN,
    "DELETE pricing-zone": ADMIN,
    "POST pricing-zones-bulk": ADMIN,
    "POST checkout-sessions": OWNER_AND_ADMIN,
    "GET checkout-session": OWNER_AND_READERS,
    "GET payments": STAFF_AND_SERVICES,
    "GET payment": OWNER_AND_READERS,
    "GET user-payments": OWNER_AND_READERS,
    "POST refunds": STAFF,
    "GET refund": OWNER_AND_READERS,
    "GET payment-refunds": OWNER_AND_READERS,
    "GET disputes": STAFF_AND_SERVICES,
    "GET dispute": STAFF_AND_SERVICES,
    "GET payment-disputes": OWNER_AND_READERS,
    "POST refund-approvals": ADMIN,
    "GET refund-approvals": ADMIN,
    "GET refund-approval": ADMIN,
    "POST refund-approval-approve": ADMIN,
    "POST refund-approval-decline": ADMIN,
    "GET subscription": OWNER_AND_READERS,
    "DELETE subscription": OWNER_AND_STAFF,
    "GET user-subscriptions": OWNER_AND_READERS,
    "GET entitlement-check": OWNER_AND_READERS,
    "POST entitlement-check": OWNER_AND_READERS,
    "GET user-entitlements": OWNER_AND_READERS,
    "GET events": STAFF_AND_SERVICES,
    "POST stripe-webhook": EVERYBODY,
}

# What is not open to all whom an operation lets in: a mode of it, or a part of its answer.
DEEDS: Mapping[str, Row] = {
    "cancel at once": OWNER_AND_ADMIN,
    "refund without a reason": ADMIN,
    "see in full": {Role.USER: Reach.OWN, Role.SERVICE: Reach.ANY, Role.ADMIN: Reach.ANY},
    # Everybody without a token is one principal: a key of his would bring what a stranger made.
    "use an Idempotency-Key": OWNER_AND_READERS,
}
# The scope that a service needs beside its row. What is not named needs `admin`: the whole row of services, which is
# still less than the role of that name.
SCOPES: Mapping[str, Scope] = {
    "GET entitlement-check": Scope.CHECK,
    "POST entitlement-check": Scope.CHECK,
    "GET user-entitlements": Scope.CHECK,
    "GET events": Scope.EVENTS_READ,
}


def scope_of(operation: str) -> Scope | None:
    """Return the scope that a service needs for an operation; None where everybody may."""
    return None if ROLES.get(operation) is EVERYBODY else SCOPES.get(operation, Scope.ADMIN)
