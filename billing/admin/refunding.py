"""The page on which staff give money back: the same verbs, caps and second admin as by the API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from billing import approvals, caps, refunds, sync
from billing.errors import BillingError, RefundOverCap
from billing.idempotency import Asking
from billing.models import Payment, Refund
from config.office import because, staff


class RefundForm(forms.Form):
    """`key` makes a second click the same refund."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    amount = forms.IntegerField(
        required=False,
        min_value=1,
        help_text="In minor units; all that is left when empty.",
        widget=UnfoldAdminIntegerFieldWidget,
    )
    reason = forms.ChoiceField(choices=Refund.Reason.choices, widget=UnfoldAdminSelectWidget)
    why = because()


def refund_page(request: HttpRequest, object_id: str, each_context: dict[str, Any]) -> HttpResponse:
    """Show the form, or give back what it says; over the cap another admin is asked."""
    payment = get_object_or_404(Payment.objects.select_related("customer"), pk=object_id)
    form = RefundForm(request.POST or None, initial={"key": uuid4()})
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
        return f"{approval.amount} is over the cap: another admin must approve it."
    sync.try_look(str(payment.stripe_id))
    refund.refresh_from_db()
    return f"Refund of {refund.amount}: {refund.status}."
