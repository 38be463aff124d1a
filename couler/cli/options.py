"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS: dict[str, tuple[str, str, Any]] = {
    "engine": ("-e", "Engine, such as local or argo; `couler engines` shows them.", str),
    "root": ("", "Folder for what couler remembers.", click.Path(path_type=Path)),
    "store": ("", "URL of the run store.", str),
    "profile": ("", "Profile of the settings to use.", str),
    "artifacts": ("", "URL for files between steps.", str),
    "runtime": ("", "What runs containers here: process, docker or podman.", str),
    "workers": ("", "Worker processes.", str),
    "cpu": ("", "Cores that the run may use.", str),
    "memory": ("", "Memory that the run may use, such as 8Gi.", str),
    "namespace": ("-n", "Kubernetes namespace.", str),
    "context": ("", "Context of the kubeconfig.", str),
    "kubeconfig": ("", "Kubeconfig file.", click.Path(path_type=Path)),
    "service_account": ("", "Kubernetes service account of the steps.", str),
    "server": ("", "URL of the engine's own server, such as an argo-server or Airflow.", str),
    "token": ("", "Where the server's token is: env:NAME or file:PATH.", str),
    "token_command": ("", "A program that prints the token.", str),
    "user": ("", "Name for logging in to the server.", str),
    "password": ("", "Where its password is: env:NAME or file:PATH.", str),
    "dags": ("", "Folder from which Airflow reads DAG files.", click.Path(path_type=Path)),
    "dags_command": ("", "A program that brings a folder with DAG files to Airflow.", str),
    "airflow_containers": ("", "What steps run in on Airflow: process, kubernetes or docker.", str),
    "large_values": ("", "Let values over 256 KiB go from function to function as files, on Argo.", bool),
    "log_level": ("", "How much couler says about itself: debug, info, warning or error.", str),
    "log_format": ("", "Progress as text or json.", str),
}
"""Setting to its short flag, help and click type; values are checked where all settings are."""

STORE = ("root", "store", "profile")
REMOTE = (
    *("namespace", "context", "kubeconfig", "server", "token", "token_command", "user", "password"),
    *("dags", "dags_command"),
)
"""Where the runs of remote engines are."""
RUNNING = (
    *("engine", *STORE, "artifacts", "runtime", "workers", "cpu", "memory", *REMOTE, "service_account"),
    *("airflow_containers", "large_values", "log_level", "log_format"),
)


def setting_options(*names: str) -> list[click.Option]:
    """One option for each setting."""
    found = []
    for name in names:
        short, text, type = _SETTINGS[name]
        long = name.replace("_", "-")
        long = f"--{long}/--no-{long}" if type is bool else f"--{long}"
        flags = [long, f"setting_{name}", *([short] if short else [])]
        found.append(click.Option(flags, type=type, default=None, help=text))
    return found


def output_option(*formats: str) -> Callable[[F], F]:
    """``-o`` with the formats, the first one being the default."""
    return click.option(
        "-o", "--output", type=click.Choice(formats), default=formats[0], show_default=True, help="How to print."
    )


FORMATS = ("table", "json", "yaml", "name")
