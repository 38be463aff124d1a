"""An imported workflow runs on the local engine and gives what Argo would give."""

from __future__ import annotations

from pathlib import Path

from couler import driver
from couler.backends.argo.importer import import_argo


def test_an_imported_workflow_runs_here(tmp_path: Path) -> None:
    [workflow] = import_argo((Path(__file__).parent / "fixtures" / "words.yaml").read_text(encoding="utf-8")).workflows
    run = driver.run(workflow, {"greeting": "hi"}, root=tmp_path / ".couler")
    assert run.outputs == {"joined": "hi ada", "each": ["hi x", "hi y hi"]}
    assert run.steps["odd"].status == "skipped"
