"""Set-up: what a bare machine meets first."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, check=False)


def test_another_python_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / "python3.10"
    python.write_text('#!/bin/sh\nexec python3 -c "import sys; sys.exit(1)"\n', encoding="utf-8")
    python.chmod(0o755)

    for target in ("demo", "test"):
        refused = make(tmp_path, target, f"PYTHON={python}")

        assert refused.returncode != 0
        sentences = [line for line in refused.stderr.splitlines() if not re.match(r"make(\[\d+\])?:", line)]
        assert len(sentences) == 1
        assert "Python 3.11, 3.12 or 3.13 is needed" in sentences[0]
        assert not (tmp_path / ".venv").exists()


def test_a_second_start_installs_nothing() -> None:
    assert make(ROOT, "--question", ".venv/.installed").returncode == 0


def test_the_lock_has_hashes_and_no_addresses() -> None:
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    requirements = re.findall(r"^[a-z0-9][\w.\-\[\],]*==[^\\\n]+\\$", lock, flags=re.MULTILINE | re.IGNORECASE)

    assert len(requirements) > 100
    assert len(re.findall(r"^\S", lock, flags=re.MULTILINE)) == len(requirements)
    assert lock.count("\\\n    --hash=sha256:") >= len(requirements)
    assert "://" not in lock


def test_ci_runs_the_tests() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
