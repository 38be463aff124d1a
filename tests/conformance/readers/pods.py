"""A double of what runs pods: functions run in this process, containers as processes, files lie in a folder."""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.conformance.readers.nodes import NodeState, Outputs

Json = dict[str, Any]
PLACES = ("/tmp/couler", "/couler", "/dev/termination-log")
"""Folders and files of a container that are moved below the folder of a pod."""
LARGEST_RESULT = 256 * 1024
"""Bytes of a standard output that Argo keeps, from its end."""
_VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class Pods:
    """Runs pods below a folder.

    Args:
        folder: Where pods and their files live.
        runner: The value of ``COULER_RUNNER``, which every pod gets by the patch of the workflow.
        secrets: Name and key to value.
        decisions: What people decide about pauses, in turn.
        limit: Seconds for the whole run.
    """

    def __init__(
        self,
        folder: Path,
        runner: str,
        secrets: Mapping[tuple[str, str], str],
        decisions: Iterator[str],
        limit: float | None = None,
    ) -> None:
        self._folder = folder
        self._runner = runner
        self._secrets = secrets
        self._decisions = decisions
        self._numbers = itertools.count()
        self._deadline = None if limit is None else time.monotonic() + limit
        self._shipped = _shipped(runner) if runner else {}

    def __call__(self, template: Json, artifacts: Mapping[str, Any], task: str) -> NodeState:
        """Run what a template says; the node has ended then."""
        if "suspend" in template:
            return self._paused(template, task)
        if "resource" in template:
            return _created(template, task)
        return _Pod(self._folder / f"pod-{next(self._numbers)}", template, artifacts, task, self).run()

    def _paused(self, template: Json, task: str) -> NodeState:
        approved = "duration" in (template["suspend"] or {}) or next(self._decisions) == "approve"
        return NodeState(task, template["name"], "Suspend", "Succeeded" if approved else "Failed", body=template)

    def stored(self, artifact: Json) -> Path | None:
        """Where the store keeps an artifact whose place in the store its template says; None for others."""
        key = artifact.get("s3", {}).get("key")
        return None if key is None else self._folder / "store" / key

    @property
    def left(self) -> float | None:
        """Seconds that are left of the time of the whole run."""
        return None if self._deadline is None else max(0.01, self._deadline - time.monotonic())

    def secret(self, name: str, key: str) -> str:
        """The value of a secret."""
        return self._secrets[name, key]

    @property
    def shipped(self) -> Json:
        """What the runner's text defines."""
        return self._shipped

    @property
    def runner(self) -> str:
        """The runner as it is shipped."""
        return self._runner


def _shipped(runner: str) -> Json:
    defined: Json = {"__name__": "couler_runner_of_the_double"}
    exec(compile(zlib.decompress(base64.b64decode(runner)), "<runner>", "exec"), defined)
    return defined


def _created(template: Json, task: str) -> NodeState:
    """An object that is created and at once as its manifest says."""
    manifest = json.loads(template["resource"]["manifest"])
    outputs = Outputs()
    for given in template.get("outputs", {}).get("parameters", ()):
        keys = re.fullmatch(r"\{\.?(.*)\}", given["valueFrom"]["jsonPath"])
        assert keys is not None
        found: Any = manifest
        for key in keys[1].split("."):
            found = found[key]
        outputs.parameters[given["name"]] = found if isinstance(found, str) else json.dumps(found)
    return NodeState(task, template["name"], "Pod", "Succeeded", outputs=outputs, body=template)


class _Pod:
    def __init__(self, folder: Path, template: Json, artifacts: Mapping[str, Any], task: str, pods: Pods) -> None:
        self.folder = folder
        self.template = template
        self.given = artifacts
        self.pods = pods
        self.container = template.get("container") or template["script"]
        self.node = NodeState(task, template["name"], "Pod", "Running", body=template)
        self.moves = [(place, f"{folder}{place}") for place in PLACES]
        mounts = sorted((mount["mountPath"] for mount in self.container.get("volumeMounts", ())), key=len, reverse=True)
        self.moves = [(mount, f"{folder}{mount}") for mount in mounts] + self.moves

    def run(self) -> NodeState:
        (self.folder / "dev").mkdir(parents=True)
        self._lay_out()
        code, printed = self._call()
        outputs = self._outputs(code, printed)
        self.node.outputs = outputs
        log = self.folder / "dev" / "termination-log"
        said = log.read_text(encoding="utf-8") if log.exists() else ""
        if self.node.phase == "Running":
            self.node.phase = "Succeeded" if code == 0 else "Failed"
        if code and not self.node.message:
            self.node.message = f"Error (exit code {code})" + (f": {said}" if said else "")
        return self.node

    # --- before

    def here(self, path: str) -> Path:
        """Where a path of the container lies on this machine."""
        if path.startswith(str(self.folder)):
            return Path(path)
        return self.folder / path.lstrip("/")

    def moved(self, text: str) -> str:
        """A text with the paths of the container made those of this machine."""
        for place, target in self.moves:
            text = re.sub(rf"(?<![\w/.-]){re.escape(place)}(?![\w-])", lambda _, target=target: target, text)
        return text

    def _lay_out(self) -> None:
        for declared in self.template.get("inputs", {}).get("artifacts", ()):
            given = self.given.get(declared["name"], declared)
            target = self.here(declared["path"])
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(given, Path):
                copy(given, target)
            elif (place := self.pods.stored(given)) is not None:
                if place.exists():
                    copy(place, target)
            elif "raw" in given:
                target.write_text(given["raw"]["data"], encoding="utf-8", newline="")
        volumes = {volume["name"]: volume for volume in self.template.get("volumes", ())}
        for mount in self.container.get("volumeMounts", ()):
            target = self.here(mount["mountPath"])
            secret = volumes.get(mount["name"], {}).get("secret")
            if secret is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            (item,) = secret["items"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.pods.secret(secret["secretName"], item["key"]), encoding="utf-8")

    def _variables(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for given in self.container.get("env", ()):
            if "valueFrom" in given:
                key = given["valueFrom"]["secretKeyRef"]
                found[given["name"]] = self.pods.secret(key["name"], key["key"])
            else:
                found[given["name"]] = expanded(given.get("value", ""), found)
        return found

    # --- the task itself

    def _call(self) -> tuple[int, str]:
        command = [*self.container.get("command", ()), *self.container.get("args", ())]
        variables = self._variables()
        is_function = any("COULER_RUNNER" in part for part in command)
        own = self.template.get("activeDeadlineSeconds", self.template.get("timeout"))
        limits = [float(own.rstrip("s"))] if own is not None else []
        timeout = min([*limits, *([] if self.pods.left is None else [self.pods.left])], default=None)
        if is_function and timeout is None and not self.template.get("daemon"):
            return self._function(command[-1], variables), ""
        argv = [self.moved(expanded(part, variables)) for part in command]
        if "source" in self.container:
            script = self.folder / "argo-staging-script"
            script.write_text(self.container["source"], encoding="utf-8", newline="")
            argv.append(str(script))
        if is_function:
            variables["COULER_RUNNER"] = self._moved_runner()
        return self._process(argv, variables, timeout)

    def _process(self, argv: list[str], variables: dict[str, str], timeout: float | None) -> tuple[int, str]:
        folder = self.here(self.container["workingDir"]) if "workingDir" in self.container else self.folder / "work"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            done = subprocess.run(
                argv, cwd=folder, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                timeout=timeout, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            self.node.phase, self.node.message = (
                "Failed",
                "Pod was active on the node longer than the specified deadline",
            )
            return 137, ""
        printed = done.stdout[-LARGEST_RESULT:].decode(errors="replace")
        return done.returncode if done.returncode >= 0 else 128 - done.returncode, printed

    def _function(self, payload_path: str, variables: dict[str, str]) -> int:
        shipped = self.pods.shipped
        root = str(self.folder)
        shipped.update(
            OUTPUTS=f"{root}/tmp/couler/outputs", WORK=f"{root}/tmp/couler/work",
            LARGE=f"{root}/tmp/couler/large/couler-large-",
            TERMINATION_LOG=f"{root}/dev/termination-log", PACKAGES=f"{root}/tmp/couler/packages",
        )  # fmt: skip
        try:
            payload = json.loads(self.moved(self.here(payload_path).read_text(encoding="utf-8")))
        except ValueError as error:
            self.node.message = f"the payload is not JSON: {error}"
            return 1
        folder = Path(payload.get("working_dir") or shipped["WORK"])
        folder.mkdir(parents=True, exist_ok=True)
        with _place(folder, variables):
            try:
                return int(shipped["execute"](payload, self.container["source"]))
            except SystemExit as end:
                return end.code if isinstance(end.code, int) else 1
            except shipped["StepError"] as error:
                return int(shipped["_report"](shipped["describe"](error), payload.get("retry_on", ())))

    def _moved_runner(self) -> str:
        text = zlib.decompress(base64.b64decode(self.pods.runner)).decode()
        text = text.replace("/tmp/couler", f"{self.folder}/tmp/couler")
        text = text.replace("/dev/termination-log", f"{self.folder}/dev/termination-log")
        payload = self.here(self.container["command"][-1])
        payload.write_text(self.moved(payload.read_text(encoding="utf-8")), encoding="utf-8")
        return base64.b64encode(zlib.compress(text.encode(), 1)).decode()

    # --- after

    def _outputs(self, code: int, printed: str) -> Outputs:
        outputs = Outputs(result=printed.removesuffix("\n"), exit_code=str(code))
        if code:
            return outputs
        declared = self.template.get("outputs", {})
        for given in declared.get("parameters", ()):
            path = self.here(given["valueFrom"]["path"])
            if path.is_file():
                with path.open(encoding="utf-8", newline="") as file:
                    outputs.parameters[given["name"]] = file.read().removesuffix("\n")
            elif "default" in given["valueFrom"]:
                outputs.parameters[given["name"]] = given["valueFrom"]["default"]
            else:
                self._lacks(given["name"], given["valueFrom"]["path"])
        for given in declared.get("artifacts", ()):
            path = self.here(given["path"])
            if path.exists():
                outputs.artifacts[given["name"]] = path
                if (place := self.pods.stored(given)) is not None:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    copy(path, place)
            elif not given.get("optional"):
                self._lacks(given["name"], given["path"])
        return outputs

    def _lacks(self, name: str, path: str) -> None:
        self.node.phase, self.node.message = "Error", f"cannot save '{name}': {path} does not exist"


@contextlib.contextmanager
def _place(folder: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """A working directory and an environment for a while; what is printed goes nowhere."""
    before, environment, paths = Path.cwd(), dict(os.environ), list(sys.path)
    os.environ.update(variables)
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = paths


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """As Kubernetes expands variables in commands, arguments and variables.

    >>> expanded("$(A) $$(A) $(B) $A", {"A": "1"})
    '1 $(A) $(B) $A'
    """

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else variables.get(match[1], match[0])

    return _VARIABLE.sub(value, text)


def copy(source: Path, target: Path) -> None:
    """A file or folder, as an artifact that was stored and fetched."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)
