"""Attributes of a step as the keyword arguments that declare them."""

from __future__ import annotations

from typing import Any

from couler.core.dsl import options as dsl
from couler.core.ir import model as ir
from couler.core.ir.json import thaw
from couler.core.render.code import Code, Items, call
from couler.core.render.literals import literal, text
from couler.core.render.models import constructed, constructed_list
from couler.core.render.scope import Scope
from couler.core.render.values import value_code

_AS_JSON = ("labels", "engine_options")
_FLAGS = ("allow_failure", "daemon")
_OUTCOMES = ("exit_codes", "errors", "out_of_memory", "lost", "timeout")

Options = list[tuple[str, Code]]
"""Pairs of ``name=`` and value."""


def step_options(step: ir.Step, scope: Scope) -> Options:
    """Attributes that any kind of step may have; those of its task are not among them."""
    found: Options = []
    if step.description:
        found.append(("description=", scope.module.text_or_name(f"{scope.label}_about", step.description,
                                                                text(step.description))))  # fmt: skip
    if step.retry is not None:
        found.append(("retry=", retry_code(step.retry)))
    if step.timeout is not None:
        found.append(("timeout=", seconds_code(step.timeout)))
    if step.cache is not None:
        found.append(("cache=", cache_code(step.cache)))
    if step.resources is not None:
        found += resources_options(step.resources)
    if step.env:
        found.append(("env=", env_code(step.env, scope)))
    if step.secrets:
        found.append(("secrets=", _secrets(step.secrets)))
    found += [(f"{name}=", constructed_list(getattr(step, name))) for name in ("volumes", "sidecars")
              if getattr(step, name)]  # fmt: skip
    found += [(f"{name}=", text(getattr(step, name))) for name in ("service_account", "working_dir")
              if getattr(step, name)]  # fmt: skip
    found += [
        (f"{name}=", literal(getattr(step, name))) for name in ("labels", "engine_options") if getattr(step, name)
    ]
    found += [(f"{name}=", "True") for name in ("allow_failure", "daemon") if getattr(step, name)]
    return found


def defaults_code(defaults: ir.StepDefaults, scope: Scope) -> Code:
    """The attributes of all steps, as a dict."""
    found: Options = []
    if defaults.image:
        found.append(("image", text(defaults.image)))
    if defaults.packages:
        found.append(("packages", literal(defaults.packages)))
    if defaults.retry is not None:
        found.append(("retry", retry_code(defaults.retry)))
    if defaults.timeout is not None:
        found.append(("timeout", seconds_code(defaults.timeout)))
    if defaults.cache is not None:
        found.append(("cache", cache_code(defaults.cache)))
    if defaults.resources is not None:
        found.append(("resources", constructed(defaults.resources)))
    if defaults.env:
        found.append(("env", env_code(defaults.env, scope)))
    if defaults.service_account:
        found.append(("service_account", text(defaults.service_account)))
    return Items("{", tuple((f"{text(name)}: ", code) for name, code in found), "}")


def retry_code(retry: ir.Retry) -> Code:
    """``3``, ``couler.retry(…)``, or the constructor."""
    if retry == ir.Retry(limit=retry.limit):
        return str(retry.limit)
    given = _retry_arguments(retry)
    if dsl.retry(retry.limit, **given) != retry:
        return constructed(retry)
    return call("couler.retry", str(retry.limit), **{name: literal(value) for name, value in given.items()})


def _retry_arguments(retry: ir.Retry) -> dict[str, Any]:
    backoff, on, more = retry.backoff, retry.on, retry.escalation
    given: dict[str, Any] = {
        "delay": _short(backoff.initial) or None,
        "factor": _short(backoff.factor) if backoff.factor != 2 else None,
        "max_delay": None if backoff.maximum is None else _short(backoff.maximum),
        "jitter": backoff.jitter or None,
    }
    if on is not None:
        given |= {name: getattr(on, name) or None for name in _OUTCOMES}
    if more is not None:
        given |= {"memory_factor": _short(more.memory_factor), "memory_maximum": more.memory_maximum}
    return {name: value for name, value in given.items() if value is not None}


def _short(number: float) -> float:
    """A whole number without its point."""
    return int(number) if abs(number) < 1e15 and number == int(number) else number


def seconds_code(seconds: float) -> Code:
    """A duration in seconds."""
    return literal(_short(seconds))


def cache_code(policy: ir.CachePolicy) -> Code:
    """``True``, ``False`` or the policy."""
    for enabled in (True, False):
        if policy == ir.CachePolicy(enabled=enabled):
            return str(enabled)
    return constructed(policy)


def resources_options(resources: ir.Resources) -> Options:
    """``cpu=``, ``memory=`` and ``gpu=`` when nothing else is said, or ``resources=``."""
    short = {"cpu": resources.cpu, "memory": resources.memory, "gpu": resources.gpu or None}
    given = {name: value for name, value in short.items() if value is not None}
    if given and resources == ir.Resources(**given):
        return [(f"{name}=", literal(_short(value) if isinstance(value, float) else value)) for name, value in
                given.items()]  # fmt: skip
    return [("resources=", constructed(resources))]


def env_code(env: tuple[ir.EnvVar, ...], scope: Scope) -> Code:
    """Variables by name."""
    parts = tuple((f"{text(one.name)}: ", value_code(one.value, scope, place="reference")) for one in env)
    return Items("{", parts, "}")


def _secrets(uses: tuple[ir.SecretUse, ...]) -> Code:
    names = [use.env for use in uses if use.env and not use.path]
    if len(set(names)) == len(uses):
        return Items("{", tuple((f"{text(use.env)}: ", constructed(use.secret)) for use in uses), "}")
    return constructed_list(uses)


def settings(workflow: ir.Workflow, scope: Scope, *, described: bool) -> Options:
    """What ``@couler.workflow`` and ``couler.new_workflow`` take; the description unless a docstring gives it."""
    found: Options = []
    if workflow.description and not described:
        about = workflow.description
        found.append(("description=", scope.module.text_or_name("about", about, text(about))))
    if workflow.defaults != ir.StepDefaults():
        found.append(("defaults=", defaults_code(workflow.defaults, scope)))
    if workflow.on_failure != "stop":
        found.append(("on_failure=", text(workflow.on_failure)))
    if workflow.schedule is not None:
        found.append(("schedule=", _schedule(workflow.schedule)))
    if workflow.parallelism is not None:
        found.append(("parallelism=", str(workflow.parallelism)))
    if workflow.timeout is not None:
        found.append(("timeout=", seconds_code(workflow.timeout)))
    if workflow.service_account:
        found.append(("service_account=", text(workflow.service_account)))
    if workflow.labels:
        found.append(("labels=", literal(workflow.labels)))
    if workflow.engine_options:
        found.append(("engine_options=", literal(thaw(workflow.engine_options))))
    return found


def _schedule(schedule: ir.Schedule) -> Code:
    if len(schedule.cron) == 1 and schedule == ir.Schedule(cron=schedule.cron):
        return text(schedule.cron[0])
    deadline = schedule.starting_deadline
    more: dict[str, Code | None] = {
        "timezone": text(schedule.timezone) if schedule.timezone != "UTC" else None,
        "concurrency": text(schedule.concurrency) if schedule.concurrency != "allow" else None,
        "suspended": "True" if schedule.suspended else None,
        "starting_deadline": None if deadline is None else seconds_code(deadline),
    }
    return call("couler.schedule", *[text(one) for one in schedule.cron], **more)
