"""The client can be installed alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "farebox_client"
OUTSIDE = "import farebox_client as c, sys; assert 'django' not in sys.modules; print(c.__file__)"


def test_a_wheel_has_every_module_and_its_types(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "source", ignore=shutil.ignore_patterns("__pycache__"))
    words = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet"]

    subprocess.run([*words, "--wheel-dir", str(tmp_path), str(tmp_path / "source")], check=True, capture_output=True)

    with zipfile.ZipFile(next(tmp_path.glob("farebox_client-*.whl"))) as wheel:
        names = {Path(name).name for name in wheel.namelist() if name.startswith("farebox_client/")}
    assert names == {file.name for file in SOURCE.iterdir() if file.suffix == ".py" or file.name == "py.typed"}


def test_it_is_imported_without_django(tmp_path: Path) -> None:
    """From a folder that holds nothing else of Farebox."""
    shutil.copytree(SOURCE, tmp_path / "farebox_client", ignore=shutil.ignore_patterns("__pycache__"))

    done = subprocess.run(
        [sys.executable, "-c", OUTSIDE], cwd=tmp_path, check=True, capture_output=True, text=True, env={}
    )

    assert done.stdout.strip().startswith(str(tmp_path))
