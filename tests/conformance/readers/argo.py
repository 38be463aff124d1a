"""Reads documents for Argo back into the shape of the workflow that they were made from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.conformance.readers.controller import dependencies, tasks_of
from tests.conformance.shape import Facts, Shape, digest

Json = dict[str, Any]
STATUS = "couler-status"
"""Output of a template around a step that may fail."""
BRACE = "COULER_BRACE"
DEFAULT_IMAGE = "python:3.11-slim"
"""Where functions and scripts run that name no image."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names as the author of the workflow gave them, in the order of declaration.

    Attributes:
        steps: Path of a scope, without indices, to the names of its tasks, each with the name of its step; the workflow
            is the empty path.
        handlers: Names of the tasks of exit handlers, each with the name of its handler.
        outputs: Names of the workflow's outputs that are values.
    """

    steps: Mapping[str, Mapping[str, str]]
    handlers: Mapping[str, str]
    outputs: tuple[str, ...] = ()


def objects(documents: Mapping[str, str]) -> list[Json]:
    """The Kubernetes objects in documents."""
    return [one for text in documents.values() for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]


def workflow_in(documents: Mapping[str, str]) -> tuple[Json, Json]:
    """The workflow among the objects, and its spec, which a CronWorkflow holds one level deeper."""
    (found,) = [one for one in objects(documents) if one["kind"] in ("Workflow", "CronWorkflow")]
    return found, found["spec"].get("workflowSpec", found["spec"])


def read(documents: Mapping[str, str], names: Names) -> Shape:
    """The shape of the workflow that documents say."""
    found, spec = workflow_in(documents)
    return _Reader(found, spec, names).shape()


@dataclass(slots=True)
class Unwrapped:
    """A step without the templates around it.

    Attributes:
        template: What the step itself is.
        steps_in: Whether it is a DAG of steps.
        may_fail: Its failure is an outcome.
        map: The template that runs it for each item.
        loop: The template that runs it again and again.
        strategy: Its retries.
    """

    template: Json
    may_fail: bool = False
    map: Json | None = None
    loop: Json | None = None
    strategy: Json | None = None
    patches: list[str] = field(default_factory=list)


def has_tasks(template: Json) -> bool:
    """Whether a template consists of others."""
    return "dag" in template or "steps" in template


def wrapper(template: Json) -> str:
    """``shell``, ``map`` or ``loop`` for a template around another, empty for the steps of a workflow or group."""
    tasks = tasks_of(template)
    names = [task["name"] for task in tasks]
    if names == ["item"] and ("withItems" in tasks[0] or "withParam" in tasks[0]):
        return "map"
    if names[0] == "run" and set(names) <= {"run", "check", "end"} and re.fullmatch(r".*-run(-\d+)?", template["name"]):
        return "shell"
    if names[-1] == "next" and tasks[-1]["template"] == template["name"]:
        return "loop"
    return ""


class _Reader:
    def __init__(self, found: Json, spec: Json, names: Names) -> None:
        self.object = found
        self.spec = spec
        self.names = names
        self.templates = {template["name"]: template for template in spec["templates"]}

    def shape(self) -> Shape:
        steps = dict(self._scope(self.templates[self.spec["entrypoint"]], "", self.names.steps[""]))
        if "onExit" in self.spec:
            handlers = self._scope(self.templates[self.spec["onExit"]], "", self.names.handlers)
            steps.update((path, {**facts, "after": []} if "/" not in path else facts) for path, facts in handlers)
        return Shape(self._workflow(), steps)

    # --- the workflow

    def _workflow(self) -> Facts:
        spec = self.spec
        parameters = spec.get("arguments", {}).get("parameters", ())
        outputs = self.templates[spec["entrypoint"]].get("outputs", {})
        values = [one for one in outputs.get("parameters", ()) if not one["name"].startswith("couler-")]
        limit = spec.get("activeDeadlineSeconds")
        return {
            "parameters": [[json.loads(one["value"])] if "value" in one else [] for one in parameters],
            "exits": self._exits(),
            "parallelism": spec.get("parallelism"),
            "timeout": None if limit is None else int(limit),
            "service_account": spec.get("serviceAccountName", ""),
            "labels": self._labels(),
            "schedule": self._schedule(),
            "outputs": len(values) + len(outputs.get("artifacts", ())),
        }

    def _labels(self) -> dict[str, str]:
        given = self.object["metadata"].get("labels", {})
        pods = self.spec.get("podMetadata", {}).get("labels", {})
        return {name: value for name, value in {**pods, **given}.items() if not name.startswith("couler.io/")}

    def _exits(self) -> dict[str, str]:
        if "onExit" not in self.spec:
            return {}
        tasks = tasks_of(self.templates[self.spec["onExit"]])
        found = {}
        for task in tasks:
            when = task.get("when", "")
            found[self.names.handlers[task["name"]]] = (
                "success" if "workflow.status == 'Succeeded'" in when.partition("&&")[0]
                else "failure" if "workflow.status != 'Succeeded'" in when.partition("&&")[0]
                else "always"
            )  # fmt: skip
        return found

    def _schedule(self) -> Facts | None:
        if self.object["kind"] != "CronWorkflow":
            return None
        spec = self.object["spec"]
        deadline = spec.get("startingDeadlineSeconds")
        return {
            "cron": spec["schedules"],
            "timezone": spec.get("timezone", "UTC"),
            "concurrency": spec.get("concurrencyPolicy", "Allow").lower(),
            "suspended": spec.get("suspend", False),
            "starting_deadline": None if deadline is None else float(deadline),
        }

    # --- steps

    def _scope(self, template: Json, prefix: str, names: Mapping[str, str]) -> Iterator[tuple[str, Facts]]:
        tasks = tasks_of(template)
        helpers = {task["name"]: task for task in tasks if task["name"] not in names}
        for task in tasks:
            if task["name"] in helpers:
                continue
            path = f"{prefix}{names[task['name']]}"
            step = self._unwrapped(self.templates[task["template"]])
            before = {one for need in dependencies(task) for one in _through(need, helpers)}
            yield path, self._facts(step, sorted(names[one] for one in before), path)
            if has_tasks(step.template):
                yield from self._scope(step.template, f"{path}/", self.names.steps[path])

    def _unwrapped(self, template: Json) -> Unwrapped:
        found = Unwrapped(template)
        while has_tasks(found.template) and (kind := wrapper(found.template)):
            outer = found.template
            found.strategy = found.strategy or outer.get("retryStrategy")
            if kind == "map":
                found.map = outer
            elif kind == "loop":
                found.loop = outer
            elif found.map is None and any(one["name"] == STATUS for one in _parameters(outer)):
                found.may_fail = True
            found.template = self.templates[tasks_of(outer)[0]["template"]]
        found.strategy = found.strategy or found.template.get("retryStrategy")
        return found

    def _facts(self, step: Unwrapped, after: list[str], path: str) -> Facts:
        facts: dict[str, Any] = {
            "after": after,
            "map": None if step.map is None else {"at_once": step.map.get("parallelism")},
            "loop": None if step.loop is None else _bound(step.loop),
            "may_fail": step.may_fail,
            **self._task(step.template, path),
        }
        if facts["kind"] not in ("group", "suspend"):
            facts.update(self._around(step))
        return facts

    def _task(self, template: Json, path: str) -> Facts:
        if has_tasks(template):
            return {"kind": "group", "steps": list(self.names.steps[path].values())}
        if "suspend" in template:
            duration = (template["suspend"] or {}).get("duration")
            return {"kind": "suspend", "duration": None if duration is None else int(duration.rstrip("s"))}
        if "resource" in template:
            manifest = yaml.safe_load(template["resource"]["manifest"])
            return {"kind": "job", "action": template["resource"]["action"], "manifest": manifest}
        return _runnable(template)

    def _around(self, step: Unwrapped) -> Facts:
        template = step.template
        container = template.get("container") or template.get("script") or {}
        limit = template.get("activeDeadlineSeconds")
        inputs, outputs = template.get("inputs", {}), template.get("outputs", {})
        given = [one for one in container.get("env", ()) if not one["name"].startswith("COULER_")]
        return {
            "retry": _retry(step),
            "timeout": None if limit is None else int(limit),
            "service_account": template.get("serviceAccountName", ""),
            "labels": template.get("metadata", {}).get("labels", {}),
            "daemon": template.get("daemon", False),
            "sidecars": [one["name"] for one in template.get("sidecars", ())],
            "env": [one["name"] for one in given if "valueFrom" not in one],
            "secrets": sorted([*_secret_variables(given), *_secret_files(template, container)]),
            "volumes": sorted(_volumes(template, container, self.spec)),
            "files_in": sorted(_file_inputs(inputs)),
            "files_out": sorted(
                one["name"]
                for one in outputs.get("artifacts", ())
                if not one["name"].endswith("-stored") and not one["name"].startswith("couler-")
            ),
            "defaults": sorted(_defaults(template)),
            "amounts": _amounts(container),
            "place": {
                "nodeSelector": template.get("nodeSelector", {}),
                "tolerations": [one.get("key", "") for one in template.get("tolerations", ())],
                "affinity": template.get("affinity", {}),
                "priority": template.get("priorityClassName", ""),
            },
        }


def _parameters(template: Json) -> list[Json]:
    return list(template.get("outputs", {}).get("parameters", ()))


def _through(need: str, helpers: Mapping[str, Json]) -> Iterator[str]:
    """The steps that a name in ``depends`` stands for; helpers stand for what is before them."""
    if need not in helpers:
        yield need
        return
    for inner in dependencies(helpers[need]):
        yield from _through(inner, helpers)


def _bound(template: Json) -> int | None:
    found = re.search(r"< (\d+) \|\| sprig\.fail", tasks_of(template)[-1]["when"])
    return int(found[1]) if found else None


def _payload(template: Json) -> Json | None:
    """What the runner of functions is given."""
    for artifact in template.get("inputs", {}).get("artifacts", ()):
        if artifact["name"] == "couler-payload":
            text = re.sub(r"\{\{.*?\}\}", "null", artifact["raw"]["data"])
            return dict(json.loads(text))
    return None


def _runnable(template: Json) -> Facts:
    container = template.get("container") or template["script"]
    payload = _payload(template)
    if payload is not None:
        source = container["source"]
        for sign, meaning in payload.get("signs", ()):
            source = source.replace(sign, meaning)
        return {
            "kind": "function", "source": digest(source), "image": _image(container), "entry": payload["entry"],
            "packages": payload.get("packages", []), "inputs": sorted(payload["inputs"]),
        }  # fmt: skip
    words = len(container.get("command", ())) + len(container.get("args", ()))
    script = _script(template, container)
    if script is not None:
        return {"kind": "script", "source": digest(script), "image": _image(container)}
    return {"kind": "container", "image": container["image"], "words": words}


def _image(container: Json) -> str:
    return "" if container["image"] == DEFAULT_IMAGE else str(container["image"])


def _script(template: Json, container: Json) -> str | None:
    if "source" in container:
        return str(container["source"])
    for artifact in template.get("inputs", {}).get("artifacts", ()):
        if artifact["name"] == "couler-script":
            return str(artifact["raw"]["data"])
    for variable in container.get("env", ()):
        if variable["name"] == "COULER_SOURCE":
            return str(variable["value"]).replace(f"$({BRACE})", "{").replace("$$", "$")
    return None


def _retry(step: Unwrapped) -> Facts | None:
    strategy = step.strategy
    if strategy is None:
        return None
    backoff = strategy.get("backoff", {})
    expression = strategy.get("expression", "")
    codes = [int(code) for code in re.findall(r"exitCode == '(\d+)'", expression)]
    return {
        "limit": int(strategy["limit"]),
        "wait": seconds(backoff.get("duration", "0")),
        "most": seconds(backoff["cap"]) if "cap" in backoff else None,
        "codes": sorted(code for code in codes if code not in (76, 137)),
        "selective": bool(expression),
        "more_memory": "retries" in step.template.get("podSpecPatch", ""),
    }


def seconds(duration: str) -> float:
    """Seconds of a duration of Argo.

    >>> seconds("1m30s"), seconds("500ms"), seconds("2")
    (90.0, 0.5, 2.0)
    """
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "": 1}
    return float(sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h|)", duration)))


def _file_inputs(inputs: Json) -> set[str]:
    """Names of inputs; a list of files is several artifacts with numbers."""
    names = [one["name"] for one in inputs.get("artifacts", ()) if not one["name"].startswith("couler-")]
    return {re.sub(r"-\d+$", "", name) for name in names}


def _amounts(container: Json) -> dict[str, str]:
    limits = dict(container.get("resources", {}).get("limits", {}))
    if limits.get("cpu", "").endswith("m"):
        limits["cpu"] = f"{int(limits['cpu'][:-1]) / 1000:g}"
    return limits


def _secret_variables(given: list[Json]) -> Iterator[tuple[str, str, str]]:
    for one in given:
        if "valueFrom" in one:
            key = one["valueFrom"]["secretKeyRef"]
            yield key["name"], key["key"], one["name"]


def _secret_files(template: Json, container: Json) -> Iterator[tuple[str, str, str]]:
    mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
    for volume in template.get("volumes", ()):
        secret = volume.get("secret", {})
        if volume["name"] in mounted and "items" in secret:
            yield secret["secretName"], secret["items"][0]["key"], "file"


_SOURCES = {
    "persistentVolumeClaim": "claim",
    "emptyDir": "empty",
    "hostPath": "host",
    "configMap": "config_map",
    "secret": "secret",
}


def _volumes(template: Json, container: Json, spec: Json) -> Iterator[tuple[str, str]]:
    known = {one["name"]: one for one in (*spec.get("volumes", ()), *template.get("volumes", ()))}
    made = {one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", ())}
    for mount in container.get("volumeMounts", ()):
        volume = known.get(mount["name"], {})
        if mount["name"] in made:
            yield mount["mountPath"], "new_claim"
        elif "items" not in volume.get("secret", {}):
            yield mount["mountPath"], next(_SOURCES[key] for key in volume if key in _SOURCES)


def _defaults(template: Json) -> Iterator[str]:
    payload = _payload(template)
    if payload is not None:
        yield from (output["name"] for output in payload["outputs"] if "default" in output)
        return
    for output in _parameters(template):
        if "default" in output["valueFrom"]:
            yield output["name"]
