"""The files of deploy/ name what is there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "deploy" / "compose.yaml").read_text()
OURS = ("migrate", "web", "checks", "worker", "beat", "sweeper")
# Parts of the two URLs that are given whole, what only one machine or a test has, and what web chooses for itself.
NOT_HANDED_ON = {
    "DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME",
    "REDIS_ADDR", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB",
    "PORT", "AUTH_INSECURE_DEV", "FAREBOX_FAULTS", "STRIPE_API_BASE", "PROMETHEUS_MULTIPROC_DIR",
}  # fmt: skip


def _services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
    return services


def _start_words() -> dict[str, str]:
    """Read which words deploy/start knows, and what it does for each."""
    pairs = re.findall(r"^  (\w+)\)(.*?);;", (ROOT / "deploy" / "start").read_text(), re.MULTILINE | re.DOTALL)
    return dict(pairs)


def test_every_part_of_the_image_has_a_word_that_deploy_start_knows() -> None:
    words = {name: _services()[name]["command"] for name in OURS}

    assert all(_start_words()[word] for [word] in words.values())


def test_one_image_serves_every_part() -> None:
    assert {_services()[name]["image"] for name in OURS} == {"farebox"}


def test_nothing_starts_before_what_it_needs() -> None:
    for name in ("web", "checks", "worker", "beat", "sweeper"):
        assert _services()[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "postgres": {"condition": "service_healthy"},
            "valkey": {"condition": "service_healthy"},
        }


def test_what_is_named_in_the_file_is_in_it() -> None:
    whole = yaml.safe_load(COMPOSE)

    for service in whole["services"].values():
        assert set(service["networks"]) <= set(whole["networks"])
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(whole["volumes"])


def test_every_setting_it_gives_or_asks_for_is_in_the_example() -> None:
    named = set(re.findall(r"^#?\s*([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    given = set(_services()["web"]["environment"])
    asked = set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE))

    assert given | asked <= named


def test_postgres_and_valkey_cannot_be_reached_from_outside() -> None:
    for name in ("postgres", "valkey"):
        assert _services()[name]["networks"] == ["inside"]
        assert "ports" not in _services()[name]


@pytest.mark.parametrize("file", ["Procfile", "deploy/start"])
def test_the_commands_it_runs_exist(file: str) -> None:
    text = (ROOT / file).read_text()

    for module in re.findall(r"python -m (\w+)", text):
        assert subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, check=False).returncode == 0
    for command in re.findall(r"manage\.py (\w+)", text):
        ours = list(ROOT.glob(f"*/management/commands/{command}.py"))
        assert ours or command == "migrate"


def test_the_scripts_are_valid_and_can_be_started() -> None:
    for script, shell in (("farebox", "bash"), (".ci/run", "bash"), ("deploy/start", "sh")):
        assert (ROOT / script).stat().st_mode & 0o111
        assert subprocess.run([shell, "-n", script], cwd=ROOT, check=False).returncode == 0


def test_the_image_takes_only_what_exists_and_never_a_secret() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    taken = [line.removeprefix("!") for line in lines if line.startswith("!")]

    assert "*" in lines
    assert all((ROOT / path).exists() for path in taken)
    assert not {".env", "var", ".git"} & set(taken)


def test_what_the_image_takes_is_enough_to_start(tmp_path: Path) -> None:
    """An app that is left out stops every process of the image."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    for path in (line.removeprefix("!") for line in lines if line.startswith("!")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / path).is_dir() else shutil.copy)(ROOT / path, tmp_path / path)
    given = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DJANGO_SETTINGS_MODULE")}

    words = [sys.executable, "-c", "import config.celery, config.wsgi"]
    done = subprocess.run(words, cwd=tmp_path, env=given, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_every_setting_reaches_the_containers() -> None:
    """What `.env` says and nobody hands on is a setting that does nothing."""
    named = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    given = {name for service in OURS for name in _services()[service]["environment"]}

    assert named - given == NOT_HANDED_ON


def test_the_image_does_not_run_as_root() -> None:
    words = [shlex.split(line) for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("USER")]

    assert words == [["USER", "10001"]]


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_a_container_is_healthy_while_its_web_is_ready(status: int, code: int) -> None:
    class Web(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = (self.path, self.headers["Host"])
            self.send_response(status if asked == ("/readyz", "farebox.example") else 400)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Web) as web:
        threading.Thread(target=web.handle_request).start()
        settings = {"PORT": str(web.server_port), "ALLOWED_HOSTS": ".farebox.example,other.example"}
        asked = subprocess.run([sys.executable, "deploy/healthy.py"], cwd=ROOT, env=os.environ | settings, check=False)

    assert asked.returncode == code


@pytest.mark.parametrize(("part", "threads", "streams"), [("web", "8", "200"), ("checks", "1", "0")])
def test_a_process_for_checks_has_one_thread_and_no_stream_takes_it(
    part: str, threads: str, streams: str, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$GRANIAN_BLOCKING_THREADS $STREAMS_PER_PROCESS $*"\n')
    python.chmod(0o755)
    given = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "STREAMS_PER_PROCESS": "200"}

    done = subprocess.run(["sh", "deploy/start", part], cwd=ROOT, env=given, capture_output=True, text=True, check=True)

    assert done.stdout.startswith(f"{threads} {streams} -m granian --interface wsgi")
