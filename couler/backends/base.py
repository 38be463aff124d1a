"""What an engine is to couler: a declaration of what it can do, a compiler, and verbs on runs.

A third party writes a class with the attributes of `Backend`, and one with the methods of `Engine` if workflows can be
run there, and names it by an entry point in the group ``couler.backends``. The rules:

- The declaration is the only place that says what the engine can do. Everything else (which lowerings run, what is
  refused,
  the documentation, what tests expect) is computed from it.
- ``compile`` gets a workflow that uses native features only. It never drops or changes anything silently: what it
  leaves out
  it says in a note.
- An `Engine` may be shared by threads. Every method may be called from another process than the one that started
  the run.
- No method writes a secret's value anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from couler.core.ir.model import Workflow

if TYPE_CHECKING:
    from couler.runs import EventRecord, RunRecord

Support: TypeAlias = Literal["native", "lowered", "refused"]
Mode: TypeAlias = Literal["new", "resume", "retry"]


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an engine can do, said once.

    Attributes:
        engine: Name, such as ``argo``.
        version: Version of the engine that it is written for; empty for couler's own.
        native: Features that the engine has.
        lowered: Feature to the pass that rewrites it into native ones.
        reasons: Refused feature to the reason and what to do instead.
        max_value: Bytes of JSON that one value may have; 0 when the engine sets no limit.
        max_passed_value: The same for values that go from function to function only, in a workflow that stores files;
            0 when it is not another.
    """

    engine: str
    version: str = ""
    native: frozenset[str] = frozenset()
    lowered: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    max_value: int = 0
    max_passed_value: int = 0

    @property
    def target(self) -> str:
        """``argo@4.1``."""
        return f"{self.engine}@{self.version}" if self.version else self.engine

    def support(self, feature: str) -> Support:
        """How the engine stands to a feature."""
        if feature in self.native:
            return "native"
        return "lowered" if feature in self.lowered else "refused"


@dataclass(frozen=True, slots=True)
class Emitted:
    """What a backend makes of a workflow.

    Attributes:
        documents: File name to content.
        notes: What the reader should know of them.
        problems: Why the engine would not take or finish them, such as its limits; each with what to do.
    """

    documents: Mapping[str, str]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A workflow in an engine's own form.

    Attributes:
        target: Engine and version.
        documents: File name to content.
        notes: What the reader should know: what was lowered, left to the engine, or ignored.
        workflow: The lowered workflow that the documents were made from.
        problems: Why the engine would not take or finish them, such as its limits.
    """

    target: str
    documents: Mapping[str, str]
    notes: tuple[str, ...]
    workflow: Workflow
    problems: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The first document."""
        return next(iter(self.documents.values()))


@runtime_checkable
class Backend(Protocol):
    """An engine's declaration and compiler."""

    name: str
    versions: tuple[str, ...]

    def declaration(self, version: str = "", options: Mapping[str, Any] = {}) -> Declaration:
        """What the engine can do, for a version and settings such as ``runtime``."""
        ...

    def compile(self, workflow: Workflow, version: str = "", options: Mapping[str, Any] = {}) -> Emitted:
        """The documents of a workflow that uses native features only."""
        ...

    def engine(self, options: Mapping[str, Any]) -> Engine:
        """The verbs on runs; raises MissingExtraError when a package is missing."""
        ...


class Engine(Protocol):
    """Verbs on the runs of an engine. Runs are named by couler's run id."""

    def start(
        self,
        workflow: Workflow,
        parameters: Mapping[str, Any],
        run_id: str | None = None,
        labels: Mapping[str, str] = {},
    ) -> str:
        """Create a run and return its id; nothing runs yet on engines that need `execute` or `detach`."""
        ...

    def execute(self, run_id: str, mode: Mode = "new", observer: Callable[[EventRecord], None] | None = None) -> str:
        """Drive a run to its end here and return its status. ``mode`` is ``new``, ``resume`` or ``retry``."""
        ...

    def detach(self, run_id: str, mode: Mode = "new") -> None:
        """Let a run go on by itself and return at once."""
        ...

    def stop(self, run_id: str) -> None:
        """Ask a run to stop; running steps are cancelled."""
        ...

    def approve(self, run_id: str, path: str) -> None:
        """Let a suspended step go on."""
        ...

    def reject(self, run_id: str, path: str) -> None:
        """Fail a suspended step."""
        ...

    def is_driven(self, run_id: str) -> bool:
        """Whether something drives the run now, so that requests will be heard."""
        ...

    def logs(self, run_id: str, step: str | None = None, follow: bool = False) -> Iterator[tuple[str, str]]:
        """Pairs of step path and line."""
        ...


@runtime_checkable
class RemoteEngine(Protocol):
    """What an engine adds whose runs live elsewhere and go on without this machine.

    The run store then holds what was last seen of a run; `refresh` brings it up to date. Following such a run with
    `Engine.execute` and leaving it again changes nothing for it.
    """

    def refresh(self, run_id: str) -> None:
        """Bring the run store up to date; cheap when nothing can have changed."""
        ...

    def found(self, limit: int = 50) -> list[RunRecord]:
        """Runs that couler started there from anywhere, newest first."""
        ...

    def find(self, reference: str) -> str:
        """The id of a run there, taken into the run store if it is not in it.

        Raises:
            NotFoundError: None fits; ``reference`` is an id, its beginning, or a name.
        """
        ...

    def fetch(self, run_id: str, file: Mapping[str, Any], destination: Path) -> None:
        """Copy an output that is a file or folder, by its record, to a path."""
        ...

    def terminate(self, run_id: str) -> None:
        """End a run at once, without its exit handlers."""
        ...

    def suspend(self, run_id: str) -> None:
        """Let no new step of a run start until it is resumed."""
        ...

    def delete(self, run_id: str) -> None:
        """Remove what there is of a run."""
        ...

    def doctor(self) -> list[Check]:
        """What is right and wrong there, and what to do about it."""
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of `couler doctor`; ``hint`` is what to type."""

    state: Literal["ok", "warn", "fail"]
    check: str
    found: str
    hint: str = ""

    def row(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
