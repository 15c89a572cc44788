from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from billing import earned, proposals
from billing.admin.states import OfPayment
from billing.errors import BillingError
from billing.models import ZoneCheck
from config.office import ExplainedAction, reason, staff


@admin.register(ZoneCheck)
class ZoneCheckAdmin(OfPayment):
    list_display = (
        "created_at",
        "user",
        "payment",
        "claim",
        "card_country",
        "card_zone",
        "ground",
        "state",
        "decided_by",
    )
    list_filter = ("status", "ground", "card_country")
    list_select_related = ("payment__customer", "quote")
    search_fields = ("payment__customer__user_id", "payment__stripe_id")
    action_form = ExplainedAction
    actions = ("accept", "propose", "refund_and_cancel")

    @display(description="claimed")
    def claim(self, row: ZoneCheck) -> str:
        """Name the country and zone that the price was made for."""
        return f"{row.quote.country_code} (zone {row.quote.zone_code})"

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Who may change a check may decide it."""
        return bool(request.user.has_perm("billing.change_zonecheck"))

    @admin.action(description="Accept the claimed zone", permissions=["decide"])
    def accept(self, request: HttpRequest, checks: QuerySet[ZoneCheck]) -> None:
        """Let the chosen claims stand."""
        _each(request, checks, earned.accept)

    @admin.action(description="Ask the buyer for the price of his card's country", permissions=["decide"])
    def propose(self, request: HttpRequest, checks: QuerySet[ZoneCheck]) -> None:
        """Propose the other price from the next period on; it is billed only if he agrees."""
        _each(request, checks, proposals.propose)

    @admin.action(description="Refund all of it and cancel", permissions=["decide"])
    def refund_and_cancel(self, request: HttpRequest, checks: QuerySet[ZoneCheck]) -> None:
        """Give the money back and end what was bought."""
        _each(request, checks, earned.give_back)


def _each(request: HttpRequest, checks: QuerySet[ZoneCheck], decide: Callable[..., None]) -> None:
    if not reason(request):
        messages.error(request, "Nothing was decided: say why, beside the action.")
        return
    for check in checks:
        try:
            with staff(request):
                decide(check, by=f"staff:{request.user.get_username()}")
        except BillingError as refused:
            messages.error(request, f"{check.payment_id}: {refused}")
        else:
            messages.success(request, f"{check.payment_id}: decided.")
