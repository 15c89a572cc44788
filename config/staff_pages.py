"""The page between the password and the back office: enrol an authenticator at first, then ask for its code."""

from __future__ import annotations

from typing import Any

import segno
from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django_otp import login
from django_otp.models import Device
from unfold.widgets import UnfoldAdminTextInputWidget

from config import second_factor
from config.staff import log

# Where the session keeps that an enrolment code was given.
ENROLMENT = "enrolment"


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=40,
        label="Code",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )


class EnrolmentForm(forms.Form):
    enrolment = forms.CharField(
        max_length=40,
        label="Enrolment code",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autofocus": True}),
    )


@never_cache
@sensitive_post_parameters("code", "enrolment")
@require_http_methods(["GET", "POST"])
def second_factor_page(request: HttpRequest) -> HttpResponse:
    """Ask for a code, or enrol a new authenticator; then lead on to where staff wanted to go."""
    if not request.user.is_authenticated or not request.user.is_staff:
        return HttpResponseRedirect(reverse("admin:login"))
    user = User.objects.get(pk=request.user.pk)
    enrolled = second_factor.authenticator(user)
    if not enrolled and not second_factor.admits(user, request.session.get(ENROLMENT, "")):
        return _admit(request, user)
    form = CodeForm(request.POST or None)
    code = form.cleaned_data["code"] if form.is_valid() else ""
    if enrolled:
        if code and (device := second_factor.verify(user, code)):
            return _enter(request, device)
    elif code and (confirmed := second_factor.confirm(user, code)):
        _enter(request, confirmed[0])
        return _show(request, recovery_codes=confirmed[1], onward=_onward(request))
    if code:
        log.warning("second factor refused")
        form.add_error(
            "code", "This code is wrong, or was used, or came too soon after a wrong one: wait for the next."
        )
    return _show(request, form=form, **_enrolment(user))


def _admit(request: HttpRequest, user: User) -> HttpResponse:
    form = EnrolmentForm(request.POST or None)
    if form.is_valid():
        if kept := second_factor.admitted(user, form.cleaned_data["enrolment"]):
            request.session[ENROLMENT] = kept
            return HttpResponseRedirect(request.get_full_path())
        log.warning("enrolment code refused")
        form.add_error("enrolment", "This code is wrong, was used, or has expired.")
    return _show(request, enrolment=form)


def _enrolment(user: User) -> dict[str, Any]:
    if second_factor.authenticator(user):
        return {}
    device = second_factor.enrolling(user)
    picture = segno.make(device.config_url, error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff")
    # Drawn here from numbers: no text of a user is in it.
    return {"qr": mark_safe(picture), "secret": device.base32}  # noqa: S308


def _enter(request: HttpRequest, device: Device) -> HttpResponse:
    # A session id that was known before the second factor must not be worth more after it.
    request.session.cycle_key()
    login(request, device)
    log.info("staff signed in")
    return HttpResponseRedirect(_onward(request))


def _onward(request: HttpRequest) -> str:
    asked = request.GET.get("next", "")
    good = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if good else reverse("admin:index")


def _show(request: HttpRequest, **shown: Any) -> HttpResponse:
    return render(request, "staff/second_factor.html", {**admin.site.each_context(request), "title": "Log in", **shown})
