"""`.env.example` names every setting, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from config import environment

ROOT = Path(__file__).parent.parent
SETTINGS = ROOT / "config" / "settings.py"
EXAMPLE = (ROOT / ".env.example").read_text()
# Read by the libraries themselves, by deploy/start, or before the settings are.
DEPLOYED = {"DATABASE_OWNER_URL", "DB_APP_USER", "DB_APP_PASSWORD"}
BESIDE = {"PROMETHEUS_MULTIPROC_DIR", "FAREBOX_FAULTS", *DEPLOYED}


def named() -> set[str]:
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", EXAMPLE, re.MULTILINE))


def test_every_setting_is_named_in_the_example() -> None:
    settings = set(re.findall(r'env\.\w+\(\s*"([A-Z][A-Z0-9_]+)"', SETTINGS.read_text()))
    parts = set(re.findall(r"""env(?:\.get\(|\[)['"]([A-Z]+_[A-Z_]+)""", Path(environment.__file__).read_text()))

    wanted = settings | parts | set(environment.ALIASES) | BESIDE

    assert named() == wanted


def test_every_other_name_of_a_setting_is_given_above_it() -> None:
    """DE-08."""
    blocks = re.split(r"^#?(?=[A-Z][A-Z0-9_]+=)", EXAMPLE, flags=re.MULTILINE)
    above = {after.split("=", 1)[0]: before for before, after in zip(blocks, blocks[1:], strict=False)}

    told = {name: above[name].rpartition("Also: ")[2] for name in environment.ALIASES}

    missing = [one for name, others in environment.ALIASES.items() for one in others if one not in told[name]]
    assert missing == []


def test_a_setting_that_is_uncommented_has_no_remark_in_its_value() -> None:
    values = re.findall(r"^#?[A-Z][A-Z0-9_]+=(.*)$", EXAMPLE, re.MULTILINE)

    assert [value for value in values if " " in value] == []
