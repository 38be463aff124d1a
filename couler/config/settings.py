"""Every setting of couler, once: name, type, default, and what it is for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from couler.config.kinds import (
    choice,
    file,
    flag,
    folder,
    fraction,
    memory_text,
    name,
    reference,
    shown_reference,
    size,
    text,
    whole,
)
from couler.config.mask import mask_url


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from.

    Attributes:
        kind: ``flag``, ``env``, ``project``, ``user`` or ``default``.
        where: The variable, or the file with the table; empty for flags and defaults.
    """

    kind: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.where}".rstrip()


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    Attributes:
        read: From what a file or a variable holds to the value; ValueError says what was expected.
        show: From the value to what people may see.
    """

    name: str
    type: str
    default: Any
    help: str
    read: Callable[[Any], Any]
    show: Callable[[Any], Any]

    @property
    def env(self) -> str:
        """Name of the environment variable."""
        return f"COULER_{self.name.upper()}"


def _setting(
    default: Any, kind: tuple[str, Callable[[Any], Any]], help: str, show: Callable[[Any], Any] = lambda value: value
) -> Any:
    word, read = kind
    return field(default=default, metadata={"type": word, "read": read, "help": help, "show": show})


def _masked(url: str | None) -> str | None:
    return mask_url(url) if url is not None else None


def _text_of(path: Path | None) -> str | None:
    return None if path is None else str(path)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force; get them from `couler.config.load_settings`."""

    profile: str | None = _setting(None, name(), "Profile of the user or project file to take settings from.")
    engine: str = _setting("local", name(), "Engine that runs and compiles, such as local or argo.")
    root: Path = _setting(Path(".couler"), folder(), "Folder for what couler remembers.", str)  # noqa: RUF009
    store: str | None = _setting(None, text(), "URL of the run store; runs.db in the root when not set.", _masked)
    artifacts: str | None = _setting(None, text(), "URL for files between steps; in the root when not set.", _masked)
    runtime: str = _setting(
        "process",
        choice("process", "docker", "podman"),
        "What runs the containers of the local engine.",
    )
    workers: int | None = _setting(None, whole(1), "Worker processes of the local engine; one a core when not set.")
    cpu: float | None = _setting(None, fraction(), "Cores that the local engine may use; all when not set.")
    memory: str | None = _setting(None, memory_text(), "Memory that the local engine may use, such as 8Gi.")
    max_value: int = _setting(1024 * 1024, size(), "Bytes that one value may have, such as 1Mi; larger ones are files.")
    namespace: str | None = _setting(None, name(), "Kubernetes namespace of the remote engines.")
    context: str | None = _setting(None, text(), "Context of the kubeconfig; its current one when not set.")
    kubeconfig: Path | None = _setting(None, file(), "Kubeconfig; KUBECONFIG or ~/.kube/config when not set.", _text_of)  # noqa: RUF009
    service_account: str | None = _setting(None, name(), "Kubernetes service account of the steps of remote engines.")
    server: str | None = _setting(None, text(), "URL of the engine's own server, where it has one.", _masked)
    token: str | None = _setting(
        None, reference(), "Where the token for that server is: env:NAME or file:PATH.", shown_reference
    )
    token_command: str | None = _setting(None, text(), "A program that prints the token for that server.")
    user: str | None = _setting(None, text(), "Name for logging in to that server, where there is no token.")
    password: str | None = _setting(
        None, reference(), "Where the password of that name is: env:NAME or file:PATH.", shown_reference
    )
    dags: Path | None = _setting(None, folder(), "Folder from which Airflow reads DAG files.", _text_of)  # noqa: RUF009
    dags_command: str | None = _setting(
        None, text(), "A program that brings DAG files to Airflow; it is given the folder that has them."
    )
    airflow_containers: str = _setting(
        "process",
        choice("process", "kubernetes", "docker"),
        "What steps run in on Airflow: processes of its workers, pods, or containers of Docker.",
    )
    argo_kind: str | None = _setting(
        None,
        choice("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"),
        "Kind of object that is compiled for Argo; CronWorkflow with a schedule and else Workflow when not set.",
    )
    large_values: bool | None = _setting(
        None,
        flag(),
        "Whether Argo keeps values over 256 KiB as files on their way between functions; when it stores files anyway, "
        "if not set.",
    )
    log_level: str = _setting(
        "warning", choice("debug", "info", "warning", "error"), "How much couler says about itself."
    )
    log_format: str = _setting("text", choice("text", "json"), "Progress and logs for people or for machines.")
    _sources: Mapping[str, Source] = field(default_factory=dict, repr=False)

    def sources(self) -> dict[str, Source]:
        """Name of each setting to where its value came from."""
        return {row.name: self._sources.get(row.name, Source("default")) for row in table()}

    def shown(self) -> dict[str, Any]:
        """Name of each setting to its value for people: passwords are masked."""
        return {row.name: row.show(getattr(self, row.name)) for row in table()}

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.shown().items())
        return f"Settings({inside})"


def table() -> Iterator[Setting]:
    """The rows, in the order in which they are shown."""
    for one in dataclasses.fields(Settings):
        if one.metadata:
            data = one.metadata
            yield Setting(one.name, data["type"], one.default, data["help"], data["read"], data["show"])
