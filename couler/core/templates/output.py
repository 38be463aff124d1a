"""What upstream's `run_script`, `run_container` and `run_job` return, in a list: references to outputs of a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from couler.core.dsl import expr
from couler.core.dsl.draft import Draft


class Output:
    """An output of a step.

    Attributes:
        draft: The step while it is being written.
        name: Name of the output.
    """

    words = "outputs.parameters"

    def __init__(self, draft: Draft, name: str = "result") -> None:
        self.draft = draft
        self.name = name

    @property
    def reference(self) -> expr.Output[Any]:
        """The reference that the rest of couler uses."""
        return expr.Output(self.draft, self.name)

    def references(self) -> tuple[expr.Output[Any], ...]:
        """What a step gets that takes it as an argument."""
        return (self.reference,)

    @property
    def value(self) -> str:
        """Upstream's text form, with the names as far as they are known."""
        step = self.draft.name
        words = self.words if self.name != "result" else "outputs"
        return f"couler.{step}.{step}.{words}.{self.name}"

    @property
    def is_global(self) -> bool:
        """Upstream's mark for outputs of the whole workflow; here every output can be used everywhere in it."""
        return False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.draft.name}.{self.name}>"


class OutputEmpty(Output):
    """Of a container that declares no output: its standard output."""


class OutputScript(Output):
    """The standard output of a script."""


class OutputParameter(Output):
    """A value that the step writes to a file."""


class OutputArtifact(Output):
    """A file or folder that the step writes."""

    words = "outputs.artifacts"

    @property
    def path(self) -> str:
        """Where the step writes it."""
        return self.draft.outputs[self.name].path

    @property
    def type(self) -> str:
        """``file`` or ``folder``."""
        return self.draft.outputs[self.name].type


class OutputJob(Output):
    """A finished Kubernetes object: its identity, its name and the object itself."""

    names = ("job-id", "job-name", "job-obj")

    def __init__(self, draft: Draft, name: str = "job-name", used: set[str] | None = None) -> None:
        super().__init__(draft, name)
        self.used = set() if used is None else used

    def references(self) -> tuple[expr.Output[Any], ...]:
        """Identity, name and object, in upstream's order."""
        self.used.update(self.names)
        return tuple(expr.Output(self.draft, name) for name in self.names)

    @property
    def job_id(self) -> expr.Output[Any]:
        """The object's ``metadata.uid``."""
        return self._part("job-id")

    @property
    def job_name(self) -> expr.Output[Any]:
        """The object's ``metadata.name``."""
        return self._part("job-name")

    @property
    def job_obj(self) -> expr.Output[Any]:
        """The whole object."""
        return self._part("job-obj")

    def _part(self, name: str) -> expr.Output[Any]:
        self.used.add(name)
        return expr.Output(self.draft, name)


def flat(values: Any) -> list[Any]:
    """Values with lists among them opened, such as what several steps returned."""
    if values is None:
        return []
    if not isinstance(values, (list, tuple)):
        return [values]
    return [inner for item in values for inner in (flat(item) if isinstance(item, (list, tuple)) else [item])]


def outputs_in(values: Any) -> list[Output]:
    """The outputs among what a user's function returned."""
    return [item for item in flat(values) if isinstance(item, Output)]


def first_reference(values: Any) -> expr.Output[Any] | None:
    """The reference to the first output, which upstream uses for control flow."""
    found: Iterable[Output] = outputs_in(values)
    return next((output.reference for output in found), None)
