"""What ``@couler.workflow`` makes: a workflow function with the driver's verbs as methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from couler.core.dsl.annotations import describe
from couler.core.dsl.workflows import WorkflowFunction
from couler.core.errors import DefinitionError

if TYPE_CHECKING:
    from couler.backends.base import Compiled
    from couler.core.ir.model import Workflow
    from couler.driver import Plan, Run

P = ParamSpec("P")
R = TypeVar("R")


class _Verbs:
    """Methods that hand a workflow to the driver."""

    _given: Mapping[str, Any] = {}

    def run(self, *, engine: str | None = None, wait: bool = True, **parameters: Any) -> Run:
        """Run it; the other arguments are the workflow's parameters. For settings use `couler.run`."""
        from couler import driver

        return driver.run(self, {**self._given, **parameters}, engine=engine, wait=wait)

    def submit(self, *, engine: str | None = None, **parameters: Any) -> Run:
        """Hand it to an engine and return at once."""
        return self.run(engine=engine, wait=False, **parameters)

    def plan(self, *, engine: str = "local", **parameters: Any) -> Plan:
        """What a run would do."""
        from couler import driver

        return driver.plan(self, {**self._given, **parameters}, engine=engine)

    def compile(self, engine: str = "local", **options: Any) -> Compiled:
        """The workflow in an engine's own form."""
        from couler import driver

        return driver.compile(self, engine, **options)

    def validate(self, engine: str | None = None) -> Workflow:
        """Check it, and whether an engine can take it."""
        from couler import driver

        return driver.validate(self, engine)

    def graph(self, format: str = "svg") -> Any:
        """A picture: ``svg`` (shown inline in notebooks), ``mermaid`` or ``text``."""
        from couler.picture import graph

        return graph(self, format)

    def _repr_html_(self) -> str:
        return str(self.graph()._repr_svg_())


class Program(_Verbs, WorkflowFunction[P, R]):
    """A workflow function; call it with values to get a `BoundProgram`, or inside another one for a sub-workflow."""

    def _bound(self, given: dict[str, Any]) -> BoundProgram:
        return BoundProgram(self, given)


class BoundProgram(_Verbs):
    """A workflow with values for its parameters."""

    def __init__(self, program: Program[..., Any], given: Mapping[str, Any]) -> None:
        self._program = program
        self._given = given

    def build(self) -> Workflow:
        """The workflow, with the values as defaults of its parameters."""
        return self._program.build_with(self._given)

    def __repr__(self) -> str:
        return f"{self._program!r} with {dict(self._given)}"


@overload
def workflow(function: Callable[P, R], /) -> Program[P, R]: ...
@overload
def workflow(*, name: str | None = None, **settings: Any) -> Callable[[Callable[P, R]], Program[P, R]]: ...
def workflow(
    function: Callable[P, R] | None = None, /, *, name: str | None = None, **settings: Any
) -> Program[P, R] | Callable[[Callable[P, R]], Program[P, R]]:
    """Make a function a workflow: its parameters are the workflow's, the calls in it are the steps.

    Args:
        function: Declares steps; what it returns are the outputs (one value, or a dict by name).
        name: Name of the workflow; the function's when None.
        settings: ``description``, ``defaults`` (options for all steps), ``on_failure`` (``"stop"`` or ``"continue"``),
            ``schedule``, ``parallelism``, ``timeout``, ``service_account``, ``labels``, ``engine_options``.

    Raises:
        DefinitionError: A setting is unknown or cannot be used.
    """

    def decorate(target: Callable[P, R]) -> Program[P, R]:
        if not callable(target) or isinstance(target, (staticmethod, classmethod)):
            raise DefinitionError(f"{describe(target, 'workflow')} is not a function")
        return Program(target, name, settings)

    return decorate if function is None else decorate(function)
