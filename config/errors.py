"""Domain error -> HTTP status: one table, and the handler that every view's errors pass through."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

import billing.customer_errors
import billing.errors
import billing.subscription_errors
import entitlements.errors
import entitlements.family_errors
import entitlements.staff_errors
import entitlements.usage_errors
import events.asking
import keys.errors
import pricing.errors
from config.api import limiting
from config.api.parsing import Malformed
from config.api.problems import MEDIA_TYPE, field_errors, problem, renamed
from config.api.strict import BadHeader, BadParameter

log = structlog.get_logger("farebox.errors")

# What they ask stands in the address.
BODILESS = ("GET", "HEAD", "DELETE")
STATUS: dict[type[Exception], int] = {
    events.asking.KeyReused: 422,
    pricing.errors.PricingError: 400,
    pricing.errors.PlanNotFound: 404,
    pricing.errors.CountryNotFound: 404,
    pricing.errors.PlanNotForSale: 409,
    pricing.errors.PlanVersionFrozen: 409,
    pricing.errors.FeatureInUse: 409,
    pricing.errors.ZonesMissing: 503,
    entitlements.errors.EntitlementsError: 400,
    entitlements.family_errors.NoFamilyPlan: 409,
    entitlements.family_errors.AlreadyInAFamily: 409,
    entitlements.family_errors.FamilyClosed: 409,
    entitlements.family_errors.SeatLimitReached: 409,
    entitlements.family_errors.NotAMember: 404,
    entitlements.family_errors.OwnerCannotLeave: 409,
    entitlements.family_errors.AlreadyInvited: 409,
    entitlements.family_errors.TooManyInvitations: 409,
    entitlements.family_errors.InvitationNotOpen: 409,
    entitlements.errors.StreamsFull: 503,
    entitlements.staff_errors.NoSuchFeature: 404,
    entitlements.staff_errors.PaidGrant: 409,
    entitlements.staff_errors.NotChangeable: 409,
    entitlements.staff_errors.HeldForMoney: 409,
    entitlements.usage_errors.UsageRefused: 409,
    entitlements.usage_errors.BelowZero: 409,
    entitlements.usage_errors.CorrectionRefused: 409,
    entitlements.usage_errors.CorrectsACorrection: 409,
    entitlements.usage_errors.ReservationOver: 409,
    keys.errors.KeysError: 400,
    billing.errors.BillingError: 400,
    billing.errors.StripeUnknown: 503,
    billing.errors.StripeRefused: 502,
    billing.errors.CardDeclined: 402,
    billing.errors.KeyInFlight: 409,
    billing.errors.PriceMismatch: 409,
    billing.errors.QuoteNotGood: 409,
    billing.errors.AlreadySubscribed: 409,
    billing.errors.RefundTooLarge: 409,
    billing.errors.RefundOverCap: 403,
    billing.errors.SecondAdminNeeded: 403,
    billing.errors.AlreadyDecided: 409,
    billing.errors.NotRefundable: 409,
    billing.errors.NotLive: 409,
    billing.errors.NothingToInvoice: 409,
    billing.errors.InvoiceNotOpen: 409,
    billing.customer_errors.CustomerExists: 409,
    billing.customer_errors.CustomerErased: 409,
    billing.customer_errors.PaymentMethodNotUsable: 409,
    billing.customer_errors.SetupNotDone: 409,
    billing.customer_errors.PaymentMethodInUse: 409,
    billing.customer_errors.PaymentMethodGone: 409,
    billing.customer_errors.PaymentMethodBusy: 409,
    billing.errors.OrderTaken: 409,
    billing.errors.MoveNotAllowed: 409,
    billing.errors.StripeSaysOtherwise: 409,
    billing.subscription_errors.PaymentMethodElsewhere: 409,
    billing.subscription_errors.TrialUsed: 409,
    billing.subscription_errors.OrderFailed: 409,
    billing.subscription_errors.NotChangeable: 409,
    billing.subscription_errors.NothingChanges: 409,
    billing.subscription_errors.PriceMoved: 409,
    billing.subscription_errors.PreviewGone: 409,
    billing.subscription_errors.NothingToReactivate: 409,
    billing.subscription_errors.NotPaused: 409,
    billing.subscription_errors.NotProposable: 409,
    billing.subscription_errors.NoProposal: 409,
}


def status_of(error: Exception) -> int | None:
    """Return the status of a domain error: its own row's, or its nearest parent's; None when it is no domain error."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), None)


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into a problem. None lets Django log it and answer 500."""
    # What was signed by Stripe is not limited; everything else that fails counts, before it is told why it failed.
    if not isinstance(error, billing.errors.BadEvent):
        error = limiting.refuse_beyond(context["request"]) or error
    response = _known(error, context["request"])
    if response is None:
        return None
    set_rollback()
    # A protocol of others has bodies of its own.
    rephrased: Callable[[Response, Exception], Response] | None = getattr(context.get("view"), "rephrased", None)
    return rephrased(response, error) if rephrased else response


def _known(error: Exception, request: Request) -> Response | None:
    if isinstance(error, exceptions.ValidationError):
        errors = _places(error, request)
        return problem(400, "invalid_request", "Some fields are wrong: see errors.", errors=errors)
    if isinstance(error, Malformed):
        return problem(400, error.default_code, str(error.detail), errors=error.errors)
    if isinstance(error, exceptions.APIException):
        headers = {"WWW-Authenticate": header} if (header := getattr(error, "auth_header", "")) else {}
        if isinstance(error, exceptions.Throttled):
            headers["Retry-After"] = str(math.ceil(getattr(error, "wait", None) or 1))
        code = getattr(error.detail, "code", error.default_code)
        return problem(error.status_code, code, str(error.detail), headers=headers)
    if isinstance(error, Http404):
        return problem(404, "not_found", "There is no such object, or it is not yours.")
    if isinstance(error, PermissionDenied):
        return problem(403, "permission_denied", str(error) or "This is not for your role.")
    return _domain(error, request)


def _places(error: exceptions.ValidationError, request: Request) -> list[dict[str, str]]:
    found = field_errors(error.detail)
    if isinstance(error, BadHeader):
        found = renamed(found, "header")
    elif isinstance(error, BadParameter) or request.method in BODILESS:
        found = renamed(found, "parameter")
    return list(found)


def _domain(error: Exception, request: Request) -> Response | None:
    status = status_of(error)
    if status is None:
        return None
    code, field, wait = (getattr(error, name, None) for name in ("code", "field", "retry_after"))
    place = {"parameter": str(field)} if request.method in BODILESS else {"pointer": f"#/{field}"}
    errors = [{**place, "code": str(code), "detail": str(error)}] if field else None
    headers = {"Retry-After": str(wait)} if wait else {}
    members = getattr(error, "members", None)
    return problem(status, str(code), str(error), errors=errors, headers=headers, members=members)


def _page(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if request.path_info.startswith("/ofrep/"):
        return JsonResponse({"errorCode": "GENERAL", "errorDetails": detail}, status=status)
    response = problem(status, code, detail)
    return JsonResponse(response.data, status=status, content_type=MEDIA_TYPE)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown path."""
    return _page(request, 404, "not_found", "There is no such path.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault of ours. The reason is in the log, by the request's id."""
    return _page(request, 500, "internal_error", "This is our fault. Please quote request_id.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django itself refuses, such as an unknown Host."""
    return _page(request, 400, "invalid_request", "The request cannot be read.")
