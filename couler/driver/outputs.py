"""Outputs of a workflow that are files, as paths that people can open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from couler.artifacts import is_file
from couler.core.ir.model import FirstOf, OutputRef, Value, Workflow


def fetch_files(
    workflow: Workflow, outputs: Mapping[str, Any], bring: Callable[[Mapping[str, Any], Path], None], folder: Path
) -> dict[str, Path]:
    """Put the outputs that are files into a folder, once, under names with their suffix.

    Args:
        workflow: Says how the files were called where they were written.
        outputs: Values of the workflow's outputs.
        bring: Puts the file of a record at a path.
        folder: Made when there is a file.

    Returns:
        Output name to path.

    Raises:
        ArtifactError: A file cannot be read.
    """
    written = {output.name: _written_name(workflow, output.value) for output in workflow.outputs}
    found: dict[str, Path] = {}
    for name, value in outputs.items():
        if not is_file(value):
            continue
        target = folder / (name + PurePosixPath(written.get(name, "")).suffix)
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            bring(value, target)
        found[name] = target
    return found


def _written_name(workflow: Workflow, value: Value) -> str:
    paths = {step.name: {output.name: output.path for output in step.outputs} for step in workflow.steps}
    return next((paths.get(ref.step, {}).get(ref.output, "") for ref in _references(value)), "")


def _references(value: Value) -> Iterator[OutputRef]:
    if isinstance(value, OutputRef):
        yield value
    elif isinstance(value, FirstOf):
        yield from value.options
