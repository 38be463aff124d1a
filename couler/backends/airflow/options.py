"""Raw settings for Airflow: what workflows and steps give in ``engine_options["airflow"]``, checked and as code.

Keys of a step are arguments of its operator, those of a step that is a group are for every task inside of it, and
those of a workflow are arguments of the DAG. They are merged last: they win over what couler writes. Durations are
seconds, times are texts such as ``2026-01-31T00:00:00+00:00``, and parts of pods are objects as Kubernetes writes them.
Tags are added to couler's own, and ``default_args`` of a workflow are for every task.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from couler.backends.airflow.containers import DOCKER, KUBERNETES, PROCESS
from couler.backends.airflow.expressions import mapping
from couler.core.errors import InvalidWorkflowError, Problem, near
from couler.core.ir.graph import walk
from couler.core.ir.json import thaw
from couler.core.ir.model import ContainerTask, FunctionTask, GroupTask, ScriptTask, Step, Workflow
from couler.core.render.code import Code, call
from couler.core.render.literals import literal, text

ENGINE: Final = "airflow"
RULE: Final = "engine-options"

_EMAIL: Final = "Airflow has deprecated it; let an exit handler send the message"
_COMMAND: Final = "it is what the step runs"
_IMAGE: Final = "declare the image of the step"
_RESULTS: Final = "couler fetches the results of a step itself"
TAKEN: Final[Mapping[str, Mapping[str, str]]] = {
    "operator": {
        "task_id": "couler names the tasks; rename the step",
        "dag": "the task stands in the DAG of its workflow",
        "task_group": "the task stands in the group of its step",
        "default_args": "give the argument itself",
        "trigger_rule": "couler decides when a task starts; use `after` and `when`",
        "multiple_outputs": "the outputs of a step travel as one text",
        "do_xcom_push": "the outputs of a step travel as its XCom",
        "email": _EMAIL,
        "email_on_failure": _EMAIL,
        "email_on_retry": _EMAIL,
        "sla": "Airflow 3 has taken it out; use the option `deadline` of the DAG in the written file",
    },
    "dag": {
        "dag_id": "couler names the DAG; rename the workflow",
        "task_group": "the DAG has its own",
        "fail_fast": "couler decides what goes on after a failure; use `on_failure`",
        "sla_miss_callback": "Airflow 3 has taken it out",
        "params": "declare parameters of the workflow",
    },
    "python": dict.fromkeys(
        ("python_callable", "op_args", "op_kwargs", "templates_dict", "templates_exts", "show_return_value_in_logs"),
        "functions of a workflow are called in a process, pod or container of their own",
    ),
    "pod": {
        "cmds": _COMMAND,
        "arguments": _COMMAND,
        "image": _IMAGE,
        "base_container_name": "couler names the step's container",
        "deferrable": "the worker waits for the pod, to fetch its results",
        "skip_on_exit_code": "use `when`, or `allow_failure`",
        "is_delete_operator_pod": "Airflow has deprecated it; use `on_finish_action`",
        "reattach_on_restart": "Airflow has deprecated it; use `durable`",
    },
    "docker": {
        **dict.fromkeys(("command", "entrypoint"), _COMMAND),
        **dict.fromkeys(("retrieve_output", "retrieve_output_path", "xcom_all", "auto_remove"), _RESULTS),
        **dict.fromkeys(
            ("mount_tmp_dir", "tmp_dir", "host_tmp_dir", "mounts"), "couler mounts the folder of the step; use volumes"
        ),
        **dict.fromkeys(("environment", "private_environment"), "declare variables of the step"),
        "image": _IMAGE,
        "working_dir": "declare the working directory of the step",
        "skip_on_exit_code": "use `when`, or `allow_failure`",
    },
}
"""Arguments that are couler's own, and what to do instead."""
KINDS: Final = {KUBERNETES: ("operator", "pod"), DOCKER: ("operator", "docker"), PROCESS: ("operator",)}
"""What steps run in to the kinds of arguments that their operators have."""
_ELSEWHERE: Final = {"pod": KUBERNETES, "docker": DOCKER}


@cache
def arguments_of(kind: str) -> Mapping[str, str]:
    """Arguments of a kind, with what stands for each in options; ``code`` cannot be given as data.

    Kinds are ``dag``, ``operator`` (of any task), ``python``, ``pod`` and ``docker``.
    """
    found: dict[str, dict[str, str]] = json.loads(
        files("couler.backends.airflow").joinpath("arguments.json").read_text(encoding="utf-8")
    )
    return found[kind]


def options_of(holder: Workflow | Step) -> dict[str, Any]:
    """The options for Airflow of a workflow or step, as plain data."""
    found: dict[str, Any] = thaw(holder.engine_options.get(ENGINE, {}))
    return found


def check_options(workflow: Workflow, mode: str) -> None:
    """Refuse options that Airflow would not understand.

    Args:
        workflow: The workflow.
        mode: What steps run in.

    Raises:
        InvalidWorkflowError: Arguments are unknown, couler's own, or have the wrong type; all of them are listed.
    """
    found = tuple(_problems(workflow, mode))
    if found:
        raise InvalidWorkflowError(workflow.name, found)


def of_step(step: Step, mode: str) -> dict[str, Code]:
    """The options of a step that is no group, as arguments of its operator."""
    return _as_code(_kinds(step, mode), options_of(step))


def of_group(step: Step, mode: str) -> Code | None:
    """What a step that is a group says for all of its tasks, its options among it, as ``default_args``."""
    if not isinstance(step.task, GroupTask):
        return None
    account: dict[str, Code] = {"service_account_name": text(step.service_account)} if step.service_account else {}
    return mapping(account | _as_code(KINDS[mode], options_of(step)))


def of_dag(workflow: Workflow, mode: str) -> tuple[dict[str, Code], dict[str, Code]]:
    """The options of a workflow, as arguments of the DAG and as ``default_args`` of its tasks."""
    options = options_of(workflow)
    defaults = options.pop("default_args", {})
    return _as_code(("dag",), options), _as_code(KINDS[mode], defaults)


def _kinds(step: Step, mode: str) -> tuple[str, ...]:
    runs = isinstance(step.task, FunctionTask | ScriptTask | ContainerTask)
    return KINDS[mode] if runs else ("operator",)


def _known(kinds: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Argument to its kind and what stands for it; the later kind says more."""
    return {name: (kind, what) for kind in kinds for name, what in arguments_of(kind).items()}


def _as_code(kinds: tuple[str, ...], options: Mapping[str, Any]) -> dict[str, Code]:
    known = _known(kinds)
    return {name: _code(known[name][1], value) for name, value in options.items()}


def _code(what: str, value: Any) -> Code:
    if value is not None and what == "seconds":
        return call("timedelta", seconds=literal(value))
    if value is not None and what == "time":
        return call("datetime.fromisoformat", text(value))
    return literal(value)


def _problems(workflow: Workflow, mode: str) -> Iterator[Problem]:
    for message in _checked(("dag",), options_of(workflow), mode):
        yield Problem(RULE, message)
    for path, step in walk(workflow):
        kinds = KINDS[mode] if isinstance(step.task, GroupTask) else _kinds(step, mode)
        for message in _checked(kinds, options_of(step), mode):
            yield Problem(RULE, message, path, step.location)


def _checked(kinds: tuple[str, ...], given: Any, mode: str, under: str = "") -> Iterator[str]:
    where = f"engine_options['{ENGINE}']{under}"
    if not isinstance(given, Mapping):
        yield f"{where} takes a mapping, and got {_shown(given)}"
        return
    known = _known(kinds)
    for name, value in given.items():
        if name not in known:
            yield f"{where}.{name}: {_unknown(name, kinds, known)}"
            continue
        kind, what = known[name]
        taken = next((TAKEN[one][name] for one in kinds if name in TAKEN.get(one, {})), "")
        if taken:
            yield f"{where}.{name}: {taken}"
        elif name == "default_args":
            yield from _checked(KINDS[mode], value, mode, f"{under}.{name}")
        elif what == "code" and kind == "pod":
            yield f"{where}.{name}: write it as Kubernetes does, in `pod_template_dict`"
        elif what == "code":
            yield f"{where}.{name}: it takes Python objects, and options are data; change the written file"
        elif value is not None and not _FITS[what][1](value):
            yield f"{where}.{name}: takes {_FITS[what][0]}, and got {_shown(value)}"


def _unknown(name: str, kinds: tuple[str, ...], known: Mapping[str, Any]) -> str:
    for kind, mode in _ELSEWHERE.items():
        if name in arguments_of(kind) and "operator" in kinds:
            where = "pods" if kind == "pod" else "Docker"
            return f"only steps that run in {where} have it; set airflow_containers to {mode}"
    what = "DAGs" if kinds == ("dag",) else "operators"
    return f"no argument of Airflow's {what}; {near(name, known, 'arguments')}"


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FITS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "text": ("a text", lambda value: isinstance(value, str)),
    "flag": ("true or false", lambda value: isinstance(value, bool)),
    "whole": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "number": ("a number", _is_number),
    "seconds": ("a number of seconds", _is_number),
    "time": ("a time such as '2026-01-31T00:00:00+00:00'", _is_time),
    "object": ("a mapping", lambda value: isinstance(value, Mapping)),
    "objects": (
        "a list of mappings",
        lambda value: isinstance(value, list) and all(isinstance(one, Mapping) for one in value),
    ),
    "texts": ("a list of texts", lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value)),
}
"""What may stand for an argument: in words, and whether a value does."""


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:60]
