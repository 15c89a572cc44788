"""Functions, Django views and DRF views that only those who may use a feature get into."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import farebox_client.django
import farebox_client.drf
from farebox_client import Farebox, FareboxError, NotEntitled, default, guards, requires_feature, set_default
from tests.api import token
from tests.entitlements.conftest import a_gift


@pytest.fixture
def in_django(url: str, settings: LazySettings) -> Iterator[None]:
    """Set Farebox in Django; a user's name is his id there."""
    settings.FAREBOX = {
        "base_url": url,
        "token": token("shop", "service"),
        "user_id": lambda request: request.user.username or None,
    }
    farebox_client.django.client.cache_clear()
    yield
    farebox_client.django.client().close()
    farebox_client.django.client.cache_clear()


def asked_by(username: str) -> HttpRequest:
    request = RequestFactory().get("/export")
    request.user = User(username=username) if username else AnonymousUser()
    return request


def test_a_function_is_called_for_who_may(farebox: Farebox) -> None:
    @requires_feature("export", client=farebox)
    def export(user_id: str, rows: int = 1) -> str:
        """Export rows."""
        return f"{rows} rows of {user_id}"

    assert export("anna") == "1 rows of anna"
    assert export(rows=2, user_id="anna") == "2 rows of anna"
    assert export.__doc__ == "Export rows."
    with pytest.raises(NotEntitled, match="ben may not use export: no_entitlement") as caught:
        export("ben")
    assert caught.value.decision.reason_code == "no_entitlement"


def test_whose_feature_it_is_can_be_said(farebox: Farebox) -> None:
    @requires_feature("export", client=farebox, user_id=lambda order: str(order["buyer"]))
    def export(order: dict[str, str]) -> bool:
        return True

    @requires_feature("export", client=farebox, user_id="owner")
    def share(document: str, owner: str = "anna") -> bool:
        return True

    assert export({"buyer": "anna"})
    assert share("a.txt")
    with pytest.raises(NotEntitled):
        share("a.txt", "ben")


def test_a_guard_that_finds_no_user_is_refused_when_it_is_made() -> None:
    with pytest.raises(TypeError, match="user_id"):

        @requires_feature("export")
        def export(order: str) -> None:
            """Export."""


def test_one_client_serves_all_guards(farebox: Farebox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "_default", None)

    @requires_feature("export")
    def export(user_id: str) -> bool:
        return True

    with pytest.raises(FareboxError, match="set_default"):
        export("anna")
    set_default(farebox)

    assert default() is farebox
    assert export("anna")


def test_a_django_view_answers_who_may(in_django: None) -> None:
    @farebox_client.django.requires_feature("export")
    def view(request: HttpRequest, name: str) -> HttpResponse:
        return HttpResponse(name)

    assert view(asked_by("anna"), name="a.csv").content == b"a.csv"
    for username in ("ben", ""):
        with pytest.raises(PermissionDenied, match="no_entitlement"):
            view(asked_by(username), name="a.csv")


def test_a_users_primary_key_is_his_id_unless_said_otherwise(in_django: None, settings: LazySettings) -> None:
    settings.FAREBOX = {name: said for name, said in settings.FAREBOX.items() if name != "user_id"}
    a_gift("7")
    seventh, nobody = asked_by(""), asked_by("")
    seventh.user = User(pk=7)

    assert farebox_client.django.decided(seventh, "export").allowed
    assert not farebox_client.django.decided(nobody, "export").allowed


def test_a_drf_view_answers_who_may(in_django: None) -> None:
    class Export(APIView):
        authentication_classes = (SessionAuthentication,)
        permission_classes = (farebox_client.drf.requires_feature("export"),)
        throttle_classes = ()

        def get_exception_handler(self):  # type: ignore[no-untyped-def]
            """Let the refusal through, as it is."""
            return lambda error, context: Response(
                {"detail": error.detail, "code": error.get_codes()}, status=error.status_code
            )

        def get(self, request: Request) -> Response:
            """Export."""
            return Response("exported")

    allowed, refused = (Export.as_view()(asked_by(username)) for username in ("anna", "ben"))

    assert (allowed.status_code, allowed.data) == (200, "exported")
    assert (refused.status_code, refused.data["code"]) == (403, "no_entitlement")
    assert refused.data["detail"] == "export is not yours to use."
