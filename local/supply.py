"""What Farebox is made of, and what the world knows to be wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from local.home import Home
from local.trouble import Trouble

PINNED = ("requirements.txt", "requirements-dev.txt")
CLEAN, HOLES, NOT_ASKED = 0, 1, 2


def audit(home: Home, arguments: list[str]) -> int:
    """Ask the advisory service about every pinned package, by pip-audit, which takes `arguments` too.

    0: nothing is known. 1: something is, and is named. 2: the service could not be asked: it may be either.
    """
    home.make()
    report = home.var / "audit.json"
    report.unlink(missing_ok=True)
    words = ["-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off", "--timeout", "15"]
    files = [word for name in PINNED for word in ("-r", name)]
    kept = ["--cache-dir", str(home.var / "audit"), "--format", "json", "--output", str(report)]
    done = _run(home, [*words, *files, *kept, *arguments])
    if not report.is_file():
        print(
            f"{_last_line(done.stderr)}\nThe advisory service could not be asked: whether there are holes is not known."
        )
        return NOT_ASKED
    return _told(json.loads(report.read_text())["dependencies"], report)


def sbom(home: Home, _arguments: list[str]) -> int:
    """Write the list of what Farebox runs on, with hashes, as CycloneDX JSON."""
    home.make()
    file = home.var / "sbom.json"
    words = ["-m", "cyclonedx_py", "requirements", PINNED[0], "--pyproject", "pyproject.toml", "--output-reproducible"]
    done = _run(home, [*words, "--of", "JSON", "-o", str(file)])
    if done.returncode:
        raise Trouble(f"The list could not be made: {_last_line(done.stderr)}")
    print(f"{len(json.loads(file.read_text())['components'])} packages: {file}")
    return 0


def _told(packages: list[dict[str, Any]], report: Path) -> int:
    skipped = [package for package in packages if "skip_reason" in package]
    # What both files pin is looked up twice and told once.
    holes = sorted(
        {
            f"{package['name']} {package['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or '-'}"
            for package in packages
            for hole in package.get("vulns", [])
        }
    )
    for hole in holes:
        print(hole)
    if skipped:
        print(f"The advisory service did not answer for {', '.join(package['name'] for package in skipped)}.")
    names = {package["name"] for package in packages}
    print(f"{len(names)} packages, {len(holes)} known holes, {len(skipped)} not looked up: {report}")
    if holes:
        return HOLES
    return NOT_ASKED if skipped else CLEAN


def _run(home: Home, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=home.root, capture_output=True, text=True, check=False)


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
