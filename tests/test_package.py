"""What people install: a wheel and a source archive that hold everything a run needs."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder both are built into, from a copy of what git knows."""
    folder = tmp_path_factory.mktemp("built")
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, files):
        if name.startswith("results/") or not (REPOSITORY / name).is_file():
            continue
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((REPOSITORY / name).read_bytes())
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(folder / "source")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_both_hold_messages_presets_page_and_types(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    wanted = (
        "bench_data/customer-messages/task.toml", "bench/config/presets/quick.toml", "bench/report/page/page.html",
        "bench/report/page/marks.js",
        "bench/py.typed", "classifiers/py.typed", "classifiers/models/catalogue.toml",
        "classifiers/llm/prompting/templates.toml",
        "classifiers/lora/backend.py", "bench/robustness/attacks.toml", "bench/report/card.md",
        "classifiers/usages.toml",
    )  # fmt: skip
    assert set(wanted) <= set(names)
    modules = {str(file.relative_to(REPOSITORY)) for file in REPOSITORY.glob("bench/**/*.py")}
    modules |= {str(file.relative_to(REPOSITORY)) for file in REPOSITORY.glob("classifiers/**/*.py")}
    assert modules <= set(names)
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as held:
        inside = [name.split("/", 1)[1] for name in held.getnames() if "/" in name]
    assert {"pyproject.toml", "README.md", "data/customer-messages/task.toml", "bench/cli.py"} <= set(inside)


def test_an_installed_wheel_runs_the_shipped_messages_anywhere(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    site, home = tmp_path / "site", tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(command, check=True)
    code = "import bench.cli, sys; print(bench.__file__); sys.exit(bench.cli.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "quick", "--only", "majority,linear", "--run", "r"],
        cwd=home, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    assert done.stdout.startswith(str(site))
    assert "customer-messages: 3 labels" in done.stdout
    assert (home / "results" / "r" / "report.html").is_file()
