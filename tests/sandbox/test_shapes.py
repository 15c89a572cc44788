"""The judge of shapes itself: it passes what Stripe sends and names what it does not."""

import pytest

from sandbox import shapes


@pytest.fixture
def clock() -> dict[str, object]:
    return {
        "id": "clock_1",
        "object": "test_helpers.test_clock",
        "created": 1,
        "deletes_after": 2,
        "frozen_time": 1,
        "livemode": False,
        "name": None,
        "status": "ready",
        "status_details": {},
    }


def test_an_object_as_stripe_sends_it_has_no_fault(clock):
    assert shapes.faults(clock) == []


def test_a_key_that_stripe_does_not_have_is_named(clock):
    clock["colour"] = "red"

    assert shapes.faults(clock) == ["test_helpers.test_clock.colour: unknown key"]


def test_an_absent_key_is_named(clock):
    del clock["frozen_time"]

    assert shapes.faults(clock) == ["test_helpers.test_clock.frozen_time: absent"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("frozen_time", "1"), ("frozen_time", True), ("frozen_time", None), ("livemode", 0), ("status", "asleep")],
)
def test_a_wrong_type_or_word_is_named(clock, key, value):
    clock[key] = value

    assert len(shapes.faults(clock)) == 1


def test_faults_are_found_inside_nested_objects(clock):
    clock["status_details"] = {"advancing": {"target": 5}}

    assert shapes.faults(clock) == [
        "test_helpers.test_clock.status_details.advancing.target: unknown key",
        "test_helpers.test_clock.status_details.advancing.target_frozen_time: absent",
    ]


def test_every_object_of_a_list_is_judged(clock):
    page = {"object": "list", "data": [clock, clock | {"name": 5}], "has_more": False, "url": "/v1/test_helpers"}

    assert shapes.faults(page) == ["test_helpers.test_clock.name: 5 is no str"]


def test_a_deleted_object_says_only_that(clock):
    gone = {"id": "clock_1", "object": "test_helpers.test_clock", "deleted": True}

    assert shapes.faults(gone) == []
    assert shapes.faults(gone | {"name": None}) == ["test_helpers.test_clock.name: unknown key on a deleted object"]


def test_a_nested_resource_must_be_the_one_that_the_class_names(clock):
    item = {
        "id": "il_1",
        "object": "line_item",
        "amount": 1,
        "currency": "usd",
        "discountable": True,
        "discounts": [],
        "livemode": False,
        "metadata": {},
        "period": {"start": 1, "end": 2},
        "subtotal": 1,
    }

    assert shapes.faults(item | {"subscription": "sub_1"}) == []
    assert len(shapes.faults(item | {"subscription": clock})) == 1
