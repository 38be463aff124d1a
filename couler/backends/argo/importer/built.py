"""A template as a step before anybody calls it, and small things that its readers share."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from couler.backends.argo.importer.difference import NOTHING, missing, name_of, named
from couler.core.ir import model as ir
from couler.core.ir.json import thaw


@dataclass(slots=True)
class Built:
    """A template as a step.

    Attributes:
        step: The step; a call gives it a name, inputs, conditions and a loop.
        parameters: Input parameter to the parameter of the group.
        artifacts: Input artifact to the parameter of the group.
        globals: Parameter of the group to the parameter of the workflow that it is bound to.
        outputs: Output to its default.
        types: Output to its type.
    """

    step: ir.Step
    parameters: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    globals: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, ir.Constant | None] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)


def identifier(name: str, taken: set[str]) -> str:
    """A name as that of a parameter in Python, given once.

    >>> identifier("instance-id", set()), identifier("class", set())
    ('instance_id', 'class_')
    """
    base = re.sub(r"\W+", "_", name) or "value"
    base = f"p_{base}" if base[0].isdigit() or base.startswith("__") else base
    base = f"{base}_" if keyword.iskeyword(base) or base in ("couler", "ir") else base
    found, number = base, 2
    while found in taken:
        found, number = f"{base}_{number}", number + 1
    taken.add(found)
    return found


def with_options(step: ir.Step, more: Mapping[str, Any]) -> ir.Step:
    """The step with further options for Argo."""
    options = {**thaw(step.engine_options.get("argo", {})), **more}
    return step.model_copy(update={"engine_options": ir.Step(name="x", task=step.task, engine_options={
        **step.engine_options, "argo": options}).engine_options})  # fmt: skip


def rest_of(template: Mapping[str, Any], rebuilt: Mapping[str, Any]) -> dict[str, Any]:
    """What a template says beyond what was written again; its calls are compared one by one elsewhere."""

    def bare(one: Mapping[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in one.items() if key not in ("name", "steps", "dag")}
        dag = one.get("dag") or {}
        return {**kept, "dag": {key: value for key, value in dag.items() if key != "tasks"}} if dag else kept

    found = missing(bare(template), bare(rebuilt))
    return {} if found is NOTHING else dict(found)


_NAMING = re.compile(r"\{\{[^}]*\b(?:steps|tasks|inputs|workflow\.parameters|item)\b")


def code_of(value: Any) -> str:
    """The code of what is kept as an option: whether it names parts of the document, which couler calls otherwise.

    >>> code_of({"key": "{{inputs.parameters.x}}"}), code_of({"key": "k"})
    ('ARGO061', 'ARGO060')
    """
    return "ARGO061" if _NAMING.search(str(thaw(value))) else "ARGO060"


def places(rest: Mapping[str, Any], before: str = "", depth: int = 2) -> Iterator[tuple[str, str]]:
    """The codes of the parts of options and where they stood, two levels deep.

    >>> list(places({"container": {"lifecycle": {}, "tty": True}, "memoize": {"key": "{{item}}"}}))
    [('ARGO060', 'container.lifecycle'), ('ARGO060', 'container.tty'), ('ARGO061', 'memoize.key')]
    """
    for key, value in rest.items():
        path = f"{before}{key}"
        if isinstance(value, Mapping) and value and depth > 1:
            yield from places(value, f"{path}.", depth - 1)
        elif named(value) and value and depth > 1:
            yield from ((code_of(item), f"{path}[{name_of(item)}]") for item in value)
        else:
            yield code_of(value), path
