"""What upstream's statements need to know of the scope in which they stand: the order of steps, and settings of pods.

Plain statements run one after the other. `Line` is such a sequence; its stages hold steps that run side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from couler.core.dsl.builder import ScopeBuilder
from couler.core.dsl.conditions import ConditionExpression
from couler.core.dsl.draft import Draft
from couler.core.dsl.location import caller_frame, file_label
from couler.core.dsl.steps import receiving_frame
from couler.core.ir import model as ir

if TYPE_CHECKING:
    from couler.core.templates.output import Output
    from couler.core.templates.secret import Secret
    from couler.core.templates.volume import VolumeMount

_NAME = "upstream"


class Line:
    """Stages of steps: each stage runs after the one before.

    Attributes:
        before: Steps, by name, that the first stage runs after.
        condition: A condition over statuses for every step of the line.
    """

    def __init__(self, before: Iterable[str] = (), condition: ConditionExpression | None = None) -> None:
        self.before = tuple(before)
        self.condition = condition
        self.stages: list[list[Draft]] = []
        self._places: dict[Draft, int] = {}
        self._keys: dict[object, int] = {}

    def place(self, draft: Draft, key: object = None) -> None:
        """Put a step into the stage of ``key``, or into one of its own."""
        index = self._index(draft, key)
        if index:
            _follow(draft, self.stages[index - 1])
        else:
            draft.order_after(name for name in self.before if name not in draft.order)
        if index + 1 < len(self.stages):
            for later in self.stages[index + 1]:
                _follow(later, [draft])
        if self.condition is not None:
            draft.order_after([self.condition])

    def _index(self, draft: Draft, key: object) -> int:
        """Where the step stands: where it or one that it replaces stood before, with its key, or at the end."""
        index = self._places.get(draft, self._index_of_replaced(draft))
        if index is None:
            index = self._keys.get(key, len(self.stages)) if key is not None else len(self.stages)
            if index == len(self.stages):
                self.stages.append([])
            self.stages[index].append(draft)
        if key is not None:
            self._keys[key] = index
        self._places[draft] = index
        return index

    def _index_of_replaced(self, draft: Draft) -> int | None:
        """The stage of the step that this one replaces, since its notebook cell runs again."""
        if not draft.scope.cells:
            return None
        for old, index in self._places.items():
            if old.successor is draft:
                self.stages[index] = [draft if other is old else other for other in self.stages[index]]
                return index
        return None

    def note(self, drafts: Iterable[Draft]) -> None:
        """Steps that were ordered elsewhere, and after which the next plain statement runs."""
        self.stages.append(list(drafts))


def _follow(draft: Draft, others: Iterable[Draft]) -> None:
    for other in others:
        if other is not draft and other not in draft.order and not other.is_gone():
            draft.order.append(other)


@dataclass(slots=True)
class ScopeState:
    """Of one scope.

    Attributes:
        line: Plain statements.
        dag: Whether `dag` or `set_dependencies` was used: a name is then one step.
        outputs: Name of a step to what its declaration returned.
        definitions: Name of a step of a DAG to what it was declared with.
    """

    line: Line = field(default_factory=Line)
    dag: bool = False
    outputs: dict[str, list[Output]] = field(default_factory=dict)
    definitions: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class PodState:
    """Of a whole workflow: what upstream set for its pods, by name.

    Attributes:
        claims: Volume of the workflow to the claim that it is.
        new_claims: Volume of the workflow to the claim that is made for each run.
        tolerations: For all steps.
        mounts: Steps, and the volumes that each mounts.
        secrets: Secrets that were obtained.
        handlers: Status to the exit handler registered for it.
    """

    claims: dict[str, str] = field(default_factory=dict)
    new_claims: dict[str, ir.Volume] = field(default_factory=dict)
    tolerations: list[ir.Toleration] = field(default_factory=list)
    mounts: dict[Draft, tuple[VolumeMount, ...]] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    handlers: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What `config_defaults` sets for all later workflows of this thread or task."""

    name_salter: Any = None
    service_account: str = ""


_defaults: ContextVar[Defaults | None] = ContextVar("couler_upstream_defaults", default=None)


def defaults() -> Defaults:
    """What `config_defaults` has set."""
    return _defaults.get() or Defaults()


def change_defaults(**changes: Any) -> None:
    """Set some of the defaults; ``changes`` are attributes of `Defaults`."""
    _defaults.set(replace(defaults(), **changes))


@dataclass(frozen=True, slots=True)
class Placing:
    """Where the next step goes.

    Attributes:
        scope: The scope for which this holds.
        line: Its place in the order.
        key: Steps of one key run side by side.
        handed: Outputs that every step gets besides its own arguments.
        item: In a `map` that is written out, the item as text.
    """

    scope: ScopeBuilder
    line: Line
    key: object = None
    handed: tuple[Output, ...] = ()
    item: str = ""


_placing: ContextVar[Placing | None] = ContextVar("couler_upstream_placing", default=None)


def of_scope(scope: ScopeBuilder) -> ScopeState:
    """The state of a scope."""
    state: ScopeState = scope.extras.setdefault(_NAME, ScopeState())
    return state


def of_pods(scope: ScopeBuilder) -> PodState:
    """The state of the whole workflow that a scope belongs to."""
    state: PodState = scope.root.extras.setdefault(f"{_NAME}-pods", PodState())
    return state


def current_scope() -> ScopeBuilder:
    """The scope that receives steps; begins an implicit workflow, named after the user's file, outside of any."""
    frame = receiving_frame()
    scope = frame.scope
    if frame.owner is not None and not scope.settings:
        if name := file_name():
            scope.settings["name"] = name
        if account := defaults().service_account:
            scope.settings["service_account"] = account
    return scope


def placing() -> Placing:
    """Where the next step goes."""
    scope = current_scope()
    found = _placing.get()
    return found if found is not None and found.scope is scope else Placing(scope, of_scope(scope).line)


@contextmanager
def placed(**changes: Any) -> Iterator[Placing]:
    """Place the steps of a block elsewhere; ``changes`` are attributes of `Placing`."""
    inner = replace(placing(), **changes)
    token = _placing.set(inner)
    try:
        yield inner
    finally:
        _placing.reset(token)


def add_argo_options(scope: ScopeBuilder, options: dict[str, Any]) -> None:
    """Raw fields of Argo's workflow spec, beside those that were set before."""
    settings = scope.root.settings
    known = dict(settings.get("engine_options", {}))
    known["argo"] = {**known.get("argo", {}), **options}
    settings["engine_options"] = known


def argo_safe_name(name: str) -> str:
    """The name with dashes where Kubernetes allows no dots and underscores.

    >>> argo_safe_name("flip_coin.py")
    'flip-coin-py'
    """
    return re.sub(r"[_.]", "-", name.strip("<>"))


def file_name() -> str:
    """The name of the user's file as a name of a workflow; empty when there is no file."""
    frame = caller_frame()
    while frame is not None and frame.f_code.co_name != "<module>" and frame.f_back is not None:
        frame = frame.f_back
    file = file_label(frame.f_code.co_filename) if frame is not None else ""
    return "" if file.startswith("<") or "[" in file else argo_safe_name(PurePath(file).stem)


def function_name(or_file: bool = True) -> str:
    """The function around the user's line, which upstream's interface says names the step; outside of any, the file."""
    frame = caller_frame()
    name = frame.f_code.co_name if frame is not None else ""
    if name == "<module>":
        return file_name() if or_file else ""
    return "" if name.startswith("<") else argo_safe_name(name)
