"""A local engine in a folder of its own, and short ways to write workflows in the IR."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from couler.backends.local.engine import LocalEngine
from couler.core.ir.model import (
    Constant,
    ContainerTask,
    FunctionTask,
    GroupOutput,
    Input,
    Model,
    OutputRef,
    ScriptTask,
    Step,
    Workflow,
)


def value(given: Any) -> Any:
    """A value of the IR: references as they are, everything else as a constant."""
    return given if isinstance(given, Model) else Constant(value=given)


def out(step: str, output: str = "result", **more: Any) -> OutputRef:
    return OutputRef(step=step, output=output, **more)


def function(name: str, source: str, inputs: dict[str, Any] | None = None, packages: Any = (), **more: Any) -> Step:
    """A step that calls ``f`` of the source."""
    types = more.pop("types", {})
    paths = more.pop("paths", {})
    bound = tuple(
        Input(name=key, value=value(given), type=types.get(key, "any"), path=paths.get(key, ""))
        for key, given in (inputs or {}).items()
    )
    task = FunctionTask(source=dedent(source), entry="f", packages=packages, image=more.pop("image", ""))
    return Step(name=name, task=task, inputs=bound, **more)


def script(name: str, source: str, interpreter: tuple[str, ...] = ("sh",), args: Any = (), **more: Any) -> Step:
    task = ScriptTask(source=dedent(source), interpreter=interpreter, args=tuple(map(value, args)))
    return Step(name=name, task=task, **more)


def container(name: str, *command: Any, image: str = "alpine", **more: Any) -> Step:
    return Step(name=name, task=ContainerTask(image=image, command=tuple(map(value, command))), **more)


def flow(*steps: Step, outputs: dict[str, Any] | None = None, **more: Any) -> Workflow:
    named = tuple(GroupOutput(name=key, value=value(given)) for key, given in (outputs or {}).items())
    return Workflow(name=more.pop("name", "test"), steps=steps, outputs=named, **more)


class Result:
    """How a run ended."""

    def __init__(self, engine: LocalEngine, run_id: str, status: str) -> None:
        self.engine, self.id, self.status = engine, run_id, status
        record = engine.store.run(run_id)
        self.outputs, self.message = record.outputs, record.message
        self.steps = {step.path: step for step in engine.store.steps(run_id)}
        self.statuses = {path: step.status for path, step in self.steps.items()}

    def error(self, path: str) -> str:
        return self.steps[path].message

    def attempts(self, path: str) -> list[Any]:
        return self.engine.store.attempts(self.id, path)

    def log(self, path: str | None = None) -> list[str]:
        return [line for _, line in self.engine.logs(self.id, path)]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., LocalEngine]]:
    """Makes engines that share one root."""
    engines = []

    def build(**options: Any) -> LocalEngine:
        engine = LocalEngine(tmp_path / ".couler", **options)
        engines.append(engine)
        return engine

    yield build
    for engine in engines:
        engine.close()


@pytest.fixture
def engine(make: Callable[..., LocalEngine]) -> LocalEngine:
    return make()


@pytest.fixture
def run(engine: LocalEngine) -> Callable[..., Result]:
    """Runs a workflow to its end."""

    def go(workflow: Workflow, parameters: dict[str, Any] | None = None, on: LocalEngine | None = None) -> Result:
        used = on or engine
        run_id = used.start(workflow, parameters or {})
        return Result(used, run_id, used.execute(run_id))

    return go
