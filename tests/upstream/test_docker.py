"""One container with Docker; a small program stands in for docker and runs the command as a process."""

import logging
import os
from pathlib import Path

import pytest

from couler.core.errors import RunFailedError
from couler.docker_submitter import DockerSubmitter

DOCKER = """#!/usr/bin/env python3
import subprocess, sys
words = sys.argv[sys.argv.index("--entrypoint") + 1 :]
sys.exit(subprocess.run([words[0], *words[words.index("alpine:3.20") + 1 :]]).returncode)
"""


@pytest.fixture(autouse=True)
def _docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", ["echo 'hello  world'", ["echo", "hello  world"]])
def test_what_a_container_prints_is_logged(command: str | list[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="couler.docker_submitter"):
        run = DockerSubmitter.run_docker_container("alpine:3.20", command)
    assert run.status == "succeeded"
    assert caplog.messages == ["hello  world"]


def test_a_container_that_fails_is_an_error() -> None:
    with pytest.raises(RunFailedError):
        DockerSubmitter.run_docker_container("alpine:3.20", "false")
