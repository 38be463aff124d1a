"""The paper's seven listings and the main job: they build, keep the rules, and run on the local engine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from couler.core.ir.text import from_text, to_json
from couler.core.ir.validate import problems
from couler.driver import load_workflow

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PAPER = sorted((EXAMPLES / "paper").glob("*.py"))


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def last_run(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(folder, "-m", "couler", "status", "@latest", "-o", "json"))
    return found


def outcome(found: dict[str, Any]) -> dict[str, str]:
    return {step["path"]: step["status"] for step in found["steps"]}


def results(found: dict[str, Any]) -> dict[str, Any]:
    return {step["path"]: (step["outputs"] or {}).get("result") for step in found["steps"]}


def check_diamond(found: dict[str, Any]) -> None:
    ends = {step["path"]: step["ended"] for step in found["steps"]}
    starts = {step["path"]: step["started"] for step in found["steps"]}
    assert results(found) == {name: f"step {name}" for name in "ABCD"}
    assert ends["A"] <= min(starts["B"], starts["C"])
    assert max(ends["B"], ends["C"]) <= starts["D"]


def check_coin_flip(found: dict[str, Any]) -> None:
    side = results(found)["flip"]
    other = {"heads": "tails", "tails": "heads"}[side]
    assert outcome(found) == {"flip": "succeeded", side: "succeeded", other: "skipped"}
    assert results(found)[side] == f"it was {side}"


def check_producer_consumer(found: dict[str, Any]) -> None:
    assert results(found)["consume"] == "got: hello world"


def check_recursion(found: dict[str, Any]) -> None:
    rounds = [step for step in found["steps"] if step["path"].startswith("flip#")]
    sides = [step["outputs"]["result"] for step in sorted(rounds, key=lambda step: step["started"])]
    assert sides == ["tails"] * (len(sides) - 1) + ["heads"]
    assert results(found)["flip"] == "heads"


def check_model_search(found: dict[str, Any]) -> None:
    assert results(found)["train"] == ["0.9", "0.95", "0.975", "0.9875"]
    assert results(found)["evaluate"] == ["accuracy 0.9", "accuracy 0.95", "accuracy 0.975", "accuracy 0.9875"]


def check_automl(found: dict[str, Any]) -> None:
    scores = {name: float(results(found)[f"train-{name}"]) for name in ("forest", "boosting")}
    assert results(found)["select"] == max(scores, key=scores.__getitem__)


CHECKS = {
    "automl": check_automl, "coin_flip": check_coin_flip, "diamond": check_diamond, "explicit_dag": check_diamond,
    "model_search": check_model_search, "producer_consumer": check_producer_consumer, "recursion": check_recursion,
}  # fmt: skip


def test_there_are_seven_listings() -> None:
    assert [file.stem for file in PAPER] == sorted(CHECKS)


@pytest.mark.parametrize("file", [*PAPER, EXAMPLES / "model_selection.py"], ids=lambda file: file.stem)
def test_an_example_builds_a_workflow_that_keeps_the_rules(file: Path) -> None:
    workflow = load_workflow(file)
    assert problems(workflow) == ()
    assert from_text(to_json(workflow)) == workflow


@pytest.mark.parametrize("file", PAPER, ids=lambda file: file.stem)
def test_a_listing_runs_by_the_command(file: Path, tmp_path: Path) -> None:
    if file.stem == "automl":
        pytest.importorskip("sklearn")
    run(tmp_path, "-m", "couler", "run", str(file))
    found = last_run(tmp_path)
    assert found["status"] == "succeeded"
    CHECKS[file.stem](found)


@pytest.mark.parametrize("file", PAPER, ids=lambda file: file.stem)
def test_a_listing_runs_as_a_plain_script(file: Path, tmp_path: Path) -> None:
    if file.stem == "automl":
        pytest.importorskip("sklearn")
    run(tmp_path, str(file))
    found = last_run(tmp_path)
    assert found["status"] == "succeeded"
    CHECKS[file.stem](found)


@pytest.fixture(scope="module")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    return tmp_path_factory.mktemp("main_job")


def test_the_main_job_publishes_the_best_model(main_job: Path) -> None:
    printed = run(main_job, "-m", "couler", "run", str(EXAMPLES / "model_selection.py"))
    found = last_run(main_job)
    best = found["outputs"]["best"]
    statuses = outcome(found)
    assert found["status"] == "succeeded"
    assert best["accuracy"] >= 0.95
    assert f"published {best['model']} with accuracy {best['accuracy']}" in printed
    assert (statuses["publish"], statuses["keep_back"]) == ("succeeded", "skipped")
    assert len(results(found)["evaluate"]) == 4
    report = next(line for line in printed.splitlines() if line.startswith("report: ")).partition(": ")[2]
    page = (main_job / report).read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2


def test_the_main_job_keeps_back_what_is_not_good_enough(main_job: Path) -> None:
    file = str(EXAMPLES / "model_selection.py")
    run(main_job, "-m", "couler", "run", file, "--threshold", "0.999", "-p", 'models=["neighbours", "logistic"]')
    found = last_run(main_job)
    statuses = outcome(found)
    assert (statuses["publish"], statuses["keep_back"]) == ("skipped", "succeeded")
    assert "is below 0.999" in found["outputs"]["decision"]


def test_the_main_job_tells_a_failure(main_job: Path) -> None:
    file = str(EXAMPLES / "model_selection.py")
    command = [sys.executable, "-m", "couler", "run", file, "-p", 'models=["no such model"]']
    done = subprocess.run(command, cwd=main_job, capture_output=True, text=True, check=False)
    found = last_run(main_job)
    assert done.returncode == 1
    assert found["status"] == "failed"
    assert results(found)["tell_failure"].startswith("model selection failed: train")
