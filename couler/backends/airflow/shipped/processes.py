"""Runs functions, scripts and containers as processes of the worker, each in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from couler.runner.function import StepError, check_files, check_size, describe, is_file

RUNNER = Path(__file__).with_name("function.py")


class AttemptError(Exception):
    """An attempt failed.

    Attributes:
        kinds: Names of the error and of its base classes.
        exit_code: Of the process, if it ended with one.
    """

    def __init__(self, message: str, kinds: Sequence[str] = (), exit_code: int | None = None) -> None:
        super().__init__(message)
        self.kinds = tuple(kinds)
        self.exit_code = exit_code


@dataclass
class Task:
    """What to run, with everything known.

    Attributes:
        step: Name, for messages.
        inputs: Values by name; files are ``{"$path": …}``.
        files: Names of the inputs that are files.
        outputs: Declared outputs: name, type, path and perhaps default.
        limit: Bytes of JSON that a value may have.
        python: Interpreter of functions and Python scripts.
        packages: What they need.
    """

    step: str
    folder: Path
    inputs: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[str] = ()
    outputs: Sequence[Mapping[str, Any]] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    limit: int = 1 << 20
    python: str = sys.executable
    packages: Sequence[str] = ()
    working_dir: str = ""


@contextmanager
def folder_of(step: str, under: Path | None = None) -> Iterator[Path]:
    """An empty folder for one attempt, removed at its end."""
    path = Path(tempfile.mkdtemp(prefix=f"{step[:40].replace('/', '-')}-", dir=under))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def run_function(task: Task, source: str, entry: str) -> dict[str, Any]:
    """Call a function in a process of its own and give its outputs; files are written in the folder.

    Raises:
        AttemptError: It raised an error, or what it gave is not what it declares.
    """
    payload = {
        "step": task.step, "source": source, "entry": entry, "inputs": task.inputs, "files": list(task.files),
        "outputs": list(task.outputs), "limit": task.limit, "python_path": _packages(task),
    }  # fmt: skip
    given, found = task.folder / ".payload.json", task.folder / ".result.json"
    given.write_text(json.dumps(payload), encoding="utf-8")
    code, _ = _run([task.python, str(RUNNER), str(given), str(found)], task, keep=False)
    try:
        answer = json.loads(found.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise exit_error(code or 1) from None
    if "error" in answer:
        error = answer["error"]
        raise AttemptError(error["message"], error["kinds"], error["exit_code"])
    outputs: dict[str, Any] = answer["outputs"]
    return outputs


def run_command(task: Task, command: Sequence[str]) -> dict[str, Any]:
    """Run a command and give its outputs; its standard output is ``result``.

    Raises:
        AttemptError: It ended with another exit code than 0, or what it gave is not what it declares.
    """
    for output in task.outputs:
        if output["type"] == "folder":
            (task.folder / (output["path"] or output["name"])).mkdir(parents=True, exist_ok=True)
        elif output["path"]:
            (task.folder / output["path"]).parent.mkdir(parents=True, exist_ok=True)
    env = dict(task.env)
    if task.packages:
        env["PYTHONPATH"] = os.pathsep.join([*_packages(task), *filter(None, [os.environ.get("PYTHONPATH")])])
    code, text = _run(command, task, keep=True, env=env)
    if code:
        raise exit_error(code)
    return outputs_of(task, text)


def outputs_of(task: Task, text: bytes, read: Callable[[str], bytes | None] | None = None) -> dict[str, Any]:
    """What a command gave: values from its standard output and from files; file outputs must be in the folder.

    Args:
        task: What was run.
        text: Its standard output.
        read: Gives the content of the file that a path of an output names, unless it is in the folder.

    Raises:
        AttemptError: It is not what the step declares.
    """
    try:
        check_files(task.step, [_in_folder(task, output) for output in task.outputs if is_file(output["type"])])
        values = _values(task, text, read or (lambda path: _content(task.folder / path)))
        check_size(task.step, values, task.limit)
    except StepError as error:
        told = describe(error)
        raise AttemptError(told["message"], told["kinds"]) from None
    return values


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _in_folder(task: Task, output: Mapping[str, Any]) -> dict[str, Any]:
    return {**output, "path": str(task.folder / (output["path"] or output["name"]))}


def _run(command: Sequence[str], task: Task, keep: bool, env: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    folder = task.folder / task.working_dir
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    try:
        child = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**os.environ, **(task.env if env is None else env)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if not keep else None,
            start_new_session=True,
        )
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = f"the command '{command[0]}' does not exist on this machine" if missing else str(error)
        raise AttemptError(reason, ("CommandError",), 127) from None
    _groups.add(child.pid)
    try:
        return _followed(child, task, keep)
    finally:
        _kill(child.pid)
        _groups.discard(child.pid)


def _followed(child: subprocess.Popen[bytes], task: Task, keep: bool) -> tuple[int, bytes]:
    """Copy the output to the log as it comes, and keep it up to the limit and a little more."""
    kept, size = [], 0
    assert child.stdout is not None
    for line in child.stdout:
        sys.stdout.write(line.decode("utf-8", "replace"))
        size += len(line)
        if keep and size <= 2 * task.limit:
            kept.append(line)
    code = child.wait()
    sys.stdout.flush()
    return code, b"".join(kept)


_groups: set[int] = set()


def kill_all() -> None:
    """End every process that runs."""
    for group in _groups:
        _kill(group)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def exit_error(code: int) -> AttemptError:
    """The failure of a command that ended with another exit code than 0."""
    if code < 0:
        name = signal.Signals(-code).name
        return AttemptError(f"the command died with signal {name}", ("ExitCode",), 128 - code)
    return AttemptError(f"exit code {code}", ("OutOfMemory" if code == 137 else "ExitCode",), code)


def _values(task: Task, text: bytes, read: Callable[[str], bytes | None]) -> dict[str, Any]:
    values = {}
    for output in task.outputs:
        if is_file(output["type"]):
            continue
        name, path = output["name"], output["path"]
        found = read(path) if path else text
        if found is not None:
            values[name] = _parsed(task.step, output, found)
        elif "default" in output:
            values[name] = output["default"]
        else:
            raise StepError(f"step '{task.step}' ended without writing its output '{name}' at {task.folder / path}")
    return values


def _parsed(step: str, output: Mapping[str, Any], data: bytes) -> Any:
    """Text without one trailing newline; types other than str are read as JSON."""
    text = data.decode("utf-8", "surrogateescape")
    text = text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")
    kind = output["type"]
    if kind in ("str", "any"):
        return text
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        if "str" in kind:
            return text
        name = output["name"]
        raise StepError(f"output '{name}' of step '{step}' should be {kind} in JSON, and is {text[:80]!r}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _packages(task: Task) -> list[str]:
    """The folder with the packages, installed once on this worker."""
    if not task.packages:
        return []
    import hashlib

    key = hashlib.sha256("\n".join([task.python, *sorted(task.packages)]).encode()).hexdigest()[:24]
    home = Path(os.environ.get("AIRFLOW_HOME") or tempfile.gettempdir()) / "couler-packages"
    folder = home / key
    if not folder.exists():
        home.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=key, dir=home))
        command = [task.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        done = subprocess.run([*command, "--target", str(part), *task.packages], check=False)
        if done.returncode:
            shutil.rmtree(part, ignore_errors=True)
            raise AttemptError(
                f"could not install {', '.join(task.packages)}; its output stands above", ("PackageError",)
            )
        try:
            part.rename(folder)
        except OSError:  # somebody else was quicker
            shutil.rmtree(part, ignore_errors=True)
    return [str(folder)]
