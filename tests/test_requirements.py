"""Every package is pinned by version and by the hash of every file, and no file names a registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = ("requirements", "requirements-dev")


def pinned(name: str) -> dict[str, list[str]]:
    """Read a compiled file: what stands in it as name==version, and its hashes."""
    text = (ROOT / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return {line.split()[0]: re.findall(r"--hash=sha256:([0-9a-f]{64})", line) for line in lines}


@pytest.mark.parametrize("name", FILES)
def test_every_package_has_its_version_and_the_hashes_of_its_files(name: str) -> None:
    """Nothing is installed that is not known to the byte."""
    for package, hashes in pinned(name).items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+", package), package
        assert hashes, package


@pytest.mark.parametrize("name", FILES)
def test_no_registry_and_no_folder_of_a_machine_is_named(name: str) -> None:
    """Where packages come from is the matter of each machine."""
    text = (ROOT / f"{name}.txt").read_text()

    assert not re.search(r"https?:|file:/|index-url|find-links|trusted-host| @ ", text)


@pytest.mark.parametrize("name", FILES)
def test_what_is_asked_for_is_what_is_pinned(name: str) -> None:
    """A line in the .in file without a compile is found here."""
    versions = dict(package.lower().split("==") for package in pinned(name))
    asked = [line for line in (ROOT / f"{name}.in").read_text().splitlines() if line and line[0] not in "#-"]

    for line in asked:
        found = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[.*\])?(?:==([\w.]+))?(.*)", line)
        assert found
        package, exact, rest = found.groups()
        version = versions[package.lower().replace("_", "-")]
        assert exact is None or rest == "*" or version == exact, line


def test_both_files_pin_the_same_versions() -> None:
    """They are installed together."""
    first, second = (dict(package.split("==") for package in pinned(name)) for name in FILES)

    assert {name for name in first.keys() & second.keys() if first[name] != second[name]} == set()


def test_what_is_compiled_for_a_platform_has_files_for_others() -> None:
    """Hashes of one machine's wheels alone would lock every other out."""
    for package in ("psycopg-binary", "cryptography", "granian"):
        assert next(len(hashes) for name, hashes in pinned("requirements").items() if name.startswith(package)) > 10
