"""Argo Workflows' own verdicts: a small Go program around its packages, built once and kept in the user's cache.

There is one for each line of Argo that the Go module proxy serves: ``python -m tests.engines.argo.validator``
builds all.

Example:
    >>> from tests.engines.argo import validator
    >>> validator.tools_missing() or validator.validate({"w": "kind: Workflow"})  # doctest: +SKIP
    {'w': 'spec.entrypoint is required'}
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).resolve().parent / "validator"
VERSIONS = {"4.0": "4.0.7", "3.7": "3.7.18", "3.6": "3.6.15"}
"""Line of Argo to the release whose packages are asked."""
DEFAULT = "4.0"
BUILD = ("go", "build", "-trimpath", "-ldflags=-s -w")
"""With the same flags as the parts of a cluster: what both need is compiled once."""
BUILD_LIMIT = 1800
ANSWER_LIMIT = 600
CANNOT_BE_HAD = 3
"""Exit status of ``python -m tests.engines.argo.validator`` on a machine without Go or without Argo's modules."""


class BuildError(Exception):
    """The program does not compile: its sources and the module that it calls do not fit."""


@dataclass(frozen=True)
class Evaluation:
    """What became of a text with tags.

    Attributes:
        value: The text after substitution; None after an error.
        runs: Whether a task with this text as its ``when`` runs; None when it is no condition.
        error: Argo's words when the substitution failed.
        when_error: Argo's words when the text is no condition.
    """

    value: str | None
    runs: bool | None
    error: str
    when_error: str


def tools_missing(version: str = DEFAULT) -> str:
    """Why the validator of a line of Argo cannot be asked here, or nothing."""
    if _program(version).exists():
        return ""
    return f"the validator of Argo {version} is not built here; `make conformance-lint` builds it"


def build(version: str = DEFAULT) -> str:
    """Build a validator unless it is there; returns why that cannot be done on this machine, or nothing.

    Raises:
        BuildError: The sources do not compile.
    """
    program = _program(version)
    if program.exists():
        return ""
    if shutil.which("go") is None:
        return "go is not installed"
    modules = _go(version, ["go", "list", "-deps", "."])
    if modules.returncode:
        return f"Argo's Go modules cannot be had: {_last_line(modules.stderr)}"
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        built = _go(version, [*BUILD, "-o", f"{folder}/program", "."])
        if built.returncode:
            raise BuildError(built.stderr)
        Path(folder, "program").replace(program)
    return ""


def validate(documents: Mapping[str, str], *, submit: bool = False, version: str = DEFAULT) -> dict[str, str]:
    """Argo's error for each text, by name; empty when it accepts.

    Args:
        documents: Name to YAML or JSON of one or more objects. Templates of all texts know each other.
        submit: Demand what the controller demands of a workflow that starts now, such as a value for every argument.
        version: The line of Argo that is asked.
    """
    return validate_groups({"": documents}, submit=submit, version=version)[""]


def validate_groups(
    groups: Mapping[str, Mapping[str, str]], *, submit: bool = False, version: str = DEFAULT
) -> dict[str, dict[str, str]]:
    """As `validate`, for many groups at once; templates are known within their group."""
    lines = [
        {"group": group, "name": name, "text": text}
        for group, documents in groups.items()
        for name, text in documents.items()
    ]
    verdicts: dict[str, dict[str, str]] = {group: dict.fromkeys(documents, "") for group, documents in groups.items()}
    for answer in _ask(["-submit"] * submit + ["validate"], lines, version):
        if answer["error"]:
            known = verdicts[answer.get("group", "")]
            known[answer["name"]] = "\n".join(filter(None, [known[answer["name"]], answer["error"]]))
    return verdicts


def read_yaml(text: str) -> list[Any]:
    """The documents of a text as Kubernetes' reader understands them.

    Raises:
        ValueError: It is not YAML to Kubernetes.
    """
    return read_yaml_texts([text])[0]


def read_yaml_texts(texts: Sequence[str]) -> list[list[Any]]:
    """As `read_yaml`, for many texts at once."""
    answers = _ask(["read-yaml"], [{"name": str(number), "text": text} for number, text in enumerate(texts)])
    wrong = [f"text {answer['name']}: {answer['error']}" for answer in answers if answer["error"]]
    if wrong:
        raise ValueError("\n".join(wrong))
    return [answer.get("documents", []) for answer in answers]


def evaluate(expressions: Iterable[str], scope: Mapping[str, str | None], *, strict: bool = True) -> list[Evaluation]:
    """What the controller makes of texts with ``{{…}}``.

    Args:
        expressions: Texts such as ``{{=fromJSON(inputs.parameters.x) > 3}}``.
        scope: Name such as ``inputs.parameters.x`` or ``tasks.a.outputs.parameters.y`` to its text; None is the output
            of a skipped task.
        strict: As with ``when`` and arguments of a task; otherwise as in the body of a template, where what cannot
            be worked out stays as it stands.
    """
    lines = [
        {"name": str(number), "text": text, "scope": dict(scope), "strict": strict}
        for number, text in enumerate(expressions)
    ]
    return [
        Evaluation(
            None if answer["error"] else answer.get("value", ""),
            answer.get("runs"),
            answer["error"],
            answer.get("when_error", ""),
        )
        for answer in _ask(["expr"], lines)
    ]


def _ask(arguments: list[str], lines: list[dict[str, Any]], version: str = DEFAULT) -> list[dict[str, Any]]:
    reason = tools_missing(version)
    if reason:
        raise RuntimeError(reason)
    answers = subprocess.run(
        [_program(version), *arguments],
        input="\n".join(json.dumps(line) for line in lines).encode(),
        check=True,
        stdout=subprocess.PIPE,
        timeout=ANSWER_LIMIT,
    )
    return [json.loads(line) for line in answers.stdout.splitlines()]


def _program(version: str) -> Path:
    digest = hashlib.sha256(" ".join(BUILD).encode())
    for folder in (SOURCES / "shared", _folder(version)):
        for path in sorted(folder.iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "couler-tests" / f"argo-validator-{version}-{digest.hexdigest()[:16]}"


def _folder(version: str) -> Path:
    return SOURCES / f"v{VERSIONS[version]}"


def _go(version: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CGO_ENABLED": "0"}
    return subprocess.run(
        command, cwd=_folder(version), env=environment, capture_output=True, text=True, timeout=BUILD_LIMIT
    )


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "go gave no reason")


if __name__ == "__main__":
    reasons = list(filter(None, map(build, VERSIONS)))
    sys.stderr.writelines(f"{reason}\n" for reason in dict.fromkeys(reasons))
    sys.exit(CANNOT_BE_HAD if reasons else 0)
