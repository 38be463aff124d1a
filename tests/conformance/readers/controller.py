"""A double of Argo's controller: runs a compiled workflow as Argo 4.0 would, one node after the other.

It is written from Argo's documented rules and knows nothing of how couler compiles. What it does not do: run things at
the same time, talk to Kubernetes, and everything that compiled workflows do not use.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.conformance.readers.expr import ExpressionError, MissingError, evaluate, parse
from tests.conformance.readers.nodes import NodeState, Outputs
from tests.conformance.readers.tags import SubstitutionError, WaitsForEver, lookup, replaced

Json = dict[str, Any]
RunPod = Callable[[Json, Mapping[str, Any], str], NodeState]
"""From a template with everything put in, its input artifacts and its attempt's name to a node that has ended."""

_LEAVES = ("container", "script", "resource", "suspend")
_ABSENT = object()


class Controller:
    """Runs one workflow.

    Args:
        workflow: The Kubernetes object.
        run_pod: Runs a pod, a pause or an object.
        parameters: Values of arguments, as text.
    """

    def __init__(self, workflow: Json, run_pod: RunPod, parameters: Mapping[str, str] = {}) -> None:
        spec = workflow["spec"]
        self.spec = spec.get("workflowSpec", spec)
        self.run_pod = run_pod
        self.templates = {template["name"]: template for template in self.spec["templates"]}
        self.globals: dict[str, Any] = {
            "workflow.name": f"{workflow['metadata'].get('generateName', '')}x1",
            "workflow.uid": "00000000-0000-0000-0000-000000000001",
            "workflow.namespace": "default",
        }
        for given in self.spec.get("arguments", {}).get("parameters", ()):
            value = parameters.get(given["name"], given.get("value"))
            if value is None:
                raise ValueError(f"the argument '{given['name']}' has no value")
            self.globals[f"workflow.parameters.{given['name']}"] = value
        self.global_files: dict[str, Any] = {}
        self._pods = itertools.count(1)
        self.left_open = ""

    def run(self) -> tuple[NodeState, NodeState | None]:
        """The node of the whole workflow, and that of its exit handlers."""
        root = self.execute("", self.spec["entrypoint"], {}, {})
        if root.outputs is not None:
            for name, value in root.outputs.parameters.items():
                self.globals[f"workflow.outputs.parameters.{name}"] = value
        if self.left_open:
            root.phase, root.message, root.outputs = "Running", f"waits for ever for {self.left_open}", None
            return root, None
        if "onExit" not in self.spec:
            return root, None
        self.globals["workflow.status"] = root.phase
        self.globals["workflow.failures"] = json.dumps(json.dumps(list(_failures(root))))
        return root, self.execute("", self.spec["onExit"], {}, {})

    # --- one template ------------------------------------------------------------------------------------------------

    def execute(self, task: str, name: str, parameters: Mapping[str, str], artifacts: Mapping[str, Any]) -> NodeState:
        """Run a template with arguments."""
        template = merged(self.spec.get("templateDefaults", {}), self.templates[name])
        try:
            template, inputs = self._with_inputs(template, parameters, artifacts)
        except SubstitutionError as error:
            return NodeState(task, name, "Skipped", "Error", str(error))
        node = self._attempts(task, template, inputs, artifacts)
        node.task, node.template, node.inputs = task, name, inputs
        if "dag" not in template:
            self.keep_globals(node)
        return node

    def _with_inputs(
        self, template: Json, parameters: Mapping[str, str], artifacts: Mapping[str, Any]
    ) -> tuple[Json, dict[str, str]]:
        """The template with globals put in, and then its inputs."""
        inputs: dict[str, str] = {}
        for given in template.get("inputs", {}).get("parameters", ()):
            value = parameters.get(given["name"], _ABSENT)
            value = given.get("value", given.get("default", _ABSENT)) if value is _ABSENT else value
            if value is _ABSENT:
                raise SubstitutionError(f"inputs.parameters.{given['name']} was not supplied")
            inputs[given["name"]] = value
        for given in template.get("inputs", {}).get("artifacts", ()):
            if given["name"] not in artifacts and not given.get("optional") and not _has_location(given):
                raise SubstitutionError(f"inputs.artifacts.{given['name']} was not supplied")
        template = replaced(template, self.globals)
        values = {**self.globals, **{f"inputs.parameters.{key}": value for key, value in inputs.items()}}
        return replaced(template, values), inputs

    def _attempts(self, task: str, template: Json, inputs: dict[str, str], artifacts: Mapping[str, Any]) -> NodeState:
        strategy = template.get("retryStrategy")
        if strategy is None:
            return self._once(task, template, inputs, artifacts, {})
        last: dict[str, str] = {"exitCode": "0", "status": "", "message": "", "duration": "0"}
        tried = []
        for number in range(int(strategy["limit"]) + 1 if "limit" in strategy else 1000):
            facts = {"retries": str(number)} | {f"lastRetry.{key}": value for key, value in last.items()}
            node = self._once(
                f"{task}({number})", replaced(template, {**self.globals, **facts}), inputs, artifacts, facts
            )
            tried.append(node)
            if not node.failed:
                break
            code = node.outputs.exit_code if node.outputs is not None else ""
            last = {"exitCode": code or "-1", "status": node.phase, "message": node.message, "duration": "1"}
            if not _deserves(strategy, node, {f"lastRetry.{key}": value for key, value in last.items()}):
                break
        whole = NodeState(task, template["name"], "Retry", node.phase, node.message, node.outputs, node.body)
        whole.children, whole.attempts = tried, len(tried)
        return whole

    def _once(
        self, task: str, template: Json, inputs: dict[str, str], artifacts: Mapping[str, Any], facts: Mapping[str, str]
    ) -> NodeState:
        if "dag" in template or "steps" in template:
            return _Dag(self, task, template, inputs, artifacts).run()
        if not any(kind in template for kind in _LEAVES):
            raise ValueError(f"template '{template['name']}' is of a kind that the double does not know")
        pod = {"pod.name": f"{self.globals['workflow.name']}-{template['name']}-{next(self._pods)}"}
        values = {
            **self.globals,
            **facts,
            **pod,
            **{f"inputs.parameters.{key}": value for key, value in inputs.items()},
        }
        return self.run_pod(replaced(template, values), artifacts, task)

    def keep_globals(self, node: NodeState) -> None:
        """Let all see the outputs that have a global name: those of a DAG once the DAG around it has succeeded.

        Files of what consists of tasks or steps have none.
        """
        if node.outputs is None:
            return
        template = self.templates[node.template]
        for given in template.get("outputs", {}).get("parameters", ()):
            if "globalName" in given and given["name"] in node.outputs.parameters:
                value = node.outputs.parameters[given["name"]]
                self.globals[f"workflow.outputs.parameters.{given['globalName']}"] = value
        for given in template.get("outputs", {}).get("artifacts", ()):
            if "globalName" in given and node.kind != "DAG" and given["name"] in node.outputs.artifacts:
                found = node.outputs.artifacts[given["name"]]
                self.global_files[f"workflow.outputs.artifacts.{given['globalName']}"] = found


# --- a DAG -------------------------------------------------------------------------------------------------------


class _Dag:
    """One run of a DAG template."""

    def __init__(
        self, controller: Controller, task: str, template: Json, inputs: dict[str, str], artifacts: Mapping[str, Any]
    ) -> None:
        self.controller = controller
        self.template = template
        self.kind = "tasks" if "dag" in template else "steps"
        self.tasks = {one["name"]: one for one in tasks_of(template)}
        self.artifacts = artifacts
        self.inputs = {f"inputs.parameters.{name}": value for name, value in inputs.items()}
        self.nodes: dict[str, NodeState] = {}
        self.node = NodeState(task, template["name"], "DAG", "Running")
        self.waits: list[str] = []
        self.captured = json.dumps(template)

    def run(self) -> NodeState:
        """Run every task that may run, and tell how the whole ended."""
        needs = {name: dependencies(task) for name, task in self.tasks.items()}
        for name in _in_order(needs):
            if all(dependency in self.nodes for dependency in needs[name]):
                self._task(name, needs[name])
        self.node.children = list(self.nodes.values())
        self.node.phase = self._phase(needs)
        if self.waits:
            self.node.phase, self.node.message = "Running", f"waits for ever for {self.waits[0]}"
        if self.node.phase == "Succeeded":
            for node in self.nodes.values():
                self.controller.keep_globals(node)
            self._give()
        elif self.node.failed:
            self.node.message = next((node.message for node in self.nodes.values() if node.failed), "")
        return self.node

    def _task(self, name: str, needs: list[str]) -> None:
        task = self.tasks[name]
        if not self._proceeds(task, needs):
            self.nodes[name] = NodeState(name, task["template"], "Skipped", "Omitted", "depends condition not met")
            return
        try:
            found = self._resolved(task)
        except (SubstitutionError, ExpressionError) as error:
            self.nodes[name] = NodeState(name, task["template"], "Skipped", "Error", str(error))
            return
        except WaitsForEver as error:
            self.waits.append(str(error))
            return
        if found is None:
            self.nodes[name] = NodeState(name, task["template"], "Skipped", "Skipped", "when evaluated false")
            return
        node = self._expanded(name, found)
        if node is not None:
            self.nodes[name] = node

    # --- whether a task runs

    def _proceeds(self, task: Json, needs: list[str]) -> bool:
        text = task.get("depends") or " && ".join(needs)
        if not text:
            return True
        scope: dict[str, Any] = {}
        for need in needs:
            node, fine = self.nodes[need], self.tasks[need].get("continueOn", {})
            phases = {
                "Succeeded": node.phase == "Succeeded", "Failed": node.phase == "Failed",
                "Errored": node.phase == "Error",
                "Skipped": node.phase == "Skipped", "Omitted": node.phase == "Omitted",
                "Daemoned": node.phase == "Daemoned",
            }  # fmt: skip
            phases["Bare"] = (
                phases["Succeeded"] or phases["Skipped"] or phases["Daemoned"]
                or (fine.get("failed", False) and phases["Failed"]) or (fine.get("error", False) and phases["Errored"])
            )  # fmt: skip
            scope[need.replace("-", "_")] = phases
        return bool(evaluate(parse(_explicit(text)), lambda name: lookup_status(name, scope)))

    # --- what a task gets

    def _scope(self) -> dict[str, Any]:
        values = {**self.controller.globals, **self.inputs}
        for name, node in self.nodes.items():
            values.update(self._of_node(f"{self.kind}.{name}", node))
        return values

    def _of_node(self, prefix: str, node: NodeState) -> Iterator[tuple[str, Any]]:
        yield f"{prefix}.status", node.phase
        if node.kind == "TaskGroup":
            yield from _gathered(prefix, node)
        elif node.outputs is not None:
            for name, value in node.outputs.parameters.items():
                yield f"{prefix}.outputs.parameters.{name}", value
            if node.outputs.result is not None:
                yield f"{prefix}.outputs.result", node.outputs.result
            yield f"{prefix}.exitCode", node.outputs.exit_code
        elif node.phase in ("Skipped", "Omitted"):
            for given in self.controller.templates[node.template].get("outputs", {}).get("parameters", ()):
                default = given.get("valueFrom", {}).get("default")
                yield f"{prefix}.outputs.parameters.{given['name']}", default

    def _files(self) -> dict[str, Any]:
        files = dict(self.controller.global_files)
        files.update({f"inputs.artifacts.{name}": place for name, place in self.artifacts.items()})
        for name, node in self.nodes.items():
            for output, place in (node.outputs.artifacts if node.outputs is not None else {}).items():
                files[f"{self.kind}.{name}.outputs.artifacts.{output}"] = place
        return files

    def _resolved(self, task: Json) -> Json | None:
        """The task with everything put in; None when its condition is false."""
        values = self._scope()
        if "when" in task:
            when = replaced(task["when"], values, strict=True)
            if when == "false":
                return None
            if when != "true" and "withItems" not in task and "withParam" not in task:
                raise SubstitutionError(f"Invalid 'when' expression '{when}'")
        given = copy.deepcopy(task)
        parameters = given.get("arguments", {}).get("parameters", [])
        kept = []
        for parameter in parameters:
            name = re.fullmatch(r"\{\{\s*([^{}]*?)\s*\}\}", parameter["value"])
            if name is None or values.get(name[1], "") is not None:
                kept.append(parameter)
        if parameters:
            given["arguments"]["parameters"] = kept
        return dict(replaced(given, values, strict=True))

    def _expanded(self, name: str, task: Json) -> NodeState | None:
        if "withItems" in task:
            items = task["withItems"]
        elif "withParam" in task:
            try:
                items = json.loads(task["withParam"])
            except ValueError as error:
                return NodeState(
                    name, task["template"], "Skipped", "Error", f"withParam value could not be parsed: {error}"
                )
        else:
            return self._run(name, task)
        if not items:
            return NodeState(name, task["template"], "Skipped", "Skipped", "Skipped, empty params")
        group = NodeState(name, task["template"], "TaskGroup", "Succeeded")
        bare = {key: value for key, value in task.items() if key not in ("withItems", "withParam")}
        for index, item in enumerate(items):
            text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, separators=(",", ":"))
            if self.template.get("failFast") and any(child.failed for child in group.children):
                self.controller.left_open = f"{self.node.task}.{name}"  # a group that nobody ends any more
                break
            one = replaced(bare, {**self.controller.globals, "item": text})
            called = f"{name}({index})"
            if one.get("when") == "false":
                child: NodeState | None = NodeState(called, task["template"], "Skipped", "Skipped")
            else:
                child = self._run(called, one)
            if child is not None:
                group.children.append(child)
                if child.failed:
                    group.phase, group.message = child.phase, child.message
        return group

    def _run(self, name: str, task: Json) -> NodeState | None:
        if self.template.get("failFast") and any(self._is_unsuccessful(node) for node in self.nodes.values()):
            return None
        arguments = task.get("arguments", {})
        parameters = {given["name"]: given["value"] for given in arguments.get("parameters", ())}
        files = {}
        known = self._files()
        for given in arguments.get("artifacts", ()):
            try:
                files[given["name"]] = _file(given, known, self._scope())
            except (MissingError, KeyError, ExpressionError) as error:
                if not given.get("optional"):
                    return NodeState(name, task["template"], "Skipped", "Error", f"Unable to resolve: {error}")
        node = self.controller.execute(name, task["template"], parameters, files)
        if node.outputs is not None and not self._is_captured(name):
            node.outputs.result = None
        return node

    def _is_unsuccessful(self, node: NodeState) -> bool:
        return node.failed

    def _is_captured(self, name: str) -> bool:
        """Whether Argo keeps the standard output: only when the text of the template mentions it."""
        base = re.escape(name.partition("(")[0])
        return bool(re.search(rf"{self.kind}(\.{base}|\[['\"]{base}['\"]\])\.outputs\.result", self.captured))

    # --- how the whole ended

    def _phase(self, needs: Mapping[str, list[str]]) -> str:
        wanted = self.template.get("dag", {}).get("target", "").split()
        inner = {need for names in needs.values() for need in names}
        targets = wanted or [name for name in self.tasks if name not in inner]
        failed = [self.nodes[name] for name in self.nodes if self.nodes[name].failed]
        for name in targets:
            phase = self._branch_phase(name, needs)
            if phase in ("Failed", "Error") and not self._tolerates(name, phase):
                return phase
        missing = [name for name in targets if name not in self.nodes]
        if missing:
            return failed[0].phase if failed else "Running"
        return "Succeeded"

    def _branch_phase(self, name: str, needs: Mapping[str, list[str]]) -> str:
        """The phase of a task, or of what is above it when it did not run."""
        node = self.nodes.get(name)
        if node is not None and node.phase not in ("Omitted", "Skipped"):
            return node.phase
        if node is not None and node.phase == "Skipped":
            return "Succeeded"
        above = [self._branch_phase(need, needs) for need in needs[name]]
        return next((phase for phase in above if phase in ("Failed", "Error")), "Succeeded" if node is not None else "")

    def _tolerates(self, name: str, phase: str) -> bool:
        fine = self.tasks[name].get("continueOn", {})
        return bool(fine.get("failed") if phase == "Failed" else fine.get("error"))

    def _give(self) -> None:
        declared = self.template.get("outputs", {})
        values = self._scope()
        outputs = Outputs()
        for given in declared.get("parameters", ()):
            try:
                outputs.parameters[given["name"]] = _output(given["valueFrom"], values)
            except (ExpressionError, MissingError, SubstitutionError) as error:
                self.node.phase = "Error"
                self.node.message = f"output '{given['name']}': {error}"
                return
        files = self._files()
        for given in declared.get("artifacts", ()):
            try:
                outputs.artifacts[given["name"]] = _file(given, files, values)
            except (MissingError, KeyError, ExpressionError) as error:
                if not given.get("optional"):
                    self.node.phase, self.node.message = "Error", f"unable to resolve outputs: {error}"
                    return
        self.node.outputs = outputs


# --- parts -------------------------------------------------------------------------------------------------------


def tasks_of(template: Json) -> list[Json]:
    """The tasks of a DAG, or the steps of a template whose groups of steps run one after the other."""
    if "dag" in template:
        return list(template["dag"]["tasks"])
    before: list[str] = []
    found = []
    for group in template["steps"]:
        found += [{**one, "dependencies": before} for one in group]
        before = [one["name"] for one in group]
    return found


def dependencies(task: Json) -> list[str]:
    """Names of the tasks that a task waits for."""
    if "dependencies" in task:
        return list(task["dependencies"])
    names = re.findall(r"([a-zA-Z0-9][a-zA-Z0-9-]*)(?:\.[A-Za-z]+)?", task.get("depends", ""))
    return list(dict.fromkeys(names))


def _explicit(text: str) -> str:
    """``depends`` with the bare names written out, and hyphens as the language needs them."""
    return re.sub(
        r"([a-zA-Z0-9][a-zA-Z0-9-]*)(\.[A-Za-z]+)?",
        lambda match: f"{match[1].replace('-', '_')}{match[2] or '.Bare'}",
        text,
    )


def lookup_status(name: str, scope: Mapping[str, Any]) -> Any:
    """``a.Succeeded`` in ``depends``."""
    task, _, status = name.partition(".")
    return scope[task][status]


def _in_order(needs: Mapping[str, list[str]]) -> Iterator[str]:
    done: set[str] = set()
    waiting = list(needs)
    while waiting:
        ready = [name for name in waiting if all(need in done or need not in needs for need in needs[name])]
        if not ready:
            raise ValueError(f"tasks wait for each other: {waiting}")
        for name in ready:
            done.add(name)
            waiting.remove(name)
            yield name


def _gathered(prefix: str, group: NodeState) -> Iterator[tuple[str, Any]]:
    """Outputs of the children that succeeded, as lists."""
    lists: dict[str, list[str]] = {}
    results = []
    for child in group.children:
        if child.phase != "Succeeded" or child.outputs is None:
            continue
        for name, value in child.outputs.parameters.items():
            lists.setdefault(name, []).append(value)
        if child.outputs.result is not None:
            results.append(json.loads(child.outputs.result))
    yield f"{prefix}.outputs.result", json.dumps(results)
    for name, values in lists.items():
        yield f"{prefix}.outputs.parameters.{name}", _json_list(values)


def _json_list(values: list[str]) -> str:
    """A list of texts, unless all of them are objects or lists: then a list of these."""
    try:
        parsed = [json.loads(value) for value in values]
    except ValueError:
        parsed = [""]
    whole = parsed if all(isinstance(value, (dict, list)) for value in parsed) else values
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def _output(origin: Json, values: Mapping[str, Any]) -> str:
    if "parameter" in origin:
        name = re.fullmatch(r"\{\{(.*)\}\}", origin["parameter"])
        found = values.get(name[1].strip() if name else origin["parameter"])
    else:
        try:
            found = evaluate(parse(origin["expression"]), lambda name: lookup(name, values))
        except (ExpressionError, MissingError):
            found = None
            if "default" not in origin:
                raise
    if found is None:
        found = origin.get("default")
    if found is None:
        raise SubstitutionError("absent optional")
    return found if isinstance(found, str) else json.dumps(found)


def _file(given: Json, files: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    if "from" in given:
        name = re.fullmatch(r"\{\{(.*)\}\}", given["from"])
        return files[name[1].strip() if name else given["from"]]
    if "fromExpression" in given:
        found = evaluate(
            parse(given["fromExpression"]), lambda name: files[name] if name in files else lookup(name, values)
        )
        if found is None:
            raise MissingError(given["fromExpression"])
        return found
    return given


def _has_location(given: Json) -> bool:
    return any(kind in given for kind in ("raw", "s3", "gcs", "oss", "hdfs", "azure", "http", "git", "artifactory"))


def _deserves(strategy: Json, node: NodeState, facts: Mapping[str, str]) -> bool:
    policy = strategy.get("retryPolicy", "Always" if "expression" in strategy else "OnFailure")
    if (policy == "OnFailure" and node.phase != "Failed") or (policy == "OnError" and node.phase != "Error"):
        return False
    if "expression" not in strategy:
        return True
    return evaluate(parse(strategy["expression"]), lambda name: facts[name]) is True


def _failures(root: NodeState) -> Iterator[Json]:
    for node in root.walk():
        if node.failed:
            yield {
                "displayName": node.task, "message": node.message, "templateName": node.template, "phase": node.phase,
                "podName": node.task,
            }  # fmt: skip


def merged(defaults: Json, template: Json) -> Json:
    """A template over the defaults of all templates."""
    if not defaults or not any(kind in template for kind in ("container", "script")):
        return template
    result = dict(template)
    for name, value in defaults.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged_dicts(value, result[name])
        elif name not in result and name not in ("container", "script"):
            result[name] = value
    return result


def merged_dicts(below: Json, above: Json) -> Json:
    """One object over another."""
    return {**below, **above}
