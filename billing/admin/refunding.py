"""The page on which staff give money back: the same verbs, caps and second admin as by the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from billing import approvals, caps, refunds, sync
from billing.errors import BillingError, RefundOverCap
from billing.idempotency import Asking
from billing.models import Payment, Refund
from config.office import because, staff
from pricing.money import exponent


class RefundForm(forms.Form):
    """`key` makes a second click the same refund. The amount is typed as people write it."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    amount = forms.DecimalField(required=False, max_digits=14, widget=UnfoldAdminDecimalFieldWidget({"step": "any"}))
    reason = forms.ChoiceField(choices=Refund.Reason.choices, widget=UnfoldAdminSelectWidget)
    why = because()

    def __init__(self, *args: Any, payment: Payment, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.currency = payment.currency
        field = self.fields["amount"]
        field.label = f"Amount in {payment.currency.upper()}"
        field.help_text = f"Such as {payment.left.decimal}; all that is left when empty."

    def clean_amount(self) -> int | None:
        """Return minor units. Raises ValidationError for a part of one."""
        said: Decimal | None = self.cleaned_data["amount"]
        if said is None:
            return None
        places = exponent(self.currency)
        minor = said.scaleb(places)
        if minor != int(minor) or minor < 1:
            raise forms.ValidationError(f"Give an amount above 0 with at most {places} decimal places.")
        return int(minor)


def refund_page(request: HttpRequest, object_id: str, each_context: dict[str, Any]) -> HttpResponse:
    """Show the form, or give back what it says; over the cap another admin is asked."""
    payment = get_object_or_404(Payment.objects.select_related("customer"), pk=object_id)
    form = RefundForm(request.POST or None, payment=payment, initial={"key": uuid4()})
    if form.is_valid():
        try:
            with staff(request):
                said = _give_back(request, payment, form.cleaned_data)
        except BillingError as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, said)
            return HttpResponseRedirect(reverse("admin:billing_payment_change", args=[payment.pk]))
    shown = {**each_context, "title": f"Refund {payment.amount}", "form": form, "payment": payment}
    return render(request, "office/refund.html", shown)


def _give_back(request: HttpRequest, payment: Payment, said: dict[str, Any]) -> str:
    amount, reason = said["amount"], said["reason"]
    body = {"payment_id": str(payment.pk), "amount": amount, "reason": reason}
    asking = Asking.of(f"staff:{request.user.get_username()}", str(said["key"]), body)
    try:
        refund, _ = refunds.create(payment, amount, reason=reason, asking=asking, cap=caps.of(payment.currency))
    except RefundOverCap:
        approval, _ = approvals.ask(payment, amount, reason=reason, asking=asking)
        return f"{approval.amount} is over the cap: another admin must approve it, under Refund approvals."
    sync.try_look(str(payment.stripe_id))
    refund.refresh_from_db()
    return f"Refund of {refund.amount}: {refund.status}."
