"""Templates of the tasks that run something: functions, scripts, containers, pauses and Kubernetes objects."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from couler.backends.argo.attributes import FOLDER, around, duration, storage, variables, with_brace
from couler.backends.argo.build import Build, called_template
from couler.backends.argo.caching import memoize
from couler.backends.argo.calls import call
from couler.backends.argo.files import FILES, absolute, is_file_type, key_location, location, output_artifact
from couler.backends.argo.jobs import resource_template
from couler.backends.argo.large import input_artifact_of, output_artifact_of, stored_value
from couler.backends.argo.names import parameter_name, task_name
from couler.backends.argo.units import UNWRITTEN, Given, Holes, Result, ScopeTypes, Text, Unit, inputs_of, outputs_of
from couler.backends.argo.values import Form, container_text
from couler.backends.argo.wire import BRACE, static_text, wire
from couler.backends.pods import container_resources
from couler.core.errors import EngineError
from couler.core.ir.evaluate import as_text
from couler.core.ir.graph import outputs_of_one
from couler.core.ir.json import EMPTY, thaw
from couler.core.ir.model import (
    Constant,
    ContainerTask,
    FunctionTask,
    Input,
    ItemRef,
    JobTask,
    ListOf,
    Output,
    OutputRef,
    ParameterRef,
    ScriptTask,
    Step,
    StoredFile,
    SuspendTask,
    Value,
)
from couler.runner.container import LOADER, OUTPUTS

PAYLOAD = "/couler/payload.json"
INPUTS = "/couler/inputs"
SCRIPT = "/couler/script"
_EXPANDED = ("{" * 2, "$" * 2, "$(")
_RISKY_SCRIPT = re.compile(r"\{\{|\$\$|\$\([A-Za-z_][A-Za-z0-9_.-]*\)")
"""What Argo or Kubernetes may expand in the text of a script: tags, two dollars, and what looks like a variable."""
_COPY_SCRIPT = (
    'mkdir -p /tmp/couler && printf %s "$COULER_SOURCE" > /tmp/couler/script && unset COULER_SOURCE && exec "$@"'
)


def leaf(
    step: Step,
    scope: ScopeTypes,
    build: Build,
    *,
    mapped: bool = False,
    items: frozenset[str] = frozenset(),
    varying: Mapping[Skeleton, frozenset[int]] = EMPTY,
) -> Unit:
    """The template of a step that runs something.

    Args:
        step: The step.
        scope: The scope in which it stands.
        build: What is being built.
        mapped: Its outputs are gathered by Argo itself, so they come in the form for that; functions only.
        items: List outputs that a map runs over.
        varying: See `varying_texts`.
    """
    if called_template(step):
        return call(step, scope, build)
    return _Leaf(step, scope, build, mapped, items, varying).unit()


Skeleton: TypeAlias = "tuple[str, int, int, tuple[str, ...]]"
"""What steps have in common that may share a template: image, numbers of texts, and names of variables."""
Shape: TypeAlias = "tuple[Skeleton, list[Value]]"
"""A container's skeleton, and its texts: command, arguments and values of variables."""
MANY = 100
"""Steps of one scope from which on those that differ in texts only share a template."""


def shapes_of(steps: Sequence[Step]) -> dict[str, Shape]:
    """Shapes of the containers by step, where there are so many steps that each cannot have a template of its own."""
    if len(steps) <= MANY:
        return {}
    found: dict[str, Shape] = {}
    for step in steps:
        task = step.task
        if type(task) is ContainerTask:
            texts = [*task.command, *task.args, *[variable.value for variable in step.env]]
            found[step.name] = (skeleton(step, task), texts)
    return found


def varying_texts(shapes: Iterable[Shape]) -> dict[Skeleton, frozenset[int]]:
    """Which texts of containers differ."""
    seen: dict[Skeleton, list[Value]] = {}
    alike: dict[Skeleton, set[int]] = {}
    for common, texts in shapes:
        first = seen.get(common)
        if first is None:
            first = seen[common] = texts
            alike[common] = set(range(len(texts)))
        same = alike[common]
        differing = [i for i in same if texts[i] is not first[i] and texts[i] != first[i]]
        if differing:
            same.difference_update(differing)
    return {common: frozenset(range(len(texts))) - alike[common] for common, texts in seen.items()}


def skeleton(step: Step, task: ContainerTask) -> Skeleton:
    """What a container must have in common with others that share its template."""
    return task.image, len(task.command), len(task.args), tuple([variable.name for variable in step.env])


class _Leaf:
    def __init__(
        self,
        step: Step,
        scope: ScopeTypes,
        build: Build,
        mapped: bool,
        items: frozenset[str],
        varying: Mapping[Skeleton, frozenset[int]],
    ) -> None:
        self.varying: frozenset[int] = frozenset()
        if varying and isinstance(step.task, ContainerTask):
            self.varying = varying.get(skeleton(step, step.task), frozenset())
        self.texts: dict[str, Given] = {}
        self.step = step
        self.scope = scope
        self.build = build
        self.mapped = mapped
        self.items = items
        self.zipped = step.foreach is not None and len(step.foreach.lists) > 1
        self.holes = Holes(scope, self.zipped, anonymous=bool(varying))
        self.artifacts: list[dict[str, Any]] = []
        self.given_files: dict[str, Value] = {}
        self.results: dict[str, Result] = {}
        self.braces = False
        self.gathers = step.foreach is not None and isinstance(step.task, FunctionTask)
        self.records = self._records() if self.gathers else {}

    def unit(self) -> Unit:
        step, body = self.step, self._body()
        around(step, body, self.build)
        parameters = {**self.holes.parameters, **self.texts}
        whole = {**inputs_of(parameters, self.artifacts), **body}
        memoize(step, whole, self.scope, self.build)
        self.build.merge_options(step, whole)
        name = self.build.templates.add(task_name(step.name), whole, own=self.build.tells_failures)
        files = {output.name: output.type for output in self._declared() if is_file_type(output.type)}
        files = {} if self.gathers else files
        taken = frozenset(self.items) if isinstance(step.task, FunctionTask) else frozenset()
        return Unit(name, parameters, self.given_files, self.results, files, items=taken)

    def _body(self) -> dict[str, Any]:
        task = self.step.task
        match task:
            case FunctionTask():
                return self._function(task)
            case ScriptTask():
                return self._script(task)
            case ContainerTask():
                return self._container(task)
            case SuspendTask():
                return {"suspend": {} if task.duration is None else {"duration": duration(task.duration)}}
            case JobTask():
                body, self.results = resource_template(self.step, task)
                return body
        raise AssertionError(task.kind)

    def _declared(self) -> list[Output]:
        if isinstance(self.step.task, FunctionTask):
            return list(self.step.outputs) or [Output(name="result")]
        return list(outputs_of_one(self.step).values())

    # --- functions ----------------------------------------------------------------------------------------------

    def _function(self, task: FunctionTask) -> dict[str, Any]:
        payload = self._payload(task)
        source, signs = _inert(task.source)
        if signs:
            payload["signs"] = signs
        self.artifacts.insert(0, {"name": "couler-payload", "path": PAYLOAD, "raw": {"data": self._filled(payload)}})
        self.build.needs_runner = True
        script: dict[str, Any] = {
            "image": task.image or self.build.image,
            "command": ["python3", "-c", LOADER, PAYLOAD],
            "source": source,
        }
        return self._with_container("script", script, self._value_outputs())

    def _payload(self, task: FunctionTask) -> dict[str, Any]:
        payload: dict[str, Any] = {"step": task.entry, "entry": task.entry, "outputs": self._described()}
        if task.packages:
            payload["packages"] = list(task.packages)
        if self.step.retry is not None and self.step.retry.on is not None and self.step.retry.on.errors:
            payload["retry_on"] = list(self.step.retry.on.errors)
        if self.step.working_dir:
            payload["working_dir"] = absolute(self.step.working_dir)
        inputs: dict[str, Any] = {}
        paths: dict[str, list[str | int]] = {}
        large: dict[str, str] = {}
        files = []
        for given in self.step.inputs:
            if self._is_file(given):
                gathered = self._gathered_files(given)
                inputs[given.name] = gathered if gathered is not None else self._file_input(given)
                files.append(given.name)
                continue
            value, path = self._without_path(given.value)
            inputs[given.name] = _Hole(self.holes.named(given.name, value))
            if path:
                paths[given.name] = path
            if isinstance(value, OutputRef) and value.output in self.scope.large.get(value.step, ()):
                large[given.name] = self._may_arrive_as_file(given.name, value)
        payload["inputs"] = inputs
        types = {one.name: one.type for one in self.step.inputs if one.type != "any" and one.name not in files}
        if types:
            payload["types"] = types
        if paths:
            payload["paths"] = paths
        if files:
            payload["files"] = files
        if large:
            payload["large"] = large
        payload["limit"] = self.build.limit
        if own := self._large_outputs():
            payload["limits"] = dict.fromkeys(own, self.build.largest)
        return payload

    def _large_outputs(self) -> list[str]:
        return sorted(self.scope.large.get(self.step.name, ())) if isinstance(self.step.task, FunctionTask) else []

    def _may_arrive_as_file(self, name: str, value: OutputRef) -> str:
        """The path at which a value appears that is too large for its parameter."""
        artifact = input_artifact_of(name)
        self.artifacts.append(artifact)
        self.given_files[artifact["name"]] = stored_value(value)
        return str(artifact["path"])

    def _without_path(self, value: Value) -> tuple[Value, list[str | int]]:
        """A reference to the whole of what a value is a part of, and the keys that lead to it."""
        if isinstance(value, ItemRef):
            path = [value.name] if self.zipped else []
            return ItemRef(name=""), [*path, *value.path]
        if isinstance(value, ParameterRef) or (isinstance(value, OutputRef) and value.default is None):
            return (value.model_copy(update={"path": ()}) if value.path else value), list(value.path)
        return value, []

    def _described(self) -> list[dict[str, Any]]:
        described = []
        for output in self.step.outputs:
            entry: dict[str, Any] = {"name": output.name, "type": output.type, "path": ""}
            if is_file_type(output.type):
                entry["path"] = absolute(output.path or output.name)
            if output.default is not None:
                entry["default"] = thaw(output.default.value)
            described.append(entry)
        return described

    def _filled(self, payload: dict[str, Any]) -> str:
        """The payload as JSON text with a tag for each hole."""
        inputs = payload.pop("inputs")
        records = json.dumps(self.records)
        text = wire(payload)
        parts = ",".join(f"{wire(name)}:{_json_with_holes(value)}" for name, value in inputs.items())
        stored = f',"records":{records}' if self.records else ""
        return f'{text[:-1]}{stored},"inputs":{{{parts}}}}}'

    def _value_outputs(self) -> list[dict[str, Any]]:
        found = []
        for output in self._declared():
            if is_file_type(output.type) and not self.gathers:
                continue
            name = parameter_name(output.name)
            file = f"{OUTPUTS}/{output.name}"
            found.append({"name": name, "valueFrom": {"path": f"{file}.item" if self.mapped else file}})
            if output.name in self.items and not self.mapped:
                found.append({"name": f"couler-items-{name}", "valueFrom": {"path": f"{file}.items"}})
            self.results[output.name] = Result(type=output.type)
        return found

    # --- scripts and containers -----------------------------------------------------------------------------------

    def _script(self, task: ScriptTask) -> dict[str, Any]:
        self._appearing_files()
        image = task.image or self.build.image
        args = [container_text(value, self.holes) for value in task.args]
        interpreter = [static_text(part) for part in self._interpreter(task)]
        risky = _RISKY_SCRIPT.search(task.source) is not None
        if not risky and not args:
            return self._with_container("script", {"image": image, "command": interpreter, "source": task.source})
        if not risky:
            self.artifacts.append({"name": "couler-script", "path": SCRIPT, "raw": {"data": task.source}})
            return self._with_container("container", {"image": image, "command": [*interpreter, SCRIPT], "args": args})
        container = {
            "image": image,
            "command": ["sh", "-c", _COPY_SCRIPT, "couler", *interpreter, "/tmp/couler/script"],
            "args": args,
            "env": [{"name": "COULER_SOURCE", "value": static_text(task.source)}],
        }
        return self._with_container("container", container)

    def _interpreter(self, task: ScriptTask) -> list[str]:
        interpreter = list(task.interpreter)
        if interpreter[0] == "python" and not task.image:
            interpreter[0] = "python3"
        if not task.packages:
            return interpreter
        install = "python3 -m pip install --quiet --disable-pip-version-check --no-input --target /tmp/couler/packages"
        packages = " ".join(_shell_quoted(package) for package in task.packages)
        start = f'{install} {packages} && PYTHONPATH=/tmp/couler/packages exec "$@"'
        return ["sh", "-c", start, "couler", *interpreter]

    def _container(self, task: ContainerTask) -> dict[str, Any]:
        self._appearing_files()
        container: dict[str, Any] = {"image": task.image}
        if task.pull_policy:
            container["imagePullPolicy"] = task.pull_policy
        command = [self._text(value, index) for index, value in enumerate(task.command)]
        args = [self._text(value, index) for index, value in enumerate(task.args, len(command))]
        if command:
            container["command"] = command
        if args:
            container["args"] = args
        return self._with_container("container", container)

    def _text(self, value: Value, index: int) -> str:
        """A text of the container; where the texts of similar steps differ, it is handed in."""
        if index not in self.varying or not isinstance(value, Constant):
            return container_text(value, self.holes)
        text = static_text(as_text(value.value))
        name = f"text-{index}"
        self.texts[name] = Text(text)
        self.braces = self.braces or BRACE in text
        return f"{{{{inputs.parameters.{name}}}}}"

    def _appearing_files(self) -> None:
        for given in self.step.inputs:
            if self._is_file(given):
                self._file_input(given)

    def _text_outputs(self) -> list[dict[str, Any]]:
        """Values that a script or container writes, and its standard output."""
        found = []
        for output in self._declared():
            if is_file_type(output.type):
                continue
            form: Form = "text" if output.type in ("str", "any") else "parsed"
            if not output.path:
                self.results[output.name] = Result(form, output.type, stdout=True)
                continue
            origin: dict[str, Any] = {"path": absolute(output.path)}
            default = ""
            if output.default is not None:
                text = as_text(output.default.value) if form == "text" else wire(output.default.value)
                default = text if _RISKY_SCRIPT.search(text) else ""
                origin["default"] = UNWRITTEN if default else text
            found.append({"name": parameter_name(output.name), "valueFrom": origin})
            self.results[output.name] = Result(form, output.type, default=default)
        return found

    # --- what all of them have ---------------------------------------------------------------------------------------

    def _with_container(
        self, kind: str, container: dict[str, Any], values: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        step = self.step
        if values is None:
            values = self._text_outputs()
        first = len(getattr(step.task, "command", ())) + len(getattr(step.task, "args", ()))
        texts = [self._text(variable.value, index) for index, variable in enumerate(step.env, first)]
        env = [*container.pop("env", ()), *variables(step, texts)]
        if step.retry is not None and step.retry.limit:
            env.append({"name": "COULER_ATTEMPT", "value": "{{=int(retries) + 1}}"})
        if env:
            container["env"] = env
        if step.resources is not None and (amounts := container_resources(step.resources)):
            container["resources"] = amounts
        volumes, mounts = storage(step, self.build)
        if mounts:
            container["volumeMounts"] = mounts
        if kind == "container" or step.task.kind == "script":
            self._set_working_dir(container)
        with_brace(container, needed=self.braces)
        body: dict[str, Any] = {kind: container}
        if volumes:
            body["volumes"] = volumes
        return {**body, **outputs_of(values, self._file_outputs())}

    def _set_working_dir(self, container: dict[str, Any]) -> None:
        step = self.step
        outputs = [output.path or output.name for output in self._declared() if output.path or output.type in FILES]
        paths = [*outputs, *(given.path for given in step.inputs if given.path), *(use.path for use in step.secrets)]
        if step.working_dir:
            container["workingDir"] = absolute(step.working_dir)
        elif any(path and not path.startswith("/") for path in paths):
            container["workingDir"] = FOLDER

    def _file_outputs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        seen: set[str] = set()
        told = {} if self.gathers else self.scope.exports.get(self.step.name, {})
        for output in self._declared():
            if not is_file_type(output.type):
                continue
            name = parameter_name(output.name)
            artifact = output_artifact(output, name)
            base_name = posixpath.basename(artifact["path"])
            if self.gathers:  # stored where the one who gathers finds it
                artifact["archive"] = {"none": {}}
                artifact.update(key_location(self.build.artifact_store, self.records[output.name]["key"]))
            elif base_name in seen:  # Argo would store both under this name; archives have the artifact's own
                artifact.pop("archive", None)
            seen.add(base_name)
            found.append({**artifact, "globalName": told[name]} if name in told else artifact)
            if output.store is not None:
                found.append({**artifact, "name": f"{name}-stored", **location(output.store)})
        return found + [output_artifact_of(name) for name in self._large_outputs()]

    def _is_file(self, given: Input) -> bool:
        if "file" in given.type or "folder" in given.type:
            return True
        return isinstance(given.value, StoredFile) or (given.type == "any" and bool(given.path))

    def _records(self) -> dict[str, dict[str, str]]:
        """Where the files of an item are stored, by output: what the function's runner tells instead of a value."""
        found = {}
        for output in self._declared():
            if is_file_type(output.type):
                prefix = f"{{{{workflow.name}}}}/couler/{task_name(self.step.name)}/{parameter_name(output.name)}"
                path = f"{{{{pod.name}}}}/{posixpath.basename((output.path or output.name).rstrip('/'))}"
                record = {"kind": output.type, "prefix": prefix, "path": path, "key": f"{prefix}/{path}"}
                found[output.name] = record
        return found

    def _gathered_files(self, given: Input) -> _Files | None:
        """Files of a map, or one of them: their records are a value, by which Argo finds them in its store."""
        value = given.value
        name = parameter_name(given.name)
        folder = f"{INPUTS}/{name}"
        if isinstance(value, ItemRef):
            hole = self.holes.named(given.name, ItemRef(name=value.name if self.zipped else ""))
            key = f"{{{{=fromJSON(inputs.parameters['{hole}']).key}}}}"
            artifact = {"name": name, "path": f"{folder}/file", **key_location(self.build.artifact_store, key)}
            self.artifacts.append(artifact)
            return _Files(hole, f"{folder}/file", one=True)
        if not given.type.startswith("list") or isinstance(value, ListOf):
            return None
        hole = self.holes.named(given.name, value)
        records = f"filter(fromJSON(inputs.parameters['{hole}']), # != nil)"
        key = f"{{{{=len({records}) > 0 ? {records}[0].prefix : 'none'}}}}"
        location_ = key_location(self.build.artifact_store, key)
        self.artifacts.append({"name": name, "path": folder, "optional": True, **location_})
        return _Files(hole, folder)

    def _file_input(self, given: Input) -> Any:
        """Declare the artifacts of an input; the value for the function: a path, or a list of paths."""
        if isinstance(given.value, ListOf):
            return [self._one_file(f"{given.name}-{index}", value, "") for index, value in enumerate(given.value.items)]
        return self._one_file(given.name, given.value, given.path)

    def _one_file(self, name: str, value: Value, path: str) -> dict[str, str]:
        artifact_name = parameter_name(name)
        place = absolute(path) if path else f"{INPUTS}/{artifact_name}/{self._base_name(value)}"
        artifact: dict[str, Any] = {"name": artifact_name, "path": place}
        if isinstance(value, StoredFile):
            artifact.update(location(value))
        elif isinstance(value, Constant):
            raise EngineError(
                f"step '{self.step.name}' takes the file {value.value!r} from this machine, which no pod sees",
                "give a URL, such as s3://bucket/key, or the file output of a step",
            )
        else:
            self.given_files[artifact_name] = value
        self.artifacts.append(artifact)
        return {"$path": place}

    def _base_name(self, value: Value) -> str:
        """The file's own name, where it is known, so that its ending tells what it is."""
        if isinstance(value, StoredFile):
            return posixpath.basename(value.url.partition("?")[0].rstrip("/")) or "file"
        if isinstance(value, OutputRef):
            return self.build.base_names.get((id(self.scope), value.step, value.output), "file")
        return "file"


class _Hole:
    """A place in the payload where the text of a parameter goes."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Files:
    """A place in the payload where records of files go, with the folder in which the files appear."""

    def __init__(self, hole: str, folder: str, *, one: bool = False) -> None:
        self.hole = hole
        self.folder = folder
        self.one = one


def _json_with_holes(value: Any) -> str:
    if isinstance(value, _Files):
        kind = "$one" if value.one else "$files"
        return f'{{{wire(kind)}:{{{{inputs.parameters.{value.hole}}}}},"folder":{wire(value.folder)}}}'
    return f"{{{{inputs.parameters.{value.name}}}}}" if isinstance(value, _Hole) else wire(value)


def _inert(source: str) -> tuple[str, list[list[str]]]:
    """The source without anything that is expanded on its way, and what stands for that."""
    signs: list[list[str]] = []
    for meaning in _EXPANDED:
        if meaning in source:
            sign, source = _replaced(source, meaning)
            signs.insert(0, [sign, meaning])
    return source, signs


def _replaced(source: str, meaning: str) -> tuple[str, str]:
    """A sign that stands nowhere in the source, and the source with it instead of the text."""
    filler = "%"
    while True:
        sign = f"{meaning[0]}{filler}{meaning[1]}{filler}"
        text = source.replace(meaning, sign)
        if sign not in source and meaning not in text and text.replace(sign, meaning) == source:
            return sign, text
        filler += "%"


def _shell_quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def declared_base_names(steps: Iterable[Step]) -> Iterable[tuple[str, str, str]]:
    """Step, output and file name of every file output whose path is known."""
    for step in steps:
        for output in step.outputs:
            if is_file_type(output.type):
                yield step.name, output.name, posixpath.basename((output.path or output.name).rstrip("/"))
