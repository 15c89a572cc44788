"""The words that a check answers with. They are stable: applications compare them."""

from __future__ import annotations

from enum import StrEnum


class ReasonCode(StrEnum):
    """Why access is given, or why not. `docs/entitlements.md` explains each."""

    GRANTED = "granted"
    WITHIN_LIMIT = "within_limit"
    SOFT_LIMIT_EXCEEDED = "soft_limit_exceeded"
    UNLIMITED = "unlimited"
    IN_GRACE = "in_grace"
    TRIAL = "trial"
    OVERRIDE_ALLOW = "override_allow"

    NO_ENTITLEMENT = "no_entitlement"
    FEATURE_UNKNOWN = "feature_unknown"
    FEATURE_ARCHIVED = "feature_archived"
    NOT_STARTED = "not_started"
    EXPIRED = "expired"
    CANCELED = "canceled"
    REVOKED = "revoked"
    SUSPENDED_PAST_DUE = "suspended_past_due"
    SUSPENDED_UNPAID = "suspended_unpaid"
    SUSPENDED_PAUSED = "suspended_paused"
    SUSPENDED_DISPUTE = "suspended_dispute"
    SUSPENDED_REFUND = "suspended_refund"
    SUSPENDED_CHARGEBACK = "suspended_chargeback"
    SUSPENDED_STAFF = "suspended_staff"
    LIMIT_REACHED = "limit_reached"
    MEMBER_CAP_REACHED = "member_cap_reached"
    NOT_FAMILY_MEMBER = "not_family_member"
    OVERRIDE_DENY = "override_deny"


def suspended(reason: str) -> ReasonCode:
    """Name a suspension by its reason. One without a known reason was made by hand."""
    code = f"suspended_{reason}"
    return ReasonCode(code) if code in set(ReasonCode) else ReasonCode.SUSPENDED_STAFF
