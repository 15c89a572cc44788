"""Answers are written as Python's own writer would, only faster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.answers import written


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"a": {}, "b": [], "c": None, "d": True, "e": False, "f": 0, "g": -1.5, "h": 10**20},
        {"nested": [{"in": [1, [2, {"deep": "er"}]]}, ()], 7: "a number", True: "a truth", None: "nothing"},
        ['"quoted"', "back\\slash", "line\nbreak", "ü", "\u2028", "\U0001f600", "\x00"],
        "alone",
        1,
    ],
)
def test_an_answer_is_written_as_json_with_an_indent_of_two(value: Any) -> None:
    """What clients and recorded answers have seen so far stays byte for byte."""
    assert written(value) == json.dumps(value, indent=2)
