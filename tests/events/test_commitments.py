"""What names a person stands in history as a salted commitment; erasing the salt breaks nothing (AU-02)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from events import commitments
from events.models import Event, Salt
from tests.events.story import sealed_story, verify, write

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "data",
    [
        {"email": "anna@example.com"},
        {"after": {"Phone": "+49 89 1234"}},
        {"rows": [{"billing_details": {"name": "Anna Muster", "line1": "Hauptstr. 1"}}]},
        {"note": "asked by anna@example.com on the phone"},
        {"full_name": "Anna Muster"},
    ],
)
def test_what_names_a_person_is_not_in_history(data: dict[str, Any]) -> None:
    event = write(**data)

    stored = str(Event.objects.filter(pk=event.pk).values_list("data", flat=True)[0])

    assert not any(word in stored.lower() for word in ("anna", "muster", "1234", "hauptstr"))
    assert "commitment" in stored


def test_what_names_nobody_stays_as_it_is() -> None:
    data = {"user_id": "auth0|anna@example.com", "name": "Premium", "email": "", "amount": 5, "list": [None, "x"]}

    assert write(**data).data == data


def test_who_holds_the_value_can_show_that_it_was_this_one() -> None:
    said = write(email="anna@example.com").data["email"]

    assert commitments.opens(said, "anna@example.com", of="user:anna")
    assert not commitments.opens(said, "ben@example.com", of="user:anna")
    assert not commitments.opens(said, "anna@example.com", of="user:ben")


def test_two_people_with_one_value_cannot_be_told_to_share_it() -> None:
    commitments_of = {write(f"user:{name}", email="us@example.com").data["email"]["commitment"] for name in "ab"}

    assert len(commitments_of) == 2
    assert write("user:a", email="us@example.com").data["email"]["commitment"] in commitments_of


def test_an_erased_person_cannot_be_found_again_and_history_still_verifies(seals: Path) -> None:
    said = write(email="anna@example.com").data["email"]
    sealed_story(seals=1)

    erased = [commitments.erase("user:anna"), commitments.erase("user:anna")]

    assert erased == [True, False]
    assert not Salt.objects.filter(subject="user:anna").exists()
    assert not commitments.opens(said, "anna@example.com", of="user:anna")
    assert verify() == ""
