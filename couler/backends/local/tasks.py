"""Turns work into the message that a worker gets, and a worker's answer into an outcome."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couler.artifacts import ArtifactStore, FileRecord, is_file
from couler.backends.local import containers, packages, secrets
from couler.backends.local.layout import RunFolder
from couler.backends.local.work import Failure, Outcome, Work
from couler.core.errors import EngineError
from couler.core.ir.graph import outputs_of_one
from couler.core.ir.json import thaw
from couler.core.ir.model import ContainerTask, FunctionTask, Output, ScriptTask, Step, StoredFile, Workflow

FILES = ("file", "folder")
_PYTHONS = ("python", "python3")


class Tasks:
    """Builds messages for one run.

    Args:
        workflow: What is run: it says which credentials a file outside needs.
        folder: Where the run keeps its things.
        artifacts: Where files go to.
        runtime: ``process``, ``docker`` or ``podman``: what runs images.
        limit: The greatest value, in bytes of JSON.
    """

    def __init__(
        self,
        workflow: Workflow,
        folder: RunFolder,
        artifacts: ArtifactStore,
        runtime: str,
        limit: int,
        run_id: str,
    ) -> None:
        self.workflow = workflow
        self.folder = folder
        self.artifacts = artifacts
        self.runtime = runtime
        self.limit = limit
        self.run_id = run_id
        self._templates: dict[int, _Template] = {}

    def message(self, work: Work) -> dict[str, Any]:
        """The message for a worker; files that the step needs lie in its folder then.

        Raises:
            CoulerError: A secret, a file, a package or a program is missing: the step cannot start.
        """
        step = work.step
        template = self._template(step)
        folder = self.folder.step(work.path)
        message: dict[str, Any] = {
            "id": work.path,
            "step": step.name,
            "folder": folder,
            "log": self.folder.log(work.path),
            "env": {**work.env, "COULER_STEP": work.path, "COULER_ATTEMPT": str(work.attempt)},
            "limit": self.limit,
            "outputs": template.outputs,
            "keep": template.keeps_files,
            "inputs": work.inputs,
        }
        if template.has_paths:
            message["outputs"] = [_absolute(output, folder) for output in template.outputs]
            message["stale"] = template.host_paths
        takes = template.takes_files
        for name, value in work.inputs.items():
            if type(value) is dict and name not in takes and is_file(value):
                takes = {**takes, name: ""}
        if takes or step.secrets or template.has_paths or step.working_dir or self._in_container(step):
            self._fill_folder(work, takes, message)
        if step.working_dir:
            message["working_dir"] = str(Path(folder) / step.working_dir)
        if step.daemon:
            message["daemon"] = True
        if work.devices and not self._in_container(step):  # a container gets the devices themselves
            message["env"]["CUDA_VISIBLE_DEVICES"] = ",".join(work.devices)
        self._add_task(work, message)
        return message

    def is_slow(self, work: Work) -> bool:
        """Whether getting ready may take long: packages to install, files to bring from afar."""
        packages_of = getattr(work.step.task, "packages", ())
        if packages_of and not packages.are_ready(packages_of, self.folder.root):
            return True
        return any(is_file(value) and ("url" in value or not self.artifacts.is_local) for value in work.inputs.values())

    def keeps_files(self, step: Step) -> bool:
        """Whether files of the step go to the store when it ends."""
        return self._template(step).keeps_files

    def host_paths(self, step: Step) -> list[str]:
        """Absolute paths that the step reads or writes on this machine: such steps exclude each other."""
        return self._template(step).claims

    def python(self, step: Step) -> str:
        """The interpreter that a function step needs: this one, or that of an environment with its packages."""
        if isinstance(step.task, FunctionTask) and not self._in_container(step):
            return packages.interpreter(step.task.packages, self.folder.root)
        return sys.executable

    def outcome(self, work: Work, message: Mapping[str, Any], answer: Mapping[str, Any]) -> Outcome:
        """What a worker's answer means; files that the step wrote are in the store then."""
        error = answer.get("error")
        if error is not None:
            kinds = tuple(error.get("kinds", ()))
            return Outcome(
                "failed", failure=Failure(error["kind"], error["message"], kinds, error.get("exit_code"), False)
            )
        outputs = dict(answer["outputs"])
        template = self._template(work.step)
        if template.keeps_files:
            for output in message["outputs"]:
                if output["type"] in FILES:
                    outputs[output["name"]] = self._store(work, output)
            for path in template.host_paths:
                _remove(path)
            shutil.rmtree(message["folder"], ignore_errors=True)
        return Outcome("succeeded", outputs)

    def clean_up(self, work: Work) -> None:
        """Remove what was put on this machine for one attempt: secrets as files, inputs at absolute paths."""
        for use in work.step.secrets:
            if use.path:
                _remove(str(Path(self.folder.step(work.path)) / use.path))
        for path in self._template(work.step).claims:
            if Path(path).is_symlink():
                _remove(path)

    def _store(self, work: Work, output: Mapping[str, Any]) -> dict[str, Any]:
        path = Path(output["path"])
        record = {**self.artifacts.put(path).to_json(), "name": path.name}
        place = self._template(work.step).stores.get(output["name"])
        if place is not None:
            from couler.backends.local.stored import store

            store(path, place.url, place.options, self._credentials(place))
        return record

    def _template(self, step: Step) -> _Template:
        found = self._templates.get(id(step))
        if found is None:
            found = self._templates[id(step)] = _Template(step)
        return found

    def _in_container(self, step: Step) -> bool:
        return self.runtime != "process" and bool(getattr(step.task, "image", ""))

    # --- what the task runs --------------------------------------------------------------------------------------

    def _add_task(self, work: Work, message: dict[str, Any]) -> None:
        task = work.step.task
        if self._in_container(work.step):
            containers.wrap(self.runtime, work, message, self.folder, self.run_id)
        elif isinstance(task, FunctionTask):
            message["source_hash"] = self._template(work.step).source_hash
            message["source"] = task.source
            message["entry"] = task.entry
        elif isinstance(task, ScriptTask):
            message["argv"] = self._script_command(work, task, message["env"])
            self._mark_result(work, message)
        elif isinstance(task, ContainerTask):
            if not work.arguments:
                raise EngineError(
                    f"step '{work.step.name}' has no command, and only docker or podman know that of its image "
                    f"'{task.image}'",
                    "give it a command, or use --runtime docker",
                )
            message["argv"] = work.arguments
            self._mark_result(work, message)
        else:
            raise EngineError(f"the local engine cannot run a {task.kind} step", "`couler engines` shows who can")

    def _script_command(self, work: Work, task: ScriptTask, env: dict[str, str]) -> list[str]:
        path = self._script(task)
        interpreter = list(task.interpreter)
        is_python = Path(interpreter[0]).name in _PYTHONS
        if is_python or task.packages:
            python = packages.interpreter(task.packages, self.folder.root)
            if is_python:
                interpreter[0] = python
            if task.packages:  # the programs that came with them are found by name
                env["PATH"] = os.pathsep.join([str(Path(python).parent), env.get("PATH") or os.environ.get("PATH", "")])
        return [*interpreter, path, *work.arguments]

    def _script(self, task: ScriptTask) -> str:
        digest = hashlib.sha256(task.source.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        path = self.folder.scripts / digest
        if not path.exists():
            part = path.with_name(f"{digest}.{os.getpid()}")
            part.write_text(task.source, encoding="utf-8", newline="")
            part.replace(path)
        return str(path)

    def _mark_result(self, work: Work, message: dict[str, Any]) -> None:
        plan = work.leaf.plan
        if plan is not None and plan.readers:
            message["outputs"] = [
                {**output, "needed": True} if output["name"] == "result" else output for output in message["outputs"]
            ]

    # --- files -------------------------------------------------------------------------------------------------------

    def _fill_folder(self, work: Work, takes: Mapping[str, str], message: dict[str, Any]) -> None:
        folder = Path(message["folder"])
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        message["prepared"] = True
        inputs = dict(work.inputs)
        for name, path in takes.items():
            inputs[name] = self._appear(work, name, inputs[name], folder / (path or f"inputs/{name}"), bool(path))
        message["inputs"] = inputs
        message["files"] = list(takes)
        env, files, values = secrets.given(work.step.secrets, self.folder.root)
        message["env"].update(env)
        if values:
            message["mask"] = values
        for name, text in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            target.chmod(0o600)

    def _appear(self, work: Work, name: str, value: Any, path: Path, exact: bool) -> Any:
        """The value with each stored file replaced by the path at which it appears."""
        if isinstance(value, list | tuple):
            return [self._appear(work, name, item, path / str(index), False) for index, item in enumerate(value)]
        if not is_file(value):
            return thaw(value)
        target = path if exact else path / str(value.get("name") or Path(str(value.get("url", "file"))).name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if exact:
            _remove(str(target))
        if "url" in value:
            self._fetch(work, name, value, target)
        else:
            self.artifacts.link(FileRecord.from_json(value), target)
        return {"$path": str(target)}

    def _fetch(self, work: Work, name: str, value: Mapping[str, Any], target: Path) -> None:
        from couler.backends.local.stored import declared, fetch

        given = next((one.value for one in work.step.inputs if one.name == name), None)
        if not isinstance(given, StoredFile):
            given = declared(self.workflow).get(value["url"])
        fetch(value["url"], value.get("options") or {}, self._credentials(given), target)

    def _credentials(self, stored: StoredFile | None) -> dict[str, str]:
        found = stored.credentials if stored is not None else {}
        return {name: secrets.read(secret, self.folder.root) for name, secret in found.items()}


class _Template:
    """What is the same for every instance of a step."""

    def __init__(self, step: Step) -> None:
        self.step = step  # keeps the id of the step taken
        task = step.task
        declared = list(outputs_of_one(step).values())
        if isinstance(task, FunctionTask):
            declared = list(step.outputs)
        self.outputs = [_described(output) for output in declared]
        self.keeps_files = any(output.type in FILES for output in declared)
        self.has_paths = self.keeps_files or any(output.path for output in declared)
        self.stores = {output.name: output.store for output in declared if output.store is not None}
        self.host_paths = [output.path for output in declared if Path(output.path).is_absolute()]
        self.takes_files = {
            given.name: given.path for given in step.inputs if "file" in given.type or "folder" in given.type
        }
        self.takes_files.update({given.name: given.path for given in step.inputs if given.type == "any" and given.path})
        appearing = [given.path for given in step.inputs] + [use.path for use in step.secrets]
        self.claims = self.host_paths + [path for path in appearing if Path(path).is_absolute()]
        self.source_hash = ""
        if isinstance(task, FunctionTask):
            self.source_hash = hashlib.sha256(task.source.encode("utf-8", "surrogatepass")).hexdigest()


def _described(output: Output) -> dict[str, Any]:
    described: dict[str, Any] = {"name": output.name, "type": output.type, "path": output.path}
    if output.default is not None:
        described["default"] = thaw(output.default.value)
    return described


def _absolute(output: dict[str, Any], folder: str) -> dict[str, Any]:
    if not output["path"] and output["type"] not in FILES:
        return output
    return {**output, "path": str(Path(folder) / (output["path"] or output["name"]))}


def _remove(path: str) -> None:
    target = Path(path)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
    else:
        target.unlink(missing_ok=True)
