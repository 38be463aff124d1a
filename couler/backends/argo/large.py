"""Values over the limit of Argo's parameters: they go from function to function as artifacts, where that can be done.

A function that may give such a value has an optional output artifact beside the parameter. Its runner writes the value
there when it is too large, and a mark into the parameter; the runner of each function that takes the value knows the
mark and reads the artifact, which is optional for it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from couler.backends.argo.build import called_template
from couler.backends.argo.files import FILES, is_file_type
from couler.backends.argo.names import parameter_name
from couler.core.ir.graph import references, references_in, walk
from couler.core.ir.model import FunctionTask, GroupOutput, Output, OutputRef, Step, Value, Workflow
from couler.runner.container import LARGE, MARK

PREFIX = "couler-large-"
ARRIVING = "/tmp/couler/large-in"
_Output: TypeAlias = tuple[str, str]
_NEVER_LARGE = frozenset([*FILES, "int", "float", "bool", "null"])
_RESULT = (Output(name="result"),)


def large_outputs(
    steps: Sequence[Step], outputs: Sequence[GroupOutput], exports: Mapping[str, Mapping[str, str]]
) -> dict[str, frozenset[str]]:
    """Outputs of which any size arrives, by step: plain functions give them, and nothing else takes them.

    A plain function runs once, is not cached, its failure is not an outcome, and no exit handler reads its outputs, so
    that no template stands around it. It takes a value directly, whole or a part of it, and not as a piece of a list or
    of a text, as one of several, or with a default.

    Args:
        steps: The steps of a scope.
        outputs: Outputs of the scope.
        exports: Outputs that exit handlers read.
    """
    plain = {step.name: step for step in steps if step.name not in exports and _is_plain(step)}
    taken = Counter(output for step in plain.values() for output in _taken(step))
    read = Counter(_output(ref) for ref in _references(steps, outputs) if isinstance(ref, OutputRef))
    return {
        name: frozenset(
            output.name
            for output in step.outputs or _RESULT
            if output.type not in _NEVER_LARGE and read[name, output.name] == taken[name, output.name]
        )
        for name, step in plain.items()
    }


def _is_plain(step: Step) -> bool:
    return (
        isinstance(step.task, FunctionTask)
        and step.foreach is None
        and step.loop is None
        and not step.allow_failure
        and not (step.cache is not None and step.cache.enabled)
        and not called_template(step)
    )


def _taken(step: Step) -> Iterator[_Output]:
    for given in step.inputs:
        if isinstance(given.value, OutputRef) and given.value.default is None:
            yield _output(given.value)


def _output(ref: OutputRef) -> _Output:
    return ref.step, ref.output


def _references(steps: Iterable[Step], outputs: Iterable[GroupOutput]) -> Iterator[Value]:
    for step in steps:
        yield from references(step)
        if step.after_condition is not None:
            yield from references_in(step.after_condition)
    for output in outputs:
        yield from references_in(output.value)


def stores_files(workflow: Workflow) -> bool:
    """Whether a step writes a file, for which Argo must have a place."""
    return any(is_file_type(output.type) for _, step in walk(workflow) for output in step.outputs)


# --- in templates --------------------------------------------------------------------------------------------------


def artifact_name(name: str) -> str:
    """Name of the artifact of a value, beside the parameter of an input or an output."""
    return PREFIX + parameter_name(name)


def is_large(value: Value) -> bool:
    """Whether something is such an artifact, as `stored_value` names it."""
    return isinstance(value, OutputRef) and value.output.startswith(PREFIX)


def stored_value(value: OutputRef) -> OutputRef:
    """The artifact of an output, as if it were an output itself."""
    return OutputRef(step=value.step, output=artifact_name(value.output))


def output_artifact_of(name: str) -> dict[str, Any]:
    """The artifact of an output of a function, which its runner writes when the value is too large."""
    return {
        "name": artifact_name(name),
        "path": f"{LARGE}{name}.json",
        "archive": {"none": {}},
        "optional": True,
    }


def input_artifact_of(name: str) -> dict[str, Any]:
    """The artifact of an input of a function."""
    artifact = artifact_name(name)
    return {"name": artifact, "path": f"{ARRIVING}/{artifact}.json", "optional": True}


def is_mark(value: Any) -> bool:
    """Whether a parameter holds the mark of a value that is an artifact.

    >>> is_mark({"$couler-large": 300_000})
    True
    """
    return isinstance(value, dict) and MARK in value
