"""Values and conditions of the IR as the expressions of the modules that lie beside a DAG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from couler.backends.airflow.shipped import values as shipped
from couler.backends.local.stored import connection
from couler.core.ir.json import thaw
from couler.core.ir.model import (
    AllOf,
    AnyOf,
    Compare,
    Concat,
    Condition,
    Constant,
    FirstOf,
    ItemRef,
    ListOf,
    LoopOutputRef,
    Not,
    OutputRef,
    ParameterRef,
    Path,
    RoundRef,
    RunRef,
    SecretRef,
    StatusIs,
    StoredFile,
    Truth,
    Value,
)
from couler.core.render.code import Code, Items, call, listed
from couler.core.render.literals import literal, text

EXPRESSIONS = frozenset(name for name, kind in vars(shipped).items() if isinstance(kind, type))


@dataclass
class Names:
    """What references mean in one scope.

    Attributes:
        tasks: Step to the task that stands for it.
        start: The task that holds the parameters of the scope; empty for the workflow itself.
        mapped: Whether the scope stands inside of a map.
        used: Classes that the file needs.
    """

    tasks: Mapping[str, str]
    start: str = ""
    mapped: bool = False
    used: set[str] = field(default_factory=set)

    def make(self, name: str, /, *arguments: Code, **named: Code | None) -> Items:
        """A call of one of the classes."""
        self.used.add(name)
        return call(name, *arguments, **named)

    def value(self, value: Value) -> Code:
        """A value as code."""
        match value:
            case Constant():
                return literal(thaw(value.value))
            case ParameterRef():
                start = [task_text(self.start)] if self.start else []
                return self.make("Given" if start else "Parameter", *start, text(value.name), *_path(value.path))
            case OutputRef():
                return self._output(value)
            case ItemRef():
                return self.make("Item", text(value.name), *_path(value.path))
            case LoopOutputRef():
                return self.make("Last", text(value.output), *_path(value.path))
            case RoundRef():
                return self.make("Round")
            case RunRef():
                return self.make("Run", text(value.field))
            case FirstOf():
                options = [self._output(option) for option in value.options]
                return self.make("First", *options, default=_default(value.default))
            case Concat():
                return self.make("Text", *map(self.value, value.parts))
            case ListOf():
                return self.make("List", *map(self.value, value.items))
            case StoredFile():
                url, settings, credentials = stored_parts(value)
                return self.make("Stored", url, options=settings, credentials=credentials)

    def _output(self, ref: OutputRef) -> Code:
        task = task_text(self.tasks[ref.step])
        if ref.path:
            return self.make("Output", task, text(ref.output), *_path(ref.path), default=_default(ref.default))
        name = [] if ref.output == "result" else [text(ref.output)]
        return self.make("Output", task, *name, default=_default(ref.default))

    def condition(self, condition: Condition | None) -> Code | None:
        """A condition as code."""
        match condition:
            case None:
                return None
            case Compare():
                return self.make("Compare", self.value(condition.left), text(condition.operator),
                                 self.value(condition.right))  # fmt: skip
            case Truth():
                return self.make("Truth", self.value(condition.value))
            case StatusIs():
                return self.make("Status", task_text(self.tasks[condition.step]), text(condition.status))
            case AllOf() | AnyOf():
                name = "AllOf" if isinstance(condition, AllOf) else "AnyOf"
                return self.make(name, *(part for one in condition.parts if (part := self.condition(one)) is not None))
            case Not():
                part = self.condition(condition.part)
                assert part is not None
                return self.make("Not", part)


def stored_parts(stored: StoredFile) -> tuple[Code, Code | None, Code | None]:
    """The URL of a stored file, and settings and secrets of its store, as fsspec or git names them."""
    protocol = stored.url.partition("://")[0]
    if protocol.startswith("git+"):
        secrets = dict(stored.credentials)
        settings: dict[str, Any] = dict(stored.options)
    else:
        settings, secrets = _for_fsspec(stored, protocol)
    credentials = mapping({name: pair(one.name, one.key) for name, one in secrets.items()})
    return text(stored.url), literal(settings) if settings else None, credentials


def _for_fsspec(stored: StoredFile, protocol: str) -> tuple[dict[str, Any], dict[str, SecretRef]]:
    marks = {name: f"\0{name}" for name in stored.credentials}
    named = {"token": marks.pop("service_account_key", "")} if protocol in ("gs", "gcs") else {}
    given = {**connection(protocol, stored.options, marks), **{name: mark for name, mark in named.items() if mark}}
    secrets = {name: stored.credentials[mark[1:]] for name, mark in given.items() if str(mark).startswith("\0")}
    return {name: value for name, value in given.items() if name not in secrets}, secrets


def pair(name: str, key: str) -> Code:
    """A secret by its name and key."""
    return Items("(", (("", text(name)), ("", text(key))), ")")


def task_text(task: str) -> str:
    """The id of a task as code; it may have the numbers of rounds in it.

    >>> task_text("load"), task_text("grow.round-{number}.end")
    ('"load"', 'f"grow.round-{number}.end"')
    """
    return f"f{text(task)}" if "{" in task else text(task)


def _default(default: Constant | None) -> Code | None:
    return None if default is None else literal(thaw(default.value))


def _path(path: Path) -> list[Code]:
    """The keys, where there are any."""
    if not path:
        return []
    return [Items("(", tuple(("", literal(key)) for key in path), ")", comma=True)]


def mapping(entries: Mapping[str, Code]) -> Code | None:
    """A dict; None when it is empty."""
    if not entries:
        return None
    return Items("{", tuple((f"{text(name)}: ", value) for name, value in entries.items()), "}")


def sequence(values: Sequence[Code]) -> Code | None:
    """A list; None when it is empty."""
    return listed(list(values)) if values else None


def flag(value: bool) -> Code | None:
    """True; None when it is not."""
    return "True" if value else None
