"""Argo's tags as references, and references as tags.

The text of an argument is data with tags in it. A tag that names something of the workflow becomes a reference; any
other stays in the text as it is, and the report says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from couler.backends.argo.importer.reading import as_text
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.ir.json import thaw

TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_RUN_FACTS = {"workflow.name": "name", "workflow.uid": "id", "workflow.status": "status"}
_OUTPUT = re.compile(r"(?:steps|tasks)\.([^.]+)\.outputs\.(?:(result)|(parameters|artifacts)\.([^.]+))")
NOWHERE = "argo:"
"""Address of a file that only Argo can find; what follows is its tag."""


@dataclass
class Reading:
    """What the tags of a template may name.

    Attributes:
        inputs: Input parameter to the parameter of the scope.
        artifacts: Input artifact to the parameter of the scope.
        outputs: Step to its outputs, each with its default.
        workflow_parameter: The parameter of the scope that holds a parameter of the workflow, if there is one.
        note: Reports a tag that stays text.
        after_all: Whether this runs when everything has ended.
        item: Whether the item of a loop may be named.
        files: Input artifact to the file that the arguments of the workflow say it is.
    """

    inputs: Mapping[str, str]
    artifacts: Mapping[str, str]
    outputs: Mapping[str, Mapping[str, ir.Constant | None]]
    workflow_parameter: Callable[[str], str | None]
    note: Callable[[str], None]
    after_all: bool = False
    item: bool = False
    files: Mapping[str, ir.StoredFile] = field(default_factory=dict)

    def value(self, text: Any) -> ir.Value:
        """The value that a text with tags stands for."""
        written = as_text(text)
        parts: list[ir.Value] = []
        plain, position = "", 0
        for match in TAG.finditer(written):
            reference = self.reference(match[1].strip())
            plain += written[position : match.start()]
            position = match.end()
            if reference is None:
                self.note(match[0])
                plain += match[0]
                continue
            parts += [ir.Constant(value=plain), reference] if plain else [reference]
            plain = ""
        plain += written[position:]
        if not parts:
            return ir.Constant(value=plain)
        if plain:
            parts.append(ir.Constant(value=plain))
        return parts[0] if len(parts) == 1 else ir.Concat(parts=tuple(parts))

    def has_references(self, text: str) -> bool:
        """Whether a tag in the text becomes a reference."""
        return any(self.reference(match[1].strip()) is not None for match in TAG.finditer(text))

    def reference(self, tag: str) -> ir.Value | None:
        """What a tag names, or None."""
        if tag == "item" or tag.startswith("item."):
            path = (tag[5:],) if len(tag) > 5 else ()
            return ir.ItemRef(path=path) if self.item else None
        if tag in _RUN_FACTS:
            fact = _RUN_FACTS[tag]
            return ir.RunRef(field=fact) if fact != "status" or self.after_all else None
        if match := _OUTPUT.fullmatch(tag):
            return self._output(match)
        kind, _, name = tag.rpartition(".")
        if kind == "inputs.parameters" and name in self.inputs:
            return ir.ParameterRef(name=self.inputs[name])
        if kind == "inputs.artifacts" and name in self.artifacts:
            return ir.ParameterRef(name=self.artifacts[name])
        if kind == "workflow.parameters" and (known := self.workflow_parameter(name)):
            return ir.ParameterRef(name=known)
        return None

    def _output(self, match: re.Match[str]) -> ir.OutputRef | None:
        step, output = match[1], match[2] or match[4]
        known = self.outputs.get(step, {})
        if output not in known:
            return None
        default = known[output] if match[3] == "parameters" else None
        return ir.OutputRef(step=step, output=output, default=default)

    def file(self, tag: str) -> ir.Value:
        """The file that a tag names."""
        name = tag.strip().removeprefix("{{").removesuffix("}}").strip()
        found = self.reference(name) if "{{" in tag else None
        if found is not None:
            return found
        if (known := self.files.get(name.removeprefix("inputs.artifacts."))) is not None:
            return known
        self.note(tag)
        return ir.StoredFile(url=NOWHERE + name)


@dataclass(slots=True)
class Writing:
    """How the references of a scope are written.

    Attributes:
        prefix: ``steps`` or ``tasks``; empty inside of a template, where outputs of others cannot be named.
        parameters: Parameter of the scope to its tag.
        files: Address to the artifact among the workflow's arguments that has it.
        used: These artifacts with their files, as they were met.
    """

    prefix: str = "tasks"
    parameters: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    used: dict[str, ir.StoredFile] = field(default_factory=dict)

    def text(self, value: ir.Value) -> str:
        """The text with tags for a value.

        Raises:
            DefinitionError: Argo has no tag for it.
        """
        match value:
            case ir.Constant(value=constant):
                return constant_text(constant)
            case ir.Concat():
                return "".join(self.text(part) for part in value.parts)
            case ir.ListOf():
                return json.dumps([self.text(item) for item in value.items])
            case _:
                return "{{" + self.tag(value) + "}}"

    def tag(self, value: ir.Value, *, file: bool = False) -> str:
        """What stands between the braces."""
        if not self.prefix and isinstance(value, (ir.OutputRef, ir.ItemRef)):
            raise DefinitionError(
                "a template without inputs uses an output of another step or an item",
                "`couler compile --engine argo` writes such workflows",
            )
        match value:
            case ir.ParameterRef(path=()):
                kind = "artifacts" if file else "parameters"
                return self.parameters.get(value.name, f"inputs.{kind}.{value.name}")
            case ir.OutputRef(path=()):
                if value.output == "result" and not file:
                    return f"{self.prefix}.{value.step}.outputs.result"
                kind = "artifacts" if file else "parameters"
                return f"{self.prefix}.{value.step}.outputs.{kind}.{value.output}"
            case ir.ItemRef():
                return ".".join(["item", *map(str, value.path)])
            case ir.RunRef() if value.field in _RUN_FACTS.values():
                return next(tag for tag, fact in _RUN_FACTS.items() if fact == value.field)
            case ir.StoredFile() if value.url in self.files:
                self.used[self.files[value.url]] = value
                return f"inputs.artifacts.{self.files[value.url]}"
            case ir.StoredFile() if value.url.startswith(NOWHERE):
                return value.url.removeprefix(NOWHERE)
            case _:
                raise DefinitionError(
                    f"a value of the kind '{value.kind}' cannot be written in the layout of an imported workflow",
                    "`couler compile --engine argo` writes it in couler's own layout",
                )


def constant_text(constant: Any) -> str:
    """A constant as Argo's text: strings as they are, others as JSON."""
    return constant if isinstance(constant, str) else json.dumps(thaw(constant), ensure_ascii=False)
