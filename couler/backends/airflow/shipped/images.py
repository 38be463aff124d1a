"""Steps in images: how what runs inside of a container is laid out, and what comes back from it.

A step works in the folder `WORK` of its container. A function needs a Python of 3.8 or later there, and everything
else what it names itself. Texts travel as data: no shell, template or engine reads them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from couler.runner.container import LOADER, OUT_OF_MEMORY, OUTPUTS, PACKAGES, RETRY_THIS, WORK
from couler.runner.function import is_file

from . import processes
from .again import Again
from .processes import AttemptError
from .step import Here
from .steps import Process

GIVEN = "/tmp/couler/given"
RUNNER = Path(__file__).with_name("runner.txt")


@dataclass
class Program:
    """What runs in a container.

    Attributes:
        command: Program and arguments; when ``own``, arguments of the image's own command.
        own: Whether the image's own command runs, whose standard output cannot be had.
        given: Path to the text of a file that is there before.
        wanted: Paths of files whose contents are outputs.
        kept: Paths of files and folders outside of the step's folder that are outputs, and where they are in it then.
        folders: Folders that are there before.
        folder: Where it starts.
    """

    command: Sequence[str]
    own: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    wanted: Sequence[str] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[str] = ()
    folder: str = WORK


@dataclass
class Ended:
    """How a container ended: its exit code, and, after 0, what it gave; the standard output is None if unknown."""

    code: int
    message: str = ""
    out_of_memory: bool = False
    stdout: bytes | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)


class InImage(Process):
    """A step that runs in its image."""

    def launch(self, here: Here, task: processes.Task, program: Program) -> Ended:
        """Run a program in a container, and wait for its end."""
        raise NotImplementedError

    def program(self, here: Here, task: processes.Task) -> Program:
        """What to run."""
        raise NotImplementedError

    def results(self, task: processes.Task, program: Program, ended: Ended) -> dict[str, Any]:
        """Outputs of a program that ended well."""
        if ended.stdout is None:
            return {}
        task.outputs = [self._outside(task, output) for output in task.outputs]
        return processes.outputs_of(task, ended.stdout, lambda path: ended.files.get(inside(path)))

    def run(self, here: Here, task: processes.Task) -> Mapping[str, Any]:
        task.inputs = self._seen(task.inputs, task)
        program = self.program(here, task)
        program = replace(
            program,
            folder=f"{WORK}/{self.working_dir}".rstrip("/"),
            env={**task.env, **program.env},
            kept=dict(self._elsewhere(task)),
            folders=list(dict.fromkeys(folder_of(output) for output in task.outputs if output["path"])),
        )
        ended = self.launch(here, task, program)
        if ended.code:
            raise self.failure(ended)
        return self.results(task, program, ended)

    def failure(self, ended: Ended) -> AttemptError:
        """Why the attempt failed, in the words that retries know."""
        if ended.code == RETRY_THIS and self.names_of_errors():
            return AttemptError(ended.message, self.names_of_errors())
        error = processes.exit_error(OUT_OF_MEMORY if ended.out_of_memory else ended.code)
        return AttemptError(ended.message or str(error), error.kinds, error.exit_code)

    def names_of_errors(self) -> list[str]:
        """Names of errors that deserve another attempt."""
        chosen = self.retry_policy.on if isinstance(self.retry_policy, Again) else None
        return [one for one in chosen or () if isinstance(one, str)]

    def place(self, folder: Path, path: str) -> Path:
        """Where on the worker a file lies that has this path in the container."""
        if path.startswith(f"{WORK}/"):
            return folder / path.removeprefix(f"{WORK}/")
        return folder / f".elsewhere{path}" if path.startswith("/") else folder / path

    def _elsewhere(self, task: processes.Task) -> Iterator[tuple[str, str]]:
        for output in task.outputs:
            path = output["path"]
            if is_file(output["type"]) and path.startswith("/") and not path.startswith(f"{WORK}/"):
                yield path, f"{WORK}/{self.place(task.folder, path).relative_to(task.folder)}"

    def _outside(self, task: processes.Task, output: Mapping[str, Any]) -> Mapping[str, Any]:
        if not is_file(output["type"]):
            return output
        return {**output, "path": str(self.place(task.folder, output["path"] or output["name"]))}

    def _seen(self, value: Any, task: processes.Task) -> Any:
        """Paths of files as they are in the container."""
        if isinstance(value, list):
            return [self._seen(item, task) for item in value]
        if isinstance(value, Mapping):
            if set(value) == {"$path"}:
                return {"$path": self.seen(Path(value["$path"]), task.folder)}
            return {name: self._seen(item, task) for name, item in value.items()}
        return value

    def seen(self, path: Path, folder: Path) -> str:
        """The path in the container of a file in the folder of the step."""
        there = str(path.relative_to(folder))
        return there.removeprefix(".elsewhere") if there.startswith(".elsewhere/") else f"{WORK}/{there}"


def folder_of(output: Mapping[str, Any]) -> str:
    """The folder that must be there before a command can write an output.

    >>> folder_of({"type": "file", "path": "a/b.txt"}), folder_of({"type": "folder", "path": "c"})
    ('/tmp/couler/work/a', '/tmp/couler/work/c')
    """
    path = inside(output["path"])
    return path if output["type"] == "folder" else path.rpartition("/")[0] or "/"


def inside(path: str) -> str:
    """A path of a step as an absolute one in its container.

    >>> inside("out/n.txt"), inside("/data/n.txt")
    ('/tmp/couler/work/out/n.txt', '/data/n.txt')
    """
    return path if path.startswith("/") else f"{WORK}/{path}"


class FunctionInImage(InImage):
    """A Python function in its image; ``source`` is the file that defines ``entry``."""

    def __init__(self, *, source: str | Path, entry: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.source = str(source)
        self.entry = entry

    def program(self, here: Here, task: processes.Task) -> Program:
        outputs = [{**output, "path": inside(output["path"] or output["name"])} if is_file(output["type"]) else output
                   for output in task.outputs]  # fmt: skip
        payload = {
            "step": self.step, "entry": self.entry, "inputs": task.inputs, "files": list(task.files),
            "outputs": outputs, "limit": task.limit, "packages": list(task.packages),
            "retry_on": self.names_of_errors(),
            "working_dir": f"{WORK}/{self.working_dir}".rstrip("/"),
        }  # fmt: skip
        texts = {"payload.json": json.dumps(payload), "source.py": Path(self.source).read_bytes().decode()}
        return Program(
            ["python3", "-c", LOADER, *(f"{GIVEN}/{name}" for name in texts)],
            env={"COULER_RUNNER": RUNNER.read_text(encoding="ascii").strip()},
            given={f"{GIVEN}/{name}": text for name, text in texts.items()},
            wanted=[f"{OUTPUTS}/{name}" for name in self._names()],
        )

    def _names(self) -> list[str]:
        return [one["name"] for one in self.outputs if not is_file(one["type"])] or ["result"]

    def results(self, task: processes.Task, program: Program, ended: Ended) -> dict[str, Any]:
        found = {name: ended.files.get(f"{OUTPUTS}/{name}") for name in self._names()}
        return {name: json.loads(text) for name, text in found.items() if text is not None}


class CommandInImage(InImage):
    """A command in its image; its standard output is ``result``. Without a command the image's own runs."""

    def __init__(self, *, command: Sequence[Any] = (), args: Sequence[Any] = (), **arguments: Any) -> None:
        super().__init__(**arguments)
        self.words = tuple(command)
        self.args = tuple(args)

    def needed(self) -> Any:
        yield from super().needed()
        yield from self.words
        yield from self.args

    def program(self, here: Here, task: processes.Task) -> Program:
        words = [here.text(word) for word in (*self.words, *self.args)]
        return Program(words, not self.words, wanted=wanted(task))


class ScriptInImage(CommandInImage):
    """A script in its image; ``source`` is the file with its text, ``command`` what interprets it."""

    def __init__(self, *, source: str | Path, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.source = str(source)

    def program(self, here: Here, task: processes.Task) -> Program:
        source = Path(self.source)
        script = f"{GIVEN}/script{source.suffix}"
        command = [*map(here.text, self.words), script, *map(here.text, self.args)]
        if task.packages:
            command = ["sh", "-c", installing(task.packages), "sh", *command]
        return Program(command, given={script: source.read_bytes().decode()}, wanted=wanted(task))


def wanted(task: processes.Task) -> list[str]:
    """Paths of values that a command writes."""
    return [inside(one["path"]) for one in task.outputs if one["path"] and not is_file(one["type"])]


def installing(packages: Sequence[str]) -> str:
    """What a shell does before it runs its arguments: it installs packages where Python finds them."""
    return (
        f"python3 -m pip install --quiet --disable-pip-version-check --no-input --target {PACKAGES} "
        f'{shlex.join(packages)} || exit 1\nexport PYTHONPATH="{PACKAGES}${{PYTHONPATH:+:$PYTHONPATH}}"\nexec "$@"'
    )
