"""The steps that run something, and pauses."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

from couler.runner.function import is_file
from couler.runner.value_types import mismatch

from . import files, outside, processes, version
from .processes import AttemptError
from .step import Here, Step
from .version import (
    ApprovalOperator,
    HITLTimeoutError,
    TimeDeltaTrigger,
)


class Process(Step):
    """A step that runs as a process of the worker.

    Args:
        outputs: What it declares: name, type, path and perhaps default.
        types: Inputs to their types, unless these may be anything.
        file_inputs: Inputs that are files, and the paths at which they appear.
        env: Variables.
        secrets: Variable to the name and key of a secret.
        packages: What it needs of the Python package index.
        working_dir: Folder, seen from that of the step.
    """

    def __init__(
        self,
        *,
        outputs: Sequence[Mapping[str, Any]] = (),
        types: Mapping[str, str] | None = None,
        file_inputs: Mapping[str, str] | None = None,
        env: Mapping[str, Any] | None = None,
        secrets: Mapping[str, tuple[str, str]] | None = None,
        secret_files: Mapping[str, tuple[str, str]] | None = None,
        packages: Sequence[str] = (),
        working_dir: str = "",
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.outputs = [dict(output) for output in outputs]
        self.types = dict(types or {})
        self.file_inputs = dict(file_inputs or {})
        self.env = dict(env or {})
        self.secrets = dict(secrets or {})
        self.secret_files = dict(secret_files or {})
        self.packages = tuple(packages)
        self.working_dir = working_dir

    def needed(self) -> Iterable[Any]:
        yield from super().needed()
        yield from self.env.values()

    def perform(self, here: Here) -> Mapping[str, Any]:
        with self.desk() as folder:
            task = self.task(here, folder)
            outputs = dict(self.run(here, task))
            for output in self.outputs:
                name, kind = output["name"], output["type"]
                if is_file(kind):
                    path = self.place(folder, output["path"] or name)
                    outputs[name] = files.keep(path, kind, self.store)
                    if "store" in output:
                        outside.store(path, output["store"], _secret)
                elif name in outputs:
                    _check(f"output '{name}'", kind, outputs[name])
            return outputs

    def task(self, here: Here, folder: Path) -> processes.Task:
        """What to run, with its files in its folder."""
        inputs = here.inputs()
        for name, kind in self.types.items():
            _check(f"input '{name}'", kind, inputs[name])
        takes = {**{name: "" for name, value in inputs.items() if files.is_record(value)}, **self.file_inputs}
        for name, path in takes.items():
            inputs[name] = self._appear(inputs[name], self.place(folder, path or f"inputs/{name}"), bool(path))
        env = {name: here.text(value) for name, value in self.env.items()} | self.hidden(folder)
        env.update(COULER_STEP=self.step, COULER_ATTEMPT=str(here.ti.try_number))
        return processes.Task(
            self.step, folder, inputs, list(takes), self.outputs, env, self.limit, self.python, self.packages,
            self.working_dir,
        )  # fmt: skip

    def desk(self) -> AbstractContextManager[Path]:
        """The folder of one attempt, while it lasts."""
        return processes.folder_of(self.step)

    def place(self, folder: Path, path: str) -> Path:
        """Where a file lies that has this path for the step."""
        return folder / path

    def hidden(self, folder: Path) -> dict[str, str]:
        """Variables that are secrets; files that are secrets are in the folder then."""
        for path, secret in self.secret_files.items():
            target = self.place(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_secret(*secret), encoding="utf-8")
            target.chmod(0o600)
        return {name: _secret(*secret) for name, secret in self.secrets.items()}

    def _appear(self, value: Any, path: Path, exact: bool) -> Any:
        if isinstance(value, list):
            return [self._appear(item, path / str(index), False) for index, item in enumerate(value)]
        if not files.is_record(value):
            return value
        target = path if exact else path / value["name"]
        if "stored" in value:
            outside.fetch(value["stored"], target, _secret)
        else:
            files.appear(value, target, self.store)
        return {"$path": str(target)}

    def run(self, here: Here, task: processes.Task) -> Mapping[str, Any]:
        """Run it and give its outputs."""
        raise NotImplementedError


def _check(what: str, kind: str, value: Any) -> None:
    if problem := mismatch(kind, value):
        raise AttemptError(f"{what}: {problem}", ("TypeError",))


def _secret(name: str, key: str) -> str:
    """A secret: a field of the connection of that name, or the variable ``NAME.KEY``."""
    try:
        connection = version.connection(name)
        found = getattr(connection, key, None) or connection.extra_dejson.get(key)
    except Exception:  # Airflow has several ways to say that there is none
        found = version.variable(f"{name}.{key}")
    if found is None:
        raise AttemptError(
            f"there is no secret '{name}' with the key '{key}'; make an Airflow connection '{name}' that has it, or a "
            f"variable '{name}.{key}'",
            ("SecretError",),
        )
    version.mask_secret(found)
    return str(found)


class Function(Process):
    """A Python function in a process of its own; ``source`` is the file that defines ``entry``."""

    def __init__(self, *, source: str | Path, entry: str, image: str = "", **arguments: Any) -> None:
        super().__init__(**arguments)
        self.image = image
        self.source = str(source)
        self.entry = entry

    def run(self, here: Here, task: processes.Task) -> Mapping[str, Any]:
        return processes.run_function(task, Path(self.source).read_text(encoding="utf-8"), self.entry)


class Container(Process):
    """A command on the worker, in the place of its image; its standard output is ``result``."""

    def __init__(self, *, image: str = "", command: Sequence[Any] = (), args: Sequence[Any] = (), **arguments: Any):
        super().__init__(**arguments)
        self.image = image
        self.command = tuple(command)
        self.args = tuple(args)

    def needed(self) -> Iterable[Any]:
        yield from super().needed()
        yield from self.command
        yield from self.args

    def run(self, here: Here, task: processes.Task) -> Mapping[str, Any]:
        return processes.run_command(task, [here.text(word) for word in (*self.command, *self.args)])


class Script(Container):
    """A script; ``source`` is the file with its text, ``command`` what interprets it."""

    def __init__(self, *, source: str | Path, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.source = str(source)

    def run(self, here: Here, task: processes.Task) -> Mapping[str, Any]:
        command = [here.text(word) for word in self.command]
        if Path(command[0]).name in ("python", "python3"):
            command[0] = self.python
        return processes.run_command(task, [*command, self.source, *(here.text(word) for word in self.args)])


SHORT = 2
"""Seconds that a pause spends on its worker; a longer one leaves the worker to others."""


class Pause(Step):
    """A pause of so many seconds; it fails when they are more than it may take at ``most``."""

    def __init__(self, *, seconds: float, most: float | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.seconds = seconds
        self.most = seconds if most is None else most

    def perform(self, here: Here) -> Mapping[str, Any]:
        seconds = min(self.seconds, self.most)
        if seconds > SHORT:
            self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=seconds)), method_name="resumed")
        time.sleep(seconds)
        self.judge()
        return {}

    def resumed(self, context: Any, event: Any = None) -> Any:
        """Go on after the pause."""
        here = Here(self, context)
        try:
            self.judge()
        except AttemptError as failure:
            here.tell_error(str(failure))
            raise version.raised(failure, self, context) from None
        return here.packed({})

    def judge(self) -> None:
        """Fail when the time limit came first."""
        if self.most < self.seconds:
            raise AttemptError(f"nobody approved within {self.most:g} s", ("Timeout", "TimeoutError"))


class Approval(Step, ApprovalOperator):
    """A pause until a person approves; it fails when the person rejects, or after so many seconds."""

    template_fields = ()

    def __init__(self, *, subject: str, most: float | None = None, **arguments: Any) -> None:
        timeout = None if most is None else timedelta(seconds=most)
        super().__init__(subject=subject, fail_on_reject=True, response_timeout=timeout, **arguments)
        self.most = most

    execute = ApprovalOperator.execute

    def execute_complete(self, context: Any, event: Any) -> Any:
        """Go on, or fail."""
        here = Here(self, context)
        try:
            super().execute_complete(context, event)
        except HITLTimeoutError:
            here.tell_error(f"nobody approved within {self.most:g} s")
            raise
        except Exception:
            here.tell_error("rejected")
            raise
        return here.packed({})
