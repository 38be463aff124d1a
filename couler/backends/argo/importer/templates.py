"""Templates of a document as steps: leaves, leaves with inputs, and nested steps; called ones are read when needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from couler.backends.argo.importer.attributes import read_attributes, read_placement
from couler.backends.argo.importer.built import Built, identifier, places, rest_of, with_options
from couler.backends.argo.importer.calls import NestedReader, settled
from couler.backends.argo.importer.difference import seconds
from couler.backends.argo.importer.jobs import child, read_resource
from couler.backends.argo.importer.library import Library, Source, key_of, source_of
from couler.backends.argo.importer.loops import json_list
from couler.backends.argo.importer.process import (
    Facts,
    Fields,
    read_container,
    read_files,
    read_outputs,
    read_script,
    read_surroundings,
    read_volume,
)
from couler.backends.argo.importer.reading import as_text, items_of
from couler.backends.argo.importer.report import Finding
from couler.backends.argo.importer.tags import NOWHERE, TAG, Reading
from couler.backends.argo.importer.types import types_in
from couler.backends.argo.importer.writing import TemplateWriter, writing_of
from couler.core.ir import model as ir
from couler.core.ir.graph import outputs_of_one
from couler.core.ir.json import EMPTY

_AROUND = ("name", "inputs", "outputs", "metadata", "annotations")
_LOCATIONS = ("s3", "gcs", "http", "git", "raw", "azure", "hdfs", "oss", "artifactory", "plugin", "from",
              "fromExpression")  # fmt: skip


class TemplateReader:
    """Reads the templates of one document.

    Attributes:
        facts: Template to what the IR has no word for.
        findings: What became of each construct.
        used: Templates that were translated.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        entry: str,
        parameters: Mapping[str, str],
        place: str,
        library: Library = EMPTY,
    ) -> None:
        """Take a spec.

        Args:
            spec: The spec of the workflow.
            entry: Name of the template that runs first.
            parameters: Parameter of the workflow in the document to that in the IR.
            place: Where the spec stands.
            library: Templates of other objects.
        """
        self._spec = spec
        self._library = library
        self._others: dict[Source, TemplateReader] = {}
        self.templates = {as_text(item.get("name")): item for item in items_of(spec.get("templates"))}
        self.facts: dict[str, Facts] = {}
        self.findings: list[Finding] = []
        self.used: set[str] = set()
        self.types = types_in(self.templates, entry)
        self._parameters = parameters
        self._place = place
        self._spec_volumes = {as_text(item.get("name")): read_volume(item) for item in items_of(spec.get("volumes"))}
        for item in items_of(spec.get("volumeClaimTemplates")):
            self._spec_volumes[as_text((item.get("metadata") or {}).get("name"))] = read_volume(item)
        self._built: dict[tuple[str, bool], Built] = {}
        self._open: list[tuple[str, str]] = []

    def note(self, code: str, path: str, detail: str = "") -> None:
        """Report a construct."""
        finding = Finding(code, path, detail)
        if finding not in self.findings:
            self.findings.append(finding)

    def path(self, template: str) -> str:
        """Where a template stands."""
        return f"{self._place}.templates[{template}]"

    # --- templates

    def build(self, name: str, *, after_all: bool = False) -> Built:
        """A template by its name."""
        if (name, after_all) not in self._built:
            self.used.add(name)
            with self.opened(name):
                self._built[name, after_all] = self._template(name, self.templates[name], self.path(name), after_all)
        return self._built[name, after_all]

    @contextmanager
    def opened(self, name: str) -> Iterator[None]:
        """While the template is read, a call of it is a recursion."""
        self._open.append((self._place, name))
        yield
        self._open.pop()

    def build_inline(self, key: str, template: Mapping[str, Any], path: str, after_all: bool) -> Built:
        """A template that stands in its call."""
        return self._template(key, template, f"{path}.inline", after_all)

    def is_open(self, name: str) -> bool:
        """Whether the template is being read, so that a call of it is a recursion."""
        return (self._place, name) in self._open

    def build_other(self, reference: Mapping[str, Any], after_all: bool) -> Built | None:
        """The template of another object, or None when that is not known or a call of it is a recursion.

        What it says of volumes and parameters of the workflow is about the workflow that calls it.
        """
        source, template = source_of(reference), as_text(reference.get("template"))
        if template not in self._library.get(source, {}):
            return None
        if source not in self._others:
            spec = {**self._spec, "templates": list(self._library[source].values())}
            other = TemplateReader(spec, "", self._parameters, f"{source[0]} {source[1]}: spec", self._library)
            other.findings, other._open, other._others = self.findings, self._open, self._others
            self._others[source] = other
        other = self._others[source]
        if other.is_open(template):
            return None
        built = other.build(template, after_all=after_all)
        self.facts[key_of(reference)] = other.facts.get(template, {})
        return built

    def _template(self, key: str, template: Mapping[str, Any], path: str, after_all: bool) -> Built:
        self.note("ARGO010", path)
        facts = self.facts.setdefault(key, {})
        name = key.rpartition("/")[2]
        built = Built(ir.Step(name=name, task=ir.SuspendTask()))
        taken: set[str] = set()
        self._name_inputs(template, built, taken)
        reading = self._reading(built, facts, taken, path, after_all)
        if template.get("steps") is not None or template.get("dag"):
            nested = NestedReader(self, key, template, reading, facts, path)
            steps, outputs = nested.read()
            task = ir.GroupTask(parameters=self._group_parameters(key, built, template), steps=steps, outputs=outputs)
            fields = read_attributes(template, facts, process=False, leaf=False)
            built.step = ir.Step(name=name, task=task, **fields)
            built.outputs = dict.fromkeys(output.name for output in task.outputs)
            built.types = {output.name: output.type for output in task.outputs}
        else:
            built.step = self.leaf(name, template, reading, facts, path)
            leaf_outputs = outputs_of_one(built.step)
            built.outputs = {output: made.default for output, made in leaf_outputs.items()}
            built.types = {output: made.type for output, made in leaf_outputs.items()}
            if built.parameters or built.artifacts or built.globals:
                facts["kind"] = "leaf"
                built.step = self._wrapped(key, built, template)
        if built.globals:
            facts["globals"] = dict(built.globals)
        renamed = {ident: original for original, ident in {**built.parameters, **built.artifacts}.items()
                   if ident != original}  # fmt: skip
        if renamed:
            facts["names"] = renamed
        self._carry(key, template, built, path)
        if not facts:
            self.facts.pop(key, None)
        return built

    def _name_inputs(self, template: Mapping[str, Any], built: Built, taken: set[str]) -> None:
        inputs = template.get("inputs") or {}
        for item in items_of(inputs.get("parameters")):
            built.parameters[as_text(item.get("name"))] = identifier(as_text(item.get("name")), taken)
        for item in items_of(inputs.get("artifacts")):
            if (item.get("path") and not any(item.get(word) for word in _LOCATIONS)) or (
                not item.get("path") and (template.get("steps") is not None or template.get("dag"))
            ):
                built.artifacts[as_text(item.get("name"))] = identifier(as_text(item.get("name")), taken)

    def _reading(self, built: Built, facts: Facts, taken: set[str], path: str, after_all: bool) -> Reading:
        def workflow_parameter(name: str) -> str | None:
            if name not in self._parameters:
                return None
            for ident, known in built.globals.items():
                if known == name:
                    return ident
            ident = identifier(name, taken)
            built.globals[ident] = name
            return ident

        def note(tag: str) -> None:
            self.note("ARGO030", path, tag)

        return Reading(built.parameters, built.artifacts, {}, workflow_parameter, note, after_all)

    def _group_parameters(self, key: str, built: Built, template: Mapping[str, Any]) -> tuple[ir.Parameter, ...]:
        found = []
        facts = self.facts.setdefault(key, {})
        for item in items_of((template.get("inputs") or {}).get("parameters")):
            name = as_text(item.get("name"))
            type_ = self.types.get(("input", key, name), "any")
            default = default_of(item, type_)
            if default is not None and "value" in item:
                facts.setdefault("fixed", []).append(built.parameters[name])
            if default is None and "valueFrom" in item:
                default = ir.Constant()
            if default is not None and not isinstance(default.value, tuple):
                type_ = "any"
            choices = tuple(as_text(one) for one in item.get("enum") or ())
            if default is not None and choices and default.value not in choices:
                choices = ()
            found.append(
                ir.Parameter(
                    name=built.parameters[name], type=type_, default=default, choices=choices,
                    help=as_text(item.get("description")),
                )
            )  # fmt: skip
        found += [ir.Parameter(name=ident, type="file") for ident in built.artifacts.values()]
        for ident, name in built.globals.items():
            found.append(ir.Parameter(name=ident, type=self.types.get(("parameter", "", name), "any")))
        return tuple(found)

    def _wrapped(self, key: str, built: Built, template: Mapping[str, Any]) -> ir.Step:
        """A leaf inside of a group that has the template's inputs as its parameters."""
        leaf = built.step
        outputs = tuple(
            ir.GroupOutput(name=name, value=ir.OutputRef(step=leaf.name, output=name), type=type_)
            for name, type_ in built.types.items()
        )
        parameters = self._group_parameters(key, built, template)
        return ir.Step(name=leaf.name, task=ir.GroupTask(parameters=parameters, steps=(leaf,), outputs=outputs))

    def _carry(self, key: str, template: Mapping[str, Any], built: Built, path: str) -> None:
        """Put what the IR does not say into options of the step, found by writing the template again."""
        group = built.step.task
        if isinstance(group, ir.GroupTask) and self.facts.get(key, {}).get("kind") != "leaf":
            writing = writing_of(group.parameters, self.facts[key])
            steps = settled(self, key, template, group, writing, path)
            built.step = built.step.model_copy(update={"task": group.model_copy(update={"steps": steps})})
        rest = rest_of(template, TemplateWriter(self.facts).of_step(built.step, key))
        if "script" in rest:
            rest["container"] = rest.pop("script")
        for code, place in places(rest):
            self.note(code, f"{path}.{place}")
        if not rest:
            return
        if self.facts.get(key, {}).get("kind") == "leaf":
            assert isinstance(group, ir.GroupTask)
            inner = with_options(group.steps[0], rest)
            built.step = built.step.model_copy(update={"task": group.model_copy(update={"steps": (inner,)})})
        else:
            built.step = with_options(built.step, rest)

    # --- leaves

    def leaf(self, name: str, template: Mapping[str, Any], reading: Reading, facts: Facts, path: str) -> ir.Step:
        """A template that is no group, as a step."""
        fields: Fields
        process = template.get("container") or template.get("script")
        task = self._task(name, template, reading, facts, path)
        has_process = isinstance(task, (ir.ContainerTask, ir.ScriptTask)) and bool(process)
        fields = read_attributes(template, facts, process=has_process, leaf=True) if not facts.get("child") else {}
        for tag in TAG.findall(as_text((process or {}).get("image"))) if has_process else ():
            self.note("ARGO030", f"{path}.image", "{{" + tag + "}}")
        if has_process and process:
            volumes = {**self._spec_volumes,
                       **{as_text(one.get("name")): None for one in items_of(template.get("volumes"))}}  # fmt: skip
            fields |= read_surroundings(process, reading, facts, volumes)
            placed = read_placement(template, fields.get("resources"))
            if placed is not None:
                fields["resources"] = placed
            types = {one[2]: type_ for one, type_ in self.types.items() if one[:2] == ("output", name)}
            fields["outputs"] = read_outputs(template, types)
            if files := read_files(template, reading):
                fields["inputs"] = files
                for item in files:
                    if item.value == ir.StoredFile(url=NOWHERE):
                        self.note("ARGO050", f"{path}.inputs.artifacts[{item.name}]")
        return ir.Step(name=name, task=task, **fields)

    def _task(self, name: str, template: Mapping[str, Any], reading: Reading, facts: Facts, path: str) -> ir.Task:
        outputs = template.get("outputs") or {}
        if template.get("container") and template["container"].get("image"):
            return read_container(template["container"], reading)
        if template.get("script") and template["script"].get("command") and template["script"].get("source"):
            task = read_script(template["script"], reading, facts)
            if isinstance(task, ir.ContainerTask):
                self.note("ARGO031", f"{path}.script.source")
            elif TAG.search(task.source):
                self.note("ARGO032", f"{path}.script.source")
            return task
        if template.get("resource"):
            if TAG.search(as_text(template["resource"].get("manifest"))):
                self.note("ARGO032", f"{path}.resource.manifest")
            return read_resource(template, facts)
        if "suspend" in template and not outputs and "{{" not in f"{template['suspend']}":
            wait = as_text((template["suspend"] or {}).get("duration"))
            return ir.SuspendTask(duration=seconds(wait) if wait else None)
        self.note("ARGO040", path, next((word for word in template if word not in _AROUND), ""))
        facts["child"] = True
        names = [
            as_text(item.get("name")) for kind in ("parameters", "artifacts") for item in items_of(outputs.get(kind))
        ]
        inner = {key: value for key, value in template.items() if key != "inputs"}
        spec = {"entrypoint": name, "templates": [{**inner, "name": name}]}
        return child(name, spec, dict.fromkeys([*names, "result"]))


def default_of(item: Mapping[str, Any], type_: str) -> ir.Constant | None:
    """The default of a parameter; of a list, what its text holds."""
    given = item["value"] if item.get("value") is not None else item.get("default")
    if given is None:
        return None
    text = as_text(given)
    items = json_list(text) if type_ == "list" else None
    return ir.Constant(value=text if items is None else items)
