"""Steps in containers of the worker's Docker, which share the folder of the step with the worker."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow.providers.docker.exceptions import DockerContainerFailedException
from airflow.providers.docker.operators.docker import DockerOperator
from docker.errors import APIError
from docker.types import DeviceRequest, Mount

from couler.runner.container import OUTPUTS, TERMINATION_LOG, WORK

from . import processes
from .images import GIVEN, CommandInImage, Ended, FunctionInImage, InImage, Program, ScriptInImage
from .processes import AttemptError
from .step import Here


@dataclass
class Desk:
    """Folders of one attempt that the container sees."""

    work: Path
    given: Path
    outputs: Path
    message: Path


class InDocker(InImage, DockerOperator):
    """A step in a container of Docker.

    Args:
        gpus: How many it gets.
        volumes: Folder of the machine or volume of Docker (or None for an empty one), the path at which it appears,
            and whether it may only be read.
    """

    def __init__(
        self, *, gpus: int = 0, volumes: Sequence[tuple[str | None, str, bool]] = (), **arguments: Any
    ) -> None:
        if gpus:
            arguments["device_requests"] = [DeviceRequest(count=gpus, capabilities=[["gpu"]])]
        super().__init__(auto_remove="never", mount_tmp_dir=False, retrieve_output=True, **arguments)
        self.storage = tuple(volumes)

    def launch(self, here: Here, task: processes.Task, program: Program) -> Ended:
        with self._prepared(task, program) as desk:
            try:
                stdout = DockerOperator.execute(self, here.context)
                return Ended(0, stdout=stdout, files=dict(self._written(program, desk)))
            except DockerContainerFailedException:
                state = self.cli.inspect_container(self.container["Id"])["State"]
                message = desk.message.read_text(encoding="utf-8", errors="replace").strip()
                return Ended(state["ExitCode"], message, state["OOMKilled"])
            except APIError as error:
                raise AttemptError(f"Docker could not run the container: {error.explanation or error}") from None
            finally:
                self._remove()

    @contextmanager
    def _prepared(self, task: processes.Task, program: Program) -> Iterator[Desk]:
        """What the container sees; all but the step's own folder is gone after the attempt."""
        with processes.folder_of(self.step) as beside:
            desk = Desk(task.folder, beside / "given", beside / "outputs", beside / "message")
            desk.given.mkdir()
            for path, text in program.given.items():
                (desk.given / path.removeprefix(f"{GIVEN}/")).write_bytes(text.encode())
            desk.message.touch()
            own = [path.removeprefix(WORK) for path in program.folders if f"{path}/".startswith(f"{WORK}/")]
            for folder in (desk.outputs, desk.work / self.working_dir, *(desk.work / path.lstrip("/") for path in own)):
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o777)  # the container's user may be another
            desk.work.chmod(0o777)
            self.mounts = [
                Mount(WORK, str(desk.work), "bind"),
                Mount(GIVEN, str(desk.given), "bind", read_only=True),
                Mount(OUTPUTS, str(desk.outputs), "bind"),
                Mount(TERMINATION_LOG, str(desk.message), "bind"),
                *_elsewhere(desk.work / ".elsewhere"),
                *(_volume(*one) for one in self.storage),
            ]
            self.working_dir = program.folder
            self.entrypoint = None if program.own else [program.command[0]]
            self.command = list(program.command if program.own else program.command[1:])
            self._private_environment = dict(program.env)
            yield desk

    def _written(self, program: Program, desk: Desk) -> Iterator[tuple[str, bytes]]:
        """Contents of files that the container wrote; files that are outputs are put where the worker looks for them.

        What lies outside of the shared folders is copied out of the container.
        """
        for path in program.wanted:
            shared = {WORK: desk.work, OUTPUTS: desk.outputs}
            near = [
                folder / path.removeprefix(f"{root}/") for root, folder in shared.items() if path.startswith(f"{root}/")
            ]
            with suppress(OSError, APIError):
                yield path, near[0].read_bytes() if near else self._copied(path)
        for path, target in program.kept.items():
            with suppress(APIError):
                self._copied(path, (desk.work / target.removeprefix(f"{WORK}/")).parent)

    def _copied(self, path: str, folder: Path | None = None) -> bytes:
        """A file of the container; with a folder it is written into that, and may be a folder."""
        pieces, _ = self.cli.get_archive(self.container["Id"], path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                archive.extractall(folder, filter="data")
                return b""
            found = archive.extractfile(archive.getmembers()[0])
            return found.read() if found is not None else b""

    def _attempt_to_retrieve_result(self) -> bytes:
        """The standard output alone."""
        return bytes(self.cli.logs(self.container["Id"], stdout=True, stderr=False))

    def _remove(self) -> None:
        if self.container is not None:
            with suppress(APIError):
                self.cli.remove_container(self.container["Id"], force=True)

    def on_kill(self) -> None:
        """Stop the container."""
        DockerOperator.on_kill(self)
        self._remove()


def _elsewhere(folder: Path) -> Iterator[Mount]:
    """Files that appear outside of the step's folder, each at its path."""
    for file in sorted(folder.rglob("*")) if folder.exists() else ():
        if file.is_file():
            yield Mount(f"/{file.relative_to(folder)}", str(file), "bind", read_only=True)


def _volume(source: str | None, target: str, read_only: bool) -> Mount:
    kind = "bind" if source is not None and source.startswith("/") else "volume"
    return Mount(target, source, kind, read_only=read_only)


class Function(FunctionInImage, InDocker):
    """A Python function in a container."""


class Container(CommandInImage, InDocker):
    """A command in a container."""


class Script(ScriptInImage, InDocker):
    """A script in a container."""
