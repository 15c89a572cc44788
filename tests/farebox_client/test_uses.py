"""Uses and reservations by the client, against a served Farebox: each counted once, whatever is lost on the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from entitlements.models import Reservation, UsageEvent
from farebox_client import Farebox, Patience, Refused, Unreachable
from tests.farebox_client.conftest import PATIENT, Clients, Ways


def used(farebox: Farebox) -> int:
    farebox.forget("anna")
    return farebox.check("anna", "api_calls").used


def test_a_use_is_counted_once_under_its_id(farebox: Farebox) -> None:
    first = farebox.record("anna", "api_calls", 3, event_id="job-1", metadata={"job": "1"})
    again = farebox.record("anna", "api_calls", 3, event_id="job-1", metadata={"job": "1"})
    other = farebox.record("anna", "api_calls", 2)

    assert [one.replayed for one in (first, again, other)] == [False, True, False]
    assert first.said["id"] == again.said["id"]
    assert used(farebox) == 5


def test_a_use_whose_answer_is_lost_is_counted_once(farebox: Farebox, lossy: Ways, client_of: Clients) -> None:
    """The same id is sent again, and nothing else."""
    way = lossy(1)

    recorded = client_of(way.url).record("anna", "api_calls", 3)

    assert recorded.replayed
    assert way.requests[0] == way.requests[1]
    assert used(farebox) == 3
    assert UsageEvent.objects.count() == 1


def test_what_was_kept_is_forgotten_when_something_is_used(farebox: Farebox) -> None:
    before = farebox.check("anna", "api_calls").remaining

    farebox.record("anna", "api_calls", 10)

    assert (before, farebox.check("anna", "api_calls").remaining) == (10_000, 9_990)


def test_what_does_not_fit_is_refused_with_the_numbers(farebox: Farebox) -> None:
    with pytest.raises(Refused) as caught:
        farebox.record("anna", "api_calls", 10_001)

    assert (caught.value.status, caught.value.code) == (409, "limit_reached")
    assert caught.value.problem["remaining"] == 10_000
    assert used(farebox) == 0


def test_a_refusal_prints_the_fields_that_are_wrong(farebox: Farebox) -> None:
    with pytest.raises(Refused, match=r"400 invalid_request: .* #/units: ") as caught:
        farebox.record("anna", "api_calls", "five")  # type: ignore[arg-type]

    assert caught.value.errors[0]["pointer"] == "#/units"


def test_one_id_stands_for_one_use(farebox: Farebox) -> None:
    farebox.record("anna", "api_calls", 3, event_id="job-1")

    with pytest.raises(Refused) as caught:
        farebox.record("anna", "api_calls", 4, event_id="job-1")

    assert caught.value.status == 422


@pytest.mark.parametrize("event_id", ["käse ☃", " job\n1 ", "x" * 255])
def test_an_id_may_be_any_text(farebox: Farebox, event_id: str) -> None:
    said = [farebox.record("anna", "api_calls", event_id=event_id).replayed for _ in range(2)]

    assert said == [False, True]
    assert UsageEvent.objects.get().event_id == event_id


@pytest.mark.parametrize("key", ["", "käse", "a b", "a\n", "x" * 256])
def test_a_key_that_no_header_can_say_is_raised(farebox: Farebox, key: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII"):
        farebox.reserve("anna", "api_calls", key=key)

    assert not Reservation.objects.exists()


def test_threads_that_send_one_use_count_it_once(farebox: Farebox) -> None:
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: farebox.record("anna", "api_calls", 5, event_id="job-1"), range(8)))

    assert sorted(one.replayed for one in said) == [False] + [True] * 7
    assert used(farebox) == 5


def test_without_a_server_a_use_is_not_pretended(nowhere: str, client_of: Clients) -> None:
    """There is no policy for it: whether it was counted is not known."""
    client = client_of(nowhere, uses=Patience(total=1, tries=2, first_wait=0.01), fail_policy={"api_calls": "open"})

    with pytest.raises(Unreachable):
        client.record("anna", "api_calls")


def test_held_units_are_committed(farebox: Farebox) -> None:
    with farebox.reserve("anna", "api_calls", 20) as held:
        assert held.expires_at is not None
        assert farebox.check("anna", "api_calls").remaining == 9_980
        held.commit(15)

    assert (held.status, used(farebox)) == ("committed", 15)
    assert farebox.check("anna", "api_calls").remaining == 9_985


def test_what_is_not_committed_is_given_back(farebox: Farebox) -> None:
    with pytest.raises(ZeroDivisionError), farebox.reserve("anna", "api_calls", 20) as held:
        raise ZeroDivisionError

    assert held.status == "released"
    assert farebox.check("anna", "api_calls").remaining == 10_000


def test_a_reservation_whose_answer_is_lost_is_made_once(farebox: Farebox, lossy: Ways, client_of: Clients) -> None:
    way = lossy(1)

    held = client_of(way.url).reserve("anna", "api_calls", 20)

    assert way.requests[0] == way.requests[1]
    assert b"idempotency-key:" in way.requests[0].lower()
    assert list(Reservation.objects.values_list("pk", "units")) == [(UUID(held.id), 20)]


def test_an_end_whose_answer_is_lost_comes_once(farebox: Farebox, lossy: Ways, client_of: Clients) -> None:
    with client_of(lossy(2).url).reserve("anna", "api_calls", 20) as held:
        held.commit()

    assert (held.status, used(farebox)) == ("committed", 20)


def test_what_cannot_be_given_back_hides_no_error(farebox: Farebox) -> None:
    """It comes back by itself at its end."""

    def fail() -> None:
        with farebox.reserve("anna", "api_calls", 20) as held:
            held.id = "gone"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


@pytest.mark.parametrize("instead", [b"", b"HTTP/1.1 429 Later\r\nContent-Length: 0\r\n\r\n"])
def test_a_commit_without_an_answer_gives_nothing_back(
    farebox: Farebox, nowhere: str, lossy: Ways, client_of: Clients, instead: bytes
) -> None:
    """What was used would not be counted: it stays held, and is committed when the way is there again."""
    held = farebox.reserve("anna", "api_calls", 20)
    there = held._line
    # The commit is lost on its way; a release would arrive.
    away = client_of(lossy(PATIENT.tries, instead).url if instead else nowhere)

    def lose() -> None:
        with held:
            held._line = away._line
            try:
                held.commit(15)
            finally:
                held._line = there

    with pytest.raises((Unreachable, Refused)):
        lose()

    assert Reservation.objects.get().status in ("held", "committed")
    held.commit(15)
    assert (held.status, used(farebox)) == ("committed", 15)


def test_a_commit_that_is_refused_is_given_back(farebox: Farebox) -> None:
    """More than is left was used: the refusal is an answer."""

    def overdraw() -> None:
        with farebox.reserve("anna", "api_calls", 20) as held:
            held.commit(10_001)

    with pytest.raises(Refused, match="limit_reached"):
        overdraw()

    assert Reservation.objects.get().status == "released"
    assert used(farebox) == 0
