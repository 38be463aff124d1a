"""Whole workflows: functions that declare them, their settings, and the end of building."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, ParamSpec, TypeVar

from couler.core.collector import collector_paused
from couler.core.dsl import context, flow, options
from couler.core.dsl.annotations import REQUIRED, Argument, Param, describe, parameter_help, signature_of, summary
from couler.core.dsl.builder import ScopeBuilder, type_of
from couler.core.dsl.conditions import plain
from couler.core.dsl.expr import Output
from couler.core.dsl.steps import check_raw
from couler.core.errors import DefinitionError, near
from couler.core.ir import model as ir

P = ParamSpec("P")
R = TypeVar("R")

_DEFAULTS = ("image", "packages", "retry", "timeout", "cache", "resources", "env", "service_account")


def schedule(
    *cron: str,
    timezone: str = "UTC",
    concurrency: str = "allow",
    suspended: bool = False,
    starting_deadline: Any = None,
) -> ir.Schedule:
    """When a workflow starts by itself.

    Args:
        cron: Expressions of five fields.
        timezone: IANA name, such as ``Europe/Berlin``.
        concurrency: What happens when the last run goes on: ``allow``, ``forbid`` or ``replace``.
        suspended: Do not start for now.
        starting_deadline: A start that is late by more is left out.
    """
    fields = {
        "cron": cron, "timezone": timezone, "concurrency": concurrency, "suspended": suspended,
        "starting_deadline": None if starting_deadline is None else options.seconds(starting_deadline),
    }  # fmt: skip
    return options.build(ir.Schedule, "schedule", fields)


def _schedule(value: Any) -> ir.Schedule:
    if isinstance(value, ir.Schedule):
        return value
    if isinstance(value, str):
        return schedule(value)
    raise DefinitionError(f"schedule: {value!r} is neither a cron expression nor couler.schedule(…)")


def _defaults(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise DefinitionError(f"defaults: {value!r} is not a dict of step options")
    if unknown := [name for name in value if name not in (*_DEFAULTS, *options.RESOURCE_SHORTCUTS)]:
        raise DefinitionError(f"defaults: '{unknown[0]}' cannot be a default", near(unknown[0], _DEFAULTS, "defaults"))
    return options.convert(value, "defaults")


def _on_failure(value: Any) -> str:
    if value not in ("stop", "continue"):
        raise DefinitionError(f"on_failure: {value!r} is neither 'stop' nor 'continue'")
    return str(value)


_SETTINGS: dict[str, Callable[[Any], Any]] = {
    "description": options.CONVERTERS["description"],
    "defaults": _defaults,
    "on_failure": _on_failure,
    "schedule": _schedule,
    "parallelism": options.CONVERTERS["parallelism"],
    "timeout": options.CONVERTERS["timeout"],
    "service_account": options.CONVERTERS["service_account"],
    "labels": options.CONVERTERS["labels"],
    "engine_options": options.CONVERTERS["engine_options"],
}


def _convert_settings(settings: Mapping[str, Any], what: str) -> dict[str, Any]:
    converted = {}
    for name, value in settings.items():
        if name not in _SETTINGS:
            raise DefinitionError(f"{what}: unknown setting '{name}'", near(name, _SETTINGS, "settings"))
        if value is not None:
            converted[name] = _SETTINGS[name](value)
    return converted


def _checked_name(name: Any, what: str) -> str:
    if isinstance(name, str) and name.strip():
        return name
    raise DefinitionError(f"{what}: {name!r} is not a name")


def finish_workflow(scope: ScopeBuilder, name: str, settings: Mapping[str, Any]) -> ir.Workflow:
    """The workflow of the IR that a root scope describes."""
    with collector_paused():
        return _finish(scope, name, settings)


def _finish(scope: ScopeBuilder, name: str, settings: Mapping[str, Any]) -> ir.Workflow:
    steps = scope.finish_steps()
    handlers = tuple(
        ir.ExitHandler(step=draft.finish(), on=draft.exit_event or "always") for draft in scope.exit_drafts
    )
    fields = dict(settings)
    if "defaults" in fields:
        chosen = dict(fields["defaults"])
        if "env" in chosen:
            chosen["env"] = tuple(ir.EnvVar(name=key, value=scope.adopt(raw)) for key, raw in chosen["env"].items())
        fields["defaults"] = ir.StepDefaults(**chosen)
    return ir.Workflow(
        name=name, parameters=tuple(scope.parameters.values()), steps=steps, outputs=scope.finish_outputs(),
        exit_handlers=handlers, **fields,
    )  # fmt: skip


class WorkflowFunction(Generic[P, R]):
    """A function that declares a workflow; its parameters are the workflow's."""

    def __init__(self, function: Callable[P, R], name: str | None, settings: Mapping[str, Any]) -> None:
        self.__couler_function__ = function
        self._what = describe(function, "workflow")
        self.name = _checked_name(name or function.__name__, self._what)
        self._settings = _convert_settings(settings, self._what)
        self._settings.setdefault("description", summary(function))
        functools.update_wrapper(self, function)

    @functools.cached_property
    def _arguments(self) -> tuple[Argument, ...]:
        return signature_of(_without_return(self.__couler_function__), self._what).arguments

    @functools.cached_property
    def parameters(self) -> tuple[ir.Parameter, ...]:
        """The parameters of the workflow, from the function's signature."""
        helps = parameter_help(self.__couler_function__)
        return tuple(_parameter(argument, helps.get(argument.name, ""), self._what) for argument in self._arguments)

    def build(self) -> ir.Workflow:
        """Run the function once and return the workflow that it declares.

        Raises:
            DefinitionError: A line of it cannot become part of a workflow.
        """
        scope = ScopeBuilder(label=self._what)
        references = {parameter.name: scope.add_parameter(parameter) for parameter in self.parameters}
        try:
            with collector_paused(), scope.inside():
                scope.set_outputs(self.__couler_function__(**references))  # type: ignore[call-arg,arg-type]
        except RecursionError:
            raise DefinitionError(
                f"{self._what} calls itself without end", "repeat steps with couler.loop or couler.exec_while"
            ) from None
        settings = {**self._settings, **scope.settings}
        return finish_workflow(scope, settings.pop("name", self.name), settings)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Declare a sub-workflow, inside of another workflow; give the parameters values, outside of one."""
        given = self._bind(args, kwargs)
        if context.current() is None:
            return self._bound(given)
        required = (parameter.name for parameter in self.parameters if parameter.default is None)
        if missing := [name for name in required if name not in given]:
            raise DefinitionError(f"{self._what} needs a value for: {', '.join(missing)}")
        bound = {name: (raw, type_of(raw)) for name, raw in given.items()}
        draft = flow.group_step(self.__couler_function__, self.name, bound, {}, self.parameters)
        return Output(draft, next(iter(draft.outputs), "result"))

    def _bound(self, given: dict[str, Any]) -> Any:
        """What a call outside of any workflow returns."""
        return self.build_with(given)

    def build_with(self, given: Mapping[str, Any]) -> ir.Workflow:
        """The workflow, with values as defaults of its parameters."""
        workflow = self.build()
        parameters = tuple(
            item.model_copy(update={"default": ir.Constant(value=given[item.name])}) if item.name in given else item
            for item in workflow.parameters
        )
        return workflow.model_copy(update={"parameters": parameters})

    def map(self, *lists: Any, parallelism: int | None = None, **fixed: Any) -> Any:
        """Run the whole workflow once per item, as a part of another one; see `couler.map`."""
        return flow.map(self, *lists, parallelism=parallelism, **fixed)

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        names = [parameter.name for parameter in self.parameters]
        if len(args) > len(names):
            raise DefinitionError(f"{self._what} takes {len(names)} parameters, and {len(args)} were given")
        given = dict(zip(names, args, strict=False))
        for name, raw in kwargs.items():
            if name not in names:
                raise DefinitionError(f"{self._what} has no parameter '{name}'", near(name, names, "parameters"))
            if name in given:
                raise DefinitionError(f"{self._what}: parameter '{name}' is given twice")
            given[name] = raw
        return {name: check_raw(raw, f"{self._what}: parameter '{name}'") for name, raw in given.items()}

    def __repr__(self) -> str:
        return f"<{self._what}>"


def _without_return(function: Callable[..., Any]) -> Callable[..., Any]:
    """A workflow function returns references, so its return annotation is not read."""

    @functools.wraps(function)
    def shell(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    shell.__annotations__ = {name: hint for name, hint in function.__annotations__.items() if name != "return"}
    return shell


def _parameter(argument: Argument, help: str, what: str) -> ir.Parameter:
    default, choices = argument.default, argument.choices
    if isinstance(default, Param):
        help, choices, default = default.help or help, default.choices or choices, default.default
    where = f"{what}: parameter '{argument.name}'"
    constant = None if default is REQUIRED else ir.Constant(value=plain(default, where))
    return ir.Parameter(
        name=argument.name, type=argument.type, default=constant, help=help, choices=tuple(plain(item, where) for
        item in choices)
    )  # fmt: skip


# --- workflows without a function ------------------------------------------------------------------------------


@contextmanager
def new_workflow(name: str, **settings: Any) -> Iterator[Building]:
    """Declare a workflow in a ``with`` block.

    >>> # with couler.new_workflow("daily") as building:
    >>> #     couler.run_container("alpine:3.20", ["echo", "hi"])
    >>> # couler.run(building)
    """
    scope = ScopeBuilder(label=f"workflow '{name}'")
    scope.settings = {"name": _checked_name(name, "new_workflow"), **_convert_settings(settings, f"workflow '{name}'")}
    with collector_paused(), scope.inside():
        yield Building(scope)


class Building:
    """A workflow that is declared by statements."""

    def __init__(self, scope: ScopeBuilder) -> None:
        self._scope = scope

    def parameter(
        self, name: str, type: str = "any", default: Any = REQUIRED, help: str = "", choices: Iterable[Any] = ()
    ) -> Any:
        """Declare a parameter and return the reference to it."""
        if name in self._scope.parameters:
            raise DefinitionError(f"the parameter '{name}' is declared twice", "give one of them another name")
        constant = None if default is REQUIRED else ir.Constant(value=plain(default, f"parameter '{name}'"))
        return self._scope.add_parameter(
            ir.Parameter(name=name, type=type, default=constant, help=help, choices=tuple(choices))
        )

    def set_outputs(self, outputs: Any) -> None:
        """Declare the outputs of the workflow: one value, or a dict by name."""
        self._scope.set_outputs(outputs)

    def build(self) -> ir.Workflow:
        """The workflow that was declared so far."""
        settings = dict(self._scope.settings)
        return finish_workflow(self._scope, settings.pop("name", "workflow"), settings)


def config_workflow(
    name: str | None = None,
    *,
    user_id: str | None = None,
    timeout: Any = None,
    service_account: str | None = None,
    cron_config: Mapping[str, Any] | str | None = None,
    **settings: Any,
) -> None:
    """Set properties of the workflow that the statements around declare.

    Args:
        name: Name of the workflow.
        user_id: Written as the label ``user``.
        timeout: Of the whole run.
        service_account: For all steps.
        cron_config: A cron expression, or a dict with ``schedule`` and optionally ``timezone``, ``concurrency_policy``,
            ``suspend`` and ``starting_deadline``.
        settings: ``defaults``, ``on_failure``, ``parallelism``, ``labels``, ``description``, ``engine_options``.

    Raises:
        DefinitionError: A setting is unknown or cannot be used.
    """
    from couler.core.dsl.steps import receiving_frame

    scope = receiving_frame().scope
    if scope.parent is not None:
        raise DefinitionError(
            "couler.config_workflow stands inside of a map, a loop or a sub-workflow",
            "it sets properties of the whole workflow: call it there",
        )
    given = {**settings, "timeout": timeout, "service_account": service_account}
    if user_id is not None:
        given["labels"] = {**scope.settings.get("labels", {}), **settings.get("labels", {}), "user": user_id}
    if cron_config is not None:
        given["schedule"] = _cron(cron_config)
    scope.settings.update(_convert_settings(given, "config_workflow"))
    if name is not None:
        scope.settings["name"] = _checked_name(name, "config_workflow")


def _cron(value: Mapping[str, Any] | str) -> Any:
    if isinstance(value, str):
        return value
    known = ("schedule", "timezone", "concurrency_policy", "suspend", "starting_deadline")
    if unknown := [key for key in value if key not in known]:
        raise DefinitionError(f"cron_config: unknown key '{unknown[0]}'", near(unknown[0], known, "keys"))
    if not isinstance(value.get("schedule"), str):
        raise DefinitionError("cron_config: 'schedule' is missing", 'cron_config={"schedule": "0 3 * * *"}')
    return schedule(
        value["schedule"],
        timezone=value.get("timezone", "UTC"),
        concurrency=str(value.get("concurrency_policy", "allow")).lower(),
        suspended=bool(value.get("suspend", False)),
        starting_deadline=value.get("starting_deadline"),
    )


def take_implicit() -> ir.Workflow:
    """Finish the workflow that statements outside of any block have declared, and forget it.

    Raises:
        DefinitionError: There is none.
    """
    frame = context.current()
    if frame is None:
        raise DefinitionError("no step was declared yet", "declare steps first, or pass a workflow")
    if frame.owner is None:
        raise DefinitionError(
            "couler.run stands inside a workflow that is being declared", "run it after the block has ended"
        )
    workflow = Building(frame.scope).build()
    context.end_implicit()
    return workflow


def implicit_exists() -> bool:
    """Whether statements outside of any block have declared something."""
    frame = context.current()
    return frame is not None and frame.owner is not None
