"""Whole documents: Argo's kinds as workflows of the IR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from couler.backends.argo.importer.built import identifier, places, with_options
from couler.backends.argo.importer.calls import NestedReader, settled
from couler.backends.argo.importer.difference import NOTHING, missing, name_of, seconds
from couler.backends.argo.importer.jobs import child
from couler.backends.argo.importer.library import Library
from couler.backends.argo.importer.objects import ABOUT, CRON, tags_of, write_document
from couler.backends.argo.importer.process import Facts
from couler.backends.argo.importer.reading import as_text, items_of
from couler.backends.argo.importer.report import Finding
from couler.backends.argo.importer.stores import read_location
from couler.backends.argo.importer.tags import NOWHERE, Reading, Writing
from couler.backends.argo.importer.templates import TemplateReader, default_of
from couler.backends.argo.importer.types import calls_of
from couler.backends.argo.options import OF_ENTRY
from couler.core.ir import model as ir
from couler.core.ir.json import thaw
from couler.core.ir.rules.schedules import cron_trouble

KINDS = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")
_POLICIES = {"Allow": "allow", "Forbid": "forbid", "Replace": "replace"}


def is_workflow(document: Any) -> bool:
    """Whether a document is one of Argo's kinds of workflow."""
    return isinstance(document, Mapping) and document.get("kind") in KINDS


def spec_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec of the workflow in a document."""
    spec: Mapping[str, Any] = document.get("spec") or {}
    return spec.get("workflowSpec") or {} if document.get("kind") == "CronWorkflow" else spec


# --- reading ---------------------------------------------------------------------------------------------------


def read_document(document: Mapping[str, Any], index: int, library: Library) -> tuple[list[ir.Workflow], list[Finding]]:
    """The workflows of a document: one, or one for each root of a library of templates without an entrypoint.

    Args:
        document: The document.
        index: Its place among the others.
        library: Templates that other objects hold for it.
    """
    spec = spec_of(document)
    entry = as_text(spec.get("entrypoint"))
    if entry or spec.get("workflowTemplateRef"):
        roots = [entry]
    else:
        called = {call.get("template") for one in items_of(spec.get("templates")) for call in calls_of(one)
                  if call.get("template") != one.get("name")}  # fmt: skip
        names = [as_text(one.get("name")) for one in items_of(spec.get("templates"))]
        roots = [name for name in names if name not in called] or names[:1]
    findings: list[Finding] = []
    workflows: list[ir.Workflow] = []
    for number, root in enumerate(roots):
        reader = _DocumentReader(document, index, root, library, is_library=not entry, first=number == 0)
        workflows.append(reader.read())
        findings += [finding for finding in reader.findings if finding not in findings]
    return _carried(document, workflows, findings), findings


class _DocumentReader:
    """Reads a document from one of its templates on."""

    def __init__(
        self, document: Mapping[str, Any], index: int, entry: str, library: Library, *, is_library: bool, first: bool
    ) -> None:
        self._document = document
        self._spec = spec_of(document)
        self._entry = entry
        self._is_library = is_library
        self._first = first
        self._place = "spec.workflowSpec" if document.get("kind") == "CronWorkflow" else "spec"
        self._layout: Facts = {}
        if document.get("kind") != "Workflow":
            self._layout["kind"] = document["kind"]
        if index:
            self._layout["document"] = index
        taken: set[str] = set()
        self._parameters: dict[str, str] = {}
        for item in items_of((self._spec.get("arguments") or {}).get("parameters")):
            self._parameters[as_text(item.get("name"))] = identifier(as_text(item.get("name")), taken)
        self._template = next((one for one in items_of(self._spec.get("templates")) if one.get("name") == entry), {})
        self._inputs = [as_text(one.get("name")) for one in
                        items_of((self._template.get("inputs") or {}).get("parameters"))]  # fmt: skip
        artifacts = items_of((self._spec.get("arguments") or {}).get("artifacts"))
        located = {as_text(one.get("name")): read_location(one) for one in artifacts}
        self._files = {name: file for name, file in located.items() if file != ir.StoredFile(url=NOWHERE)}
        self._idents = dict(self._parameters)
        for name in self._inputs:
            if name not in self._idents:
                self._idents[name] = identifier(name, taken)
        self._templates = TemplateReader(self._spec, entry, self._parameters, self._place, library)
        self.findings = self._templates.findings

    def read(self) -> ir.Workflow:
        note = self._templates.note
        note("ARGO001", as_text(self._document.get("kind")))
        name = self._name()
        steps, outputs = self._body(name)
        fields: dict[str, Any] = {"name": name, "steps": steps, "outputs": outputs, "parameters": self._declared()}
        fields |= self._settings()
        about = ((self._document.get("metadata") or {}).get("annotations") or {}).get(ABOUT)
        if isinstance(about, str):
            fields["description"] = about
        if handler := self._exit_handler():
            name = self._free(handler.step.name, steps)
            step = handler.step.model_copy(update={"name": name})
            fields["exit_handlers"] = (handler.model_copy(update={"step": step}),)
        if self._entry and not self._is_library:
            self._layout["entrypoint"] = self._entry
        elif self._entry:
            self._layout["root"] = self._entry
        if self._inputs:
            self._layout["inputs"] = list(self._inputs)
        renamed = {ident: original for original, ident in self._idents.items() if ident != original}
        if renamed:
            self._layout["names"] = renamed
        if self._files:
            self._layout["files"] = self._addresses()
        if facts := {key: value for key, value in self._templates.facts.items() if value}:
            self._layout["templates"] = facts
        unused = [one for one in self._templates.templates if one not in self._templates.used]
        for one in unused if self._first and not self._is_library else ():
            note("ARGO012", self._templates.path(one))
        return ir.Workflow(**fields, engine_options={"argo": {"layout": self._layout}})

    def _name(self) -> str:
        metadata = self._document.get("metadata") or {}
        given = as_text(metadata.get("name"))
        if not given and metadata.get("generateName"):
            given = as_text(metadata["generateName"])
            self._layout["named"] = "generateName"
            if not given.endswith("-") or len(given) < 2:
                self._layout["suffix"] = ""
            else:
                given = given[:-1]
        elif not given:
            self._layout["named"] = ""
            given = self._entry or "workflow"
        if not self._first:
            self._layout["name"] = given
            return f"{given}-{self._entry}"
        return given

    def _body(self, name: str) -> tuple[tuple[ir.Step, ...], tuple[ir.GroupOutput, ...]]:
        if not self._template:
            return (self._reference(name),), ()
        path = self._templates.path(self._entry)
        self._templates.used.add(self._entry)
        self._templates.note("ARGO010", path)
        facts = self._templates.facts.setdefault(self._entry, {})
        reading = Reading(
            {name: self._idents[name] for name in self._inputs}, {}, {}, self._parameters.get,
            lambda tag: self._templates.note("ARGO030", path, tag), files=self._files,
        )  # fmt: skip
        if self._template.get("steps") is None and not self._template.get("dag"):
            step = self._templates.leaf(self._entry, self._template, reading, facts, path)
            return (step,), ()
        with self._templates.opened(self._entry):
            nested = NestedReader(self._templates, self._entry, self._template, reading, facts, path)
            steps, outputs = nested.read()
        scope = ir.GroupTask(steps=steps, outputs=outputs)
        writing = Writing(parameters=tags_of(self._idents, self._inputs), files=self._addresses())
        return settled(self._templates, self._entry, self._template, scope, writing, path), outputs

    def _addresses(self) -> dict[str, str]:
        return {file.url: name for name, file in self._files.items()}

    def _reference(self, name: str) -> ir.Step:
        """A workflow that is the one of another object."""
        self._templates.note("ARGO043", f"{self._place}.workflowTemplateRef")
        self._layout["reference"] = True
        spec = {"workflowTemplateRef": self._spec.get("workflowTemplateRef") or {}}
        return ir.Step(name=name, task=child(name, spec, {}))

    def _declared(self) -> tuple[ir.Parameter, ...]:
        given = {as_text(one.get("name")): one for one in
                 items_of((self._spec.get("arguments") or {}).get("parameters"))}  # fmt: skip
        inputs = {as_text(one.get("name")): one for one in
                  items_of((self._template.get("inputs") or {}).get("parameters"))}  # fmt: skip
        found = []
        for name, ident in self._idents.items():
            item = given.get(name) or inputs.get(name) or {}
            is_list = ("parameter", "", name) in self._templates.types
            default = default_of(item, "list" if is_list else "any")
            type_ = "list" if is_list and (default is None or isinstance(default.value, tuple)) else "any"
            if default is None and (item.get("valueFrom") or inputs.get(name, {}).get("valueFrom")):
                default, type_ = ir.Constant(), "any"
            if name not in given:
                self._layout.setdefault("own", {})[name] = next(
                    (key for key in ("value", "default") if key in item), ""
                )
            choices = tuple(as_text(one) for one in item.get("enum") or ())
            if default is not None and default.value not in choices:
                choices = ()
            found.append(ir.Parameter(name=ident, type=type_, default=default, choices=choices,
                                      help=as_text(item.get("description"))))  # fmt: skip
        return tuple(found)

    def _settings(self) -> dict[str, Any]:
        spec, fields = self._spec, dict[str, Any]()
        if isinstance(spec.get("parallelism"), int) and spec["parallelism"] > 0:
            fields["parallelism"] = spec["parallelism"]
        if timeout := seconds(as_text(spec.get("activeDeadlineSeconds"))):
            fields["timeout"] = timeout
        if spec.get("serviceAccountName") and "{{" not in spec["serviceAccountName"]:
            fields["service_account"] = spec["serviceAccountName"]
        labels = (self._document.get("metadata") or {}).get("labels") or {}
        if labels:
            fields["labels"] = {name: as_text(value) for name, value in labels.items()}
        if self._document.get("kind") == "CronWorkflow" and (schedule := self._schedule()):
            fields["schedule"] = schedule
        return fields

    def _schedule(self) -> ir.Schedule | None:
        spec = self._document["spec"]
        cron = tuple(as_text(one) for one in spec.get("schedules") or [spec.get("schedule")] if one)
        policy = _POLICIES.get(spec.get("concurrencyPolicy", "Allow"))
        if not cron or any(cron_trouble(one) for one in cron) or policy is None:
            return None
        return ir.Schedule(
            cron=cron, timezone=spec.get("timezone", "UTC"), concurrency=policy,
            suspended=spec.get("suspend") is True, starting_deadline=spec.get("startingDeadlineSeconds"),
        )  # fmt: skip

    def _exit_handler(self) -> ir.ExitHandler | None:
        name = as_text(self._spec.get("onExit"))
        if name not in self._templates.templates:
            return None
        self._layout["onExit"] = name
        built = self._templates.build(name, after_all=True)
        inputs = [ir.Input(name=ident, value=ir.ParameterRef(name=self._parameters[original]), type="any")
                  for ident, original in built.globals.items()]  # fmt: skip
        task = built.step.task
        if isinstance(task, ir.GroupTask):
            known = {item.name for item in inputs}
            unsaid = [one.name for one in task.parameters if one.name not in known and one.default is None]
            inputs += [ir.Input(name=one, value=ir.Constant(), type="any") for one in unsaid]
            return ir.ExitHandler(step=built.step.model_copy(update={"inputs": tuple(inputs)}))
        return ir.ExitHandler(step=built.step)

    def _free(self, name: str, steps: tuple[ir.Step, ...]) -> str:
        """A name for the exit handler that no step has."""
        taken = {step.name for step in steps}
        return f"{name}-on-exit" if name in taken else name


def _carried(document: Mapping[str, Any], workflows: list[ir.Workflow], findings: list[Finding]) -> list[ir.Workflow]:
    """Put what the workflows do not say into options of the first one, found by writing the document again."""
    rest = missing(document, write_document(workflows))
    if rest is NOTHING:
        return workflows
    for code, place in places(rest, depth=3):
        finding = Finding(code, place)
        if finding not in findings and not place.startswith("spec.templates"):
            findings.append(finding)
    spec = dict(rest.get("spec", {}))
    options: dict[str, Any] = {}
    if document.get("kind") == "CronWorkflow":
        cron = {key: value for key, value in spec.items() if key != "workflowSpec"}
        spec = dict(spec.get("workflowSpec", {}))
        options |= {CRON: cron} if cron else {}
    templates = {name_of(item): dict(item) for item in spec.pop("templates", ())}
    workflows = [_with_first(one, templates, findings) for one in workflows]
    spec |= {"templates": list(templates.values())} if templates else {}
    options = {**spec, **options, **({"metadata": rest["metadata"]} if "metadata" in rest else {})}
    first = workflows[0]
    return [_with_argo(first, {**options, **thaw(first.engine_options["argo"])}), *workflows[1:]]


def _with_argo(workflow: ir.Workflow, options: Mapping[str, Any]) -> ir.Workflow:
    return ir.Workflow(**{**workflow.__dict__, "engine_options": {"argo": options}})


def _with_first(workflow: ir.Workflow, templates: dict[str, dict[str, Any]], findings: list[Finding]) -> ir.Workflow:
    """The workflow with what was left of the template that runs first, which is taken out of ``templates``."""
    layout = thaw(workflow.engine_options["argo"]["layout"])
    root = layout.get("entrypoint") or layout.get("root")
    rest = templates.pop(root, {}) if layout.get("reference") is None else {}
    rest.pop("name", None)
    if not rest:
        return workflow
    is_nested = "kind" in layout.get("templates", {}).get(root, {})
    spec = "spec.workflowSpec" if layout.get("kind") == "CronWorkflow" else "spec"
    for code, field in places(rest):
        is_lost = is_nested and field.partition(".")[0] not in OF_ENTRY and field != "dag.failFast"
        finding = Finding("ARGO061" if is_lost else code, f"{spec}.templates[{root}].{field}")
        findings += [finding] if finding not in findings else []
    if is_nested:
        return _with_argo(workflow, {"layout": {**layout, "first": rest}})
    if "script" in rest:
        rest["container"] = rest.pop("script")
    return workflow.model_copy(update={"steps": (with_options(workflow.steps[0], rest),)})
