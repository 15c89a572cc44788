"""Known holes, asked of a stand-in for the advisory service; and the list of what is inside."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local import supply
from local.home import Home

ROOT = Path(__file__).resolve().parents[2]
HASH = f"--hash=sha256:{'0' * 64}"
HOLE = {
    "id": "PYSEC-1-1",
    "summary": "A hole.",
    "details": "A hole.",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "holed", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
            "versions": ["1.0"],
        }
    ],
}


class Advisories(BaseHTTPRequestHandler):
    """Answers as OSV does: https://google.github.io/osv.dev/post-v1-query/."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"vulns": [HOLE]} if asked["package"]["name"] == "holed" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def home(folder: Path, *packages: str) -> Home:
    """Make a clone that pins these packages."""
    (folder / "requirements.txt").write_text("".join(f"{package} {HASH}\n" for package in packages))
    (folder / "requirements-dev.txt").write_text(f"sound==2.0 {HASH}\n")
    return Home(folder)


def asked(url: str) -> list[str]:
    return ["--vulnerability-service", "osv", "--osv-url", url]


def test_a_known_hole_is_named_and_fails(tmp_path: Path, service: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = supply.audit(home(tmp_path, "holed==1.0", "sound==2.0"), asked(service))

    said = capsys.readouterr().out
    assert code == 1
    assert "holed 1.0: PYSEC-1-1, mended in 1.1" in said
    assert "2 packages, 1 known holes, 0 not looked up" in said


def test_no_known_hole_passes(tmp_path: Path, service: str) -> None:
    assert supply.audit(home(tmp_path, "sound==2.0"), asked(service)) == 0


def test_a_service_that_is_not_there_is_no_good_news(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What could not be asked is not known: exit code 2, and a sentence."""
    code = supply.audit(home(tmp_path, "sound==2.0"), asked("http://127.0.0.1:9/v1/query"))

    assert code == 2
    assert "could not be asked" in capsys.readouterr().out


def test_the_list_names_every_package_that_farebox_runs_on(tmp_path: Path) -> None:
    """CycloneDX JSON, with versions and hashes; the same again from the same files."""
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)

    assert supply.sbom(Home(tmp_path), []) == 0

    shown = json.loads((tmp_path / "var" / "sbom.json").read_text())
    parts = {part["name"].lower(): part for part in shown["components"]}
    assert shown["bomFormat"] == "CycloneDX"
    assert {"django", "stripe", "cryptography", "psycopg"} <= parts.keys()
    assert all(part["version"] and part["externalReferences"][0]["hashes"] for part in parts.values())
    first = (tmp_path / "var" / "sbom.json").read_bytes()
    supply.sbom(Home(tmp_path), [])
    assert (tmp_path / "var" / "sbom.json").read_bytes() == first
