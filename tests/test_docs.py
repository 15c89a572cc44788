"""What the documents say is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.test import Client
from django.urls import resolve
from django.urls.exceptions import Resolver404

from billing.models import WebhookEvent
from config.errors import STATUS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md")])
EXAMPLE_ID = "01890000-0000-7000-8000-000000000000"


def part(page: str, heading: str) -> str:
    """Give what stands under a heading."""
    return (DOCS / page).read_text().split(f"## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    """DO-01."""
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())

    missing = [link for link in links if not link.startswith("http") and not (page.parent / link).is_file()]

    assert missing == []


def test_every_folder_of_the_readme_is_there() -> None:
    table = (ROOT / "README.md").read_text().split("## The folders")[1].split("\n## ")[0]

    named = re.findall(r"^\| `([a-z]+)/?`", table, re.MULTILINE)

    assert len(named) > 7
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_route_that_replaces_an_older_operation_exists() -> None:
    """Ruling 10: the documents map each operation of the services before to its route."""
    routes = re.findall(
        r"`(?:(?:GET|POST|PUT|PATCH|DELETE) )([a-z/{}_-]+)", part("api.md", "Names in the services before")
    )

    unknown = [route for route in routes if not exists(route)]

    assert len(routes) > 15
    assert unknown == []


def exists(route: str) -> bool:
    path = re.sub(r"{\w*id}", EXAMPLE_ID, route).replace("{iso}", "IN")
    try:
        resolve(path if path.startswith("/") else f"/api/v1/{path}")
    except Resolver404:
        return False
    return True


def test_every_status_that_an_error_can_have_is_explained() -> None:
    explained = {int(number) for number in re.findall(r"\b([45]\d\d)\b", part("api.md", "Errors"))}

    assert set(STATUS.values()) <= explained


def test_every_status_of_a_webhook_is_explained() -> None:
    """WH-07, TR-01."""
    explained = re.findall(r"^\| `(\w+)` \|", part("webhooks.md", "What happens to an event"), re.MULTILINE)

    assert set(explained) == set(WebhookEvent.Status.values)


def test_every_health_path_is_answered(books: None) -> None:
    """OB-01."""
    paths = re.findall(r"`(/\w+)`", part("operations.md", "Health"))

    assert {path: Client().get(path).status_code for path in paths} == dict.fromkeys(paths, 200)


def test_every_metric_to_watch_is_shown(books: None) -> None:
    """OB-02."""
    named = re.findall(r"^\| `([a-z_]+)", part("operations.md", "Metrics"), re.MULTILINE)

    shown = Client().get("/metrics").content.decode()

    assert len(named) > 6
    assert [name for name in named if name.removesuffix("_total") not in shown] == []


def test_every_command_exists() -> None:
    named = re.findall(r"(?:manage\.py |, `|`, )`?([a-z_]+)", part("operations.md", "Commands"))

    assert "reconcile_stripe" in named
    assert [name for name in named if name not in get_commands()] == []
