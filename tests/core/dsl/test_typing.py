"""Type checkers understand decorated calls."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).with_name("typing_examples.py")
ROOT = Path(__file__).resolve().parents[3]


def test_mypy_takes_the_examples_and_finds_the_wrong_calls() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--follow-imports=silent", str(EXAMPLES)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_pyright_takes_the_examples_and_finds_the_wrong_calls(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("pyright needs node")
    settings = {
        "include": [EXAMPLES.name], "extraPaths": [str(ROOT)], "typeCheckingMode": "standard",
        "reportUnnecessaryTypeIgnoreComment": True, "enableTypeIgnoreComments": False,
    }  # fmt: skip
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(settings))
    shutil.copy(EXAMPLES, tmp_path)
    command = [sys.executable, "-m", "pyright", "-p", str(project), "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        pytest.skip(f"pyright cannot start here: {(done.stderr or done.stdout).strip()[-200:]}")
    assert report["summary"]["filesAnalyzed"] == 1
    assert [item for item in report["generalDiagnostics"] if item["severity"] == "error"] == []
