"""What a step that runs beside the others cannot be or have on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from couler.core.errors import Refusal, UnsupportedFeatureError
from couler.core.ir.graph import references, references_in, walk
from couler.core.ir.model import GroupTask, OutputRef, Scope, Step, Workflow

_NO_REPEAT = "a daemon cannot be mapped or looped here; put it into the group that is repeated"
_NO_GPU = "a daemon gets no GPU here; start the service in the step that needs the GPU"
_NO_OUTPUT = "the output of a daemon cannot be read, because it is stopped before it gives one; use after instead"


def check(workflow: Workflow) -> None:
    """Refuse daemons that could never do what is asked of them.

    Raises:
        UnsupportedFeatureError: A daemon is repeated, asks for GPUs, or its output is read.
    """
    steps = dict(walk(workflow))
    if not any(step.daemon for step in steps.values()):
        return
    found: dict[str, list[str]] = {}
    for path, step in steps.items():
        for reason in _reasons(step) if step.daemon else ():
            found.setdefault(reason, []).append(path)
        if isinstance(step.task, GroupTask):
            for name in _read_daemons(step.task):
                found.setdefault(_NO_OUTPUT, []).append(f"{path}/{name}")
    for name in _read_daemons(workflow):
        found.setdefault(_NO_OUTPUT, []).append(name)
    if found:
        refusals = tuple(Refusal("daemon", reason, tuple(paths)) for reason, paths in found.items())
        raise UnsupportedFeatureError(workflow.name, "local", refusals)


def _reasons(step: Step) -> Iterator[str]:
    if step.foreach is not None or step.loop is not None:
        yield _NO_REPEAT
    if step.resources is not None and step.resources.gpu:
        yield _NO_GPU


def _read_daemons(scope: Scope) -> list[str]:
    steps = list(scope.steps)
    if isinstance(scope, Workflow):
        steps += [handler.step for handler in scope.exit_handlers]
    refs = [ref for step in steps for ref in references(step)]
    refs += [ref for output in scope.outputs for ref in references_in(output.value)]
    read = {ref.step for ref in refs if isinstance(ref, OutputRef)}
    return [step.name for step in steps if step.daemon and step.name in read]
