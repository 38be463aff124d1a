"""Declaring with upstream's interface, and looking at or running what was declared."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import couler.argo as couler
from couler.core.ir.model import Step, Workflow
from couler.core.ir.validate import problems
from couler.driver import Run


class Keeper:
    """A submitter that keeps what it is given."""

    def __init__(self) -> None:
        self.workflows: list[Workflow] = []

    def submit(self, workflow: Workflow) -> dict[str, Any]:
        self.workflows.append(workflow)
        return {"metadata": {"name": workflow.name}}


class Built:
    """A finished workflow that keeps the rules."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.steps = {step.name: step for step in workflow.steps}
        self.handlers = {handler.step.name: handler for handler in workflow.exit_handlers}

    @property
    def only(self) -> Step:
        (step,) = self.workflow.steps
        return step

    def after(self) -> dict[str, set[str]]:
        return {name: set(step.after) for name, step in self.steps.items()}


@pytest.fixture(autouse=True)
def _nothing_declared() -> Iterator[None]:
    couler._cleanup()
    yield
    couler._cleanup()


@pytest.fixture
def build() -> Callable[[], Built]:
    def build() -> Built:
        keeper = Keeper()
        couler.run(keeper)
        (workflow,) = keeper.workflows
        assert problems(workflow) == ()
        return Built(workflow)

    return build


@pytest.fixture
def run_here(tmp_path: Path) -> Callable[[], Run]:
    def run_here() -> Run:
        run: Run = couler.run(engine="local", root=tmp_path / ".couler")
        return run

    return run_here
