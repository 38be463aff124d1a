"""Upstream's way to run one container with Docker on this machine."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from couler.core.ir import model as ir

if TYPE_CHECKING:
    from couler.driver import Run

_LOG = logging.getLogger(__name__)


class DockerSubmitter:
    """Runs containers with Docker."""

    @staticmethod
    def run_docker_container(image: str, command: str | Sequence[str]) -> Run:
        """Run a command in an image, and log what it prints.

        Args:
            image: The image.
            command: The command, as a list or as a line of words.

        Returns:
            The handle of the run.

        Raises:
            RunFailedError: The container failed.
        """
        from couler import driver

        words = shlex.split(command) if isinstance(command, str) else command
        task = ir.ContainerTask(image=image, command=tuple(ir.Constant(value=word) for word in words))
        workflow = ir.Workflow(name="docker", steps=(ir.Step(name="container", task=task),))
        run = driver.run(workflow, engine="local", runtime="docker")
        for _, line in run.logs():
            _LOG.info("%s", line)
        return run.raise_for_status()
