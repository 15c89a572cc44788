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
SERVICES_AND_ADMIN: Row = {Role.SERVICE: Reach.ANY, Role.ADMIN: Reach.ANY}
OWNER_AND_READERS: Row = {Role.USER: Reach.OWN, **STAFF_AND_SERVICES}
OWNER: Row = {Role.USER: Reach.OWN}
OWNER_AND_ADMIN: Row = {Role.USER: Reach.OWN, Role.ADMIN: Reach.ANY}
OWNER_SERVICES_AND_ADMIN: Row = {Role.USER: Reach.OWN, **SERVICES_AND_ADMIN}
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
    "POST customers": OWNER_AND_ADMIN,
    "GET customers": STAFF_AND_SERVICES,
    "GET customer": OWNER_AND_READERS,
    "PATCH customer": OWNER_AND_ADMIN,
    "POST payment-methods": OWNER_AND_ADMIN,
    "POST payment-methods-setup": OWNER_AND_ADMIN,
    "DELETE payment-method": OWNER_AND_ADMIN,
    "POST payment-method-default": OWNER_AND_ADMIN,
    "GET user-payment-methods": OWNER_AND_READERS,
    "GET payments": STAFF_AND_SERVICES,
    "POST payments": OWNER_SERVICES_AND_ADMIN,
    "POST payment-intent": OWNER_SERVICES_AND_ADMIN,
    "GET payment": OWNER_AND_READERS,
    "PATCH payment-status": SERVICES_AND_ADMIN,
    "GET customer-payments": OWNER_AND_READERS,
    "GET user-payments": OWNER_AND_READERS,
    "POST refunds": STAFF,
    "GET refunds": STAFF_AND_SERVICES,
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
    "GET subscriptions": STAFF_AND_SERVICES,
    "POST subscriptions": OWNER_AND_ADMIN,
    "PATCH subscription": OWNER_AND_ADMIN,
    "POST subscription-preview": OWNER_AND_ADMIN,
    "POST subscription-reactivate": OWNER_AND_ADMIN,
    # A consent is the buyer's own word.
    "POST subscription-consent": OWNER,
    "POST subscription-pause": OWNER_AND_ADMIN,
    "POST subscription-resume": OWNER_AND_ADMIN,
    "GET subscription": OWNER_AND_READERS,
    "DELETE subscription": OWNER_AND_STAFF,
    "GET user-subscriptions": OWNER_AND_READERS,
    "GET invoices": STAFF_AND_SERVICES,
    "POST invoices": SERVICES_AND_ADMIN,
    "GET invoice": OWNER_AND_READERS,
    "POST invoice-void": ADMIN,
    "POST invoice-uncollectible": ADMIN,
    "GET user-invoices": OWNER_AND_READERS,
    "GET subscription-invoices": OWNER_AND_READERS,
    "GET entitlement-check": OWNER_AND_READERS,
    "POST entitlement-check": OWNER_AND_READERS,
    "POST entitlement-check-bulk": OWNER_AND_READERS,
    "GET user-entitlements": OWNER_AND_READERS,
    "POST families": OWNER_AND_ADMIN,
    "GET family": OWNER_AND_READERS,
    "GET user-family": OWNER_AND_READERS,
    "GET family-members": OWNER_AND_READERS,
    "GET family-invitations": OWNER_AND_READERS,
    "POST family-invitations": OWNER_AND_ADMIN,
    "GET user-invitations": OWNER_AND_READERS,
    "DELETE invitation": OWNER_AND_ADMIN,
    # Who comes or goes says so himself.
    "POST invitation-accept": OWNER,
    "POST invitation-decline": OWNER,
    "POST family-leave": OWNER,
    "DELETE family-member": OWNER_AND_ADMIN,
    "POST family-transfer": OWNER_AND_ADMIN,
    "POST family-close": OWNER_AND_ADMIN,
    "GET entitlement-stream": OWNER_AND_READERS,
    "POST entitlements": SERVICES_AND_ADMIN,
    "GET entitlement": OWNER_AND_READERS,
    "PATCH entitlement": SERVICES_AND_ADMIN,
    "GET overrides": STAFF_AND_SERVICES,
    "POST overrides": ADMIN,
    "GET override": STAFF_AND_SERVICES,
    "DELETE override": ADMIN,
    "POST usage": SERVICES_AND_ADMIN,
    "POST usage-batch": SERVICES_AND_ADMIN,
    "POST usage-corrections": ADMIN,
    "POST reservations": SERVICES_AND_ADMIN,
    "GET reservation": OWNER_AND_READERS,
    "POST reservation-commit": SERVICES_AND_ADMIN,
    "POST reservation-release": SERVICES_AND_ADMIN,
    "GET user-usage": OWNER_AND_READERS,
    "POST ofrep-flag": OWNER_AND_READERS,
    "POST ofrep-flags": OWNER_AND_READERS,
    "GET events": STAFF_AND_SERVICES,
    "POST stripe-webhook": EVERYBODY,
}

# What is not open to all whom an operation lets in: a mode of it, or a part of its answer.
DEEDS: Mapping[str, Row] = {
    "cancel at once": OWNER_AND_ADMIN,
    "name an amount": SERVICES_AND_ADMIN,
    "give a longer trial": ADMIN,
    "hold back what was paid for": ADMIN,
    "refund without a reason": ADMIN,
    "see in full": {Role.USER: Reach.OWN, Role.SERVICE: Reach.ANY, Role.ADMIN: Reach.ANY},
    # It names what staff said of a user, and what others pay for.
    "explain an answer": STAFF_AND_SERVICES,
    # Everybody without a token is one principal: a key of his would bring what a stranger made.
    "use an Idempotency-Key": OWNER_AND_READERS,
}
# The scope that a service needs beside its row. What is not named needs `admin`: the whole row of services, which is
# still less than the role of that name.
SCOPES: Mapping[str, Scope] = {
    "GET entitlement-check": Scope.CHECK,
    "POST entitlement-check": Scope.CHECK,
    "POST entitlement-check-bulk": Scope.CHECK,
    "GET user-entitlements": Scope.CHECK,
    "GET entitlement-stream": Scope.CHECK,
    "GET entitlement": Scope.CHECK,
    "POST usage": Scope.USAGE_WRITE,
    "POST usage-batch": Scope.USAGE_WRITE,
    "POST reservations": Scope.USAGE_WRITE,
    "GET reservation": Scope.USAGE_WRITE,
    "POST reservation-commit": Scope.USAGE_WRITE,
    "POST reservation-release": Scope.USAGE_WRITE,
    "GET user-usage": Scope.CHECK,
    "POST ofrep-flag": Scope.CHECK,
    "POST ofrep-flags": Scope.CHECK,
    "GET events": Scope.EVENTS_READ,
}


def scope_of(operation: str) -> Scope | None:
    """Return the scope that a service needs for an operation; None where everybody may."""
    return None if ROLES.get(operation) is EVERYBODY else SCOPES.get(operation, Scope.ADMIN)
