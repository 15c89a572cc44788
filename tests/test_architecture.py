"""The house holds: who may import whom, which door leads where, how long a thing may get."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import config.errors

ROOT = Path(__file__).resolve().parent.parent
APPS = ("billing", "entitlements", "pricing", "keys", "events")
# Right of all: it imports nothing of ours, and everybody may import it.
LEAF = "vault"
# What an app may import of the others: those to its right.
RIGHT_OF = {app: {*APPS[index + 1 :], LEAF} - {"keys"} for index, app in enumerate(APPS)}
CONFIG_FOR_APPS = ("config.api", "config.celery", "config.office")
PACKAGES = (*APPS, LEAF, "config", "sandbox", "local", "proof", "farebox_client")
OURS = {*PACKAGES, "tests"}
DOORS = {"views", "tasks", "admin", "serializers"}
FORBIDDEN_NAMES = {"services", "utils", "helpers", "common", "base", "process", "data", "info", "manager"}
LONGEST_MODULE, LONGEST_FUNCTION = 300, 40


def modules(*packages: str) -> list[Path]:
    return [
        file
        for package in packages
        for file in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in file.parts and "static" not in file.parts
    ]


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", modules(*APPS), ids=named)
def test_calls_go_one_way(file: Path) -> None:
    """AR-01, AR-02: billing -> entitlements -> pricing -> events; of config only the plumbing; no tools around."""
    app = file.relative_to(ROOT).parts[0]
    allowed = {app, *RIGHT_OF[app]}

    for name in imports(file):
        top = name.split(".")[0]
        if top == "config":
            assert name.startswith(CONFIG_FOR_APPS), f"{named(file)} imports {name}"
        elif top in OURS:
            assert top in allowed, f"{named(file)} imports {name}"


@pytest.mark.parametrize("file", modules(LEAF), ids=named)
def test_the_vault_imports_nothing_of_ours(file: Path) -> None:
    """Everybody may stand on it."""
    assert {name.split(".")[0] for name in imports(file)} & OURS <= {LEAF}


@pytest.mark.parametrize("file", modules("config/api"), ids=named)
def test_the_plumbing_knows_no_app(file: Path) -> None:
    """`config.api` imports nothing of ours but who acts now."""
    for name in imports(file):
        top = name.split(".")[0]
        assert top not in OURS or name.startswith(("config.api", "events.context")), f"{named(file)} imports {name}"


@pytest.mark.parametrize("file", modules(*PACKAGES), ids=named)
def test_only_the_gateway_speaks_to_stripe_and_only_the_mirror_to_dj_stripe(file: Path) -> None:
    """One door each way."""
    tops = {name.split(".")[0] for name in imports(file)}

    if "stripe" in tops:
        assert named(file) == "billing/gateway.py" or file.is_relative_to(ROOT / "sandbox") or "proof" in file.parts
    if "djstripe" in tops:
        assert named(file) == "billing/mirror.py"


@pytest.mark.parametrize("package", ["sandbox", "local", "proof", "farebox_client"])
def test_the_tools_around_import_nothing_of_ours(package: str) -> None:
    """A stand-in that knew our code would prove nothing. The bring-up may read settings as Farebox does."""
    for file in modules(package):
        for name in imports(file):
            top = name.split(".")[0]
            allowed = {"local": "config.environment"}.get(package, package)
            assert top not in OURS or top == package or name.startswith(allowed), f"{named(file)} imports {name}"


def test_the_client_needs_httpx_alone() -> None:
    """Who uses it outside of Django installs nothing else."""
    for file in modules("farebox_client"):
        allowed = {"django.py": {"django"}, "drf.py": {"rest_framework"}}.get(file.name, {"httpx"})
        tops = {name.split(".")[0] for name in imports(file)} - {"farebox_client"}
        assert tops - sys.stdlib_module_names <= allowed, named(file)


@pytest.mark.parametrize("file", modules(*APPS, LEAF, "config"), ids=named)
def test_nothing_else_opens_a_connection(file: Path) -> None:
    """Postgres and Valkey by Django, Celery, what counts requests; HTTP to Stripe and issuers; mail by events."""
    allowed = {
        "config/health.py": {"redis"},
        "config/api/jwks.py": {"urllib.request", "http.client"},
        "config/api/limiting.py": {"redis", "limits"},
        "entitlements/shelf.py": {"redis"},
        "entitlements/listening.py": {"redis"},
        # The socket that redis has opened, and no other.
        "entitlements/ears.py": {"redis", "socket"},
        "entitlements/wire.py": {"redis", "socket"},
        "events/mail.py": {"django.core.mail"},
        "config/api/pace.py": {"limits"},
        "config/api/windows.py": {"limits"},
    }
    opening = {"requests", "httpx", "urllib3", "socket", "redis", "limits", "urllib.request", "http.client"}
    opening |= {"smtplib", "django.core.mail"}
    found = {door for name in imports(file) for door in opening if f"{name}.".startswith(f"{door}.")}

    assert not found - allowed.get(named(file), set())


@pytest.mark.parametrize("file", modules(*PACKAGES), ids=named)
def test_modules_and_functions_stay_short(file: Path) -> None:
    """Modules to 300 lines, functions to 40."""
    text = file.read_text()

    assert text.count("\n") <= LONGEST_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{named(file)}: {node.name} has {length} lines"


@pytest.mark.parametrize("file", modules(*PACKAGES), ids=named)
def test_names_say_what_a_thing_is(file: Path) -> None:
    """No services, utils, helpers, common; no such module, function or class."""
    # By this name Django loads the way to its database.
    assert file.stem not in FORBIDDEN_NAMES or named(file) == "config/postgres/base.py"
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            assert node.name.lower() not in FORBIDDEN_NAMES, f"{named(file)}: {node.name}"


@pytest.mark.parametrize("app", [*APPS, LEAF])
def test_every_app_states_its_boundary(app: str) -> None:
    """Owns, answers, never, imports."""
    docstring = ast.get_docstring(ast.parse((ROOT / app / "__init__.py").read_text())) or ""

    assert [line.split(":")[0] for line in docstring.splitlines()[2:] if ":" in line] == [
        "Owns",
        "Answers",
        "Never",
        "Imports",
    ]


@pytest.mark.parametrize("app", APPS)
def test_every_domain_error_has_a_status_and_a_code(app: str) -> None:
    """config/errors.py is the one table: no error of an app falls through to a 500."""
    modules = [importlib.import_module(f"{app}.{file.stem}") for file in (ROOT / app).glob("*errors.py")]
    assert modules or app == "events"
    errors = [
        thing
        for module in modules
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Exception) and thing.__module__ == module.__name__
    ]

    codes = [error.code for error in errors]
    assert len(codes) == len(set(codes))
    for error in errors:
        assert any(kind in config.errors.STATUS for kind in error.__mro__), error


@pytest.mark.parametrize("file", [f for f in modules(*APPS) if DOORS & {f.stem, f.parent.name}], ids=named)
def test_doors_decide_nothing(file: Path) -> None:
    """Views, tasks, admin and serializers open no transaction, lock no row and write no history."""
    text = file.read_text()

    assert not re.search(r"transaction\.atomic|select_for_update|history\.record|move_to\(|\.save\(|\.delete\(\)", text)


def test_history_has_one_writer() -> None:
    """Only events/history.py makes an Event."""
    writers = [
        named(file)
        for file in modules(*APPS, "config")
        if re.search(r"\bEvent\.objects\.(create|bulk)", file.read_text())
    ]

    assert writers == ["events/history.py"]


def test_grants_have_one_writer() -> None:
    """Nothing outside entitlements writes an Entitlement."""
    for file in modules("billing", "config"):
        assert not re.search(r"Entitlement\.objects|Entitlement\(", file.read_text()), named(file)
