"""The verifier in docs/ stands alone: an auditor runs it on an export, with none of our code."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from events import keys
from tests.events.story import sealed_story, tamper, write
from tests.shown import Shown

VERIFIER = Path(__file__).resolve().parents[2] / "docs" / "verify_history.py"
Verify = Callable[[list[str]], str]


@pytest.fixture
def export(db: None, seals: Path, tmp_path: Path) -> list[str]:
    """Export a story of three subjects and three seals, and one event that is not sealed yet."""
    with transaction.atomic():
        tamper("DELETE FROM events_event")
    sealed_story()
    write("user:late")
    call_command("verify_history", export=str(tmp_path / "export.jsonl"))
    return (tmp_path / "export.jsonl").read_text().splitlines()


@pytest.fixture
def verify(export: list[str], seals: Path, tmp_path: Path) -> Verify:
    """Run the verifier on lines, as an auditor does, in an empty folder and without our modules."""
    file, key = tmp_path / "elsewhere.jsonl", keys.public(keys.signing())

    def run(lines: list[str]) -> str:
        file.write_text("\n".join(lines) + "\n")
        words = [sys.executable, "-I", str(VERIFIER), str(file), "--key", key, "--seals", str(seals)]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == (0 if done.stdout else 1), done.stderr
        return done.stdout or done.stderr

    return run


def test_it_has_at_most_a_hundred_lines_and_needs_nothing_but_cryptography() -> None:
    text = VERIFIER.read_text()
    tree = ast.parse(text)
    tops = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    tops |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert text.count("\n") <= 100
    assert tops - set(sys.stdlib_module_names) == {"cryptography"}


def test_an_untouched_export_holds(verify: Verify, export: list[str]) -> None:
    assert verify(export) == "It holds: 3 seals; 1 rows are not sealed yet.\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [line.replace('"thing:1"', '"thing:2"') for line in lines], "user:0 #1"),
        (lambda lines: [lines[0], *lines[2:]], "user:0 #3"),
        (lambda lines: lines[12:], "seal 1: 12 rows were sealed, 8 are here"),
        (lambda lines: lines[:-1], "seal 3 is missing"),
        (lambda lines: lines[:-3] + lines[-2:], "seal 2: the seal before it is missing"),
        (lambda lines: [line.replace('"at": "2', '"at": "1') for line in lines], "it was altered"),
    ],
)
def test_a_changed_export_does_not_hold(
    verify: Verify, export: list[str], change: Callable[[list[str]], list[str]], said: str
) -> None:
    answer = verify(change(export))

    assert answer.startswith("It does not hold.")
    assert said in answer


def test_every_altered_byte_of_a_value_is_found(export: list[str], seals: Path, shown: Shown) -> None:
    module: dict[str, Any] = {"__name__": "verifier"}
    exec(compile(VERIFIER.read_text(), str(VERIFIER), "exec"), module)
    trusted, witnessed = {keys.public(keys.signing())}, seals.read_text().splitlines()
    dice, found = random.Random(7), 0

    for _ in range(1000):
        lines = list(export)
        place = dice.randrange(len(lines))
        lines[place] = _altered(lines[place], dice)
        try:
            module["verify"](lines, trusted, witnessed)
        except (module["Broken"], ValueError):
            found += 1

    assert found == 1000
    shown(f"1000 altered bytes of an export: {found} found by docs/verify_history.py")


def _altered(line: str, dice: random.Random) -> str:
    [(kind, said)] = json.loads(line).items()
    name = dice.choice([name for name, value in said.items() if isinstance(value, str) and value])
    place = dice.randrange(len(said[name]))
    letter = dice.choice([other for other in "0123456789abcdef" if other != said[name][place]])
    return json.dumps({kind: {**said, name: said[name][:place] + letter + said[name][place + 1 :]}})
