"""Whether what a plan or a grant says of a feature fits its kind, and what is told when it does not."""

from __future__ import annotations

from typing import Any

import pytest

from pricing.inclusions import Inclusion, misfits
from pricing.models import Feature

ENUM = {"value_type": "enum", "choices": ["low", "high"]}


@pytest.mark.parametrize(
    ("said", "value", "why"),
    [
        (ENUM, None, "its value must be one of low, high, not null"),
        (ENUM, "loud", 'its value must be one of low, high, not "loud"'),
        ({"value_type": "number"}, True, "its value must be a number, not true"),
        ({"value_type": "number"}, "3", 'its value must be a number, not "3"'),
        ({"value_type": "text"}, 3, "its value must be a text, not 3"),
        ({"value_type": "list"}, "a", 'its value must be a list of texts and whole numbers, not "a"'),
        ({"value_type": "list"}, [True], "its value must be a list of texts and whole numbers, not [true]"),
        ({"value_type": "list"}, [["a"]], 'its value must be a list of texts and whole numbers, not [["a"]]'),
    ],
)
def test_a_value_that_does_not_fit_is_told_in_the_words_of_json(said: dict[str, Any], value: Any, why: str) -> None:
    feature = Feature(code="level", kind="static", **said)

    assert list(misfits(Inclusion("level", value=value), feature)) == [why]


@pytest.mark.parametrize(
    ("said", "value"),
    [
        (ENUM, "high"),
        ({"value_type": "number"}, 0),
        ({"value_type": "number"}, 2.5),
        ({"value_type": "text"}, ""),
        ({"value_type": "list"}, []),
        ({"value_type": "list"}, ["a", 1]),
    ],
)
def test_a_value_of_its_type_fits(said: dict[str, Any], value: Any) -> None:
    feature = Feature(code="level", kind="static", **said)

    assert not list(misfits(Inclusion("level", value=value), feature))


def test_a_value_belongs_to_a_static_feature_alone() -> None:
    feature = Feature(code="pdf", kind="boolean")

    assert list(misfits(Inclusion("pdf", value=1), feature)) == ["a value belongs to a static feature, and to no other"]
