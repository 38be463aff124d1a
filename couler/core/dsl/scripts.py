"""Declaring steps that are no decorated functions: scripts, containers and pauses."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from couler.core.dsl import options
from couler.core.dsl.annotations import REQUIRED
from couler.core.dsl.artifacts import Artifact
from couler.core.dsl.builder import type_of
from couler.core.dsl.conditions import SIMPLE, AdoptAll, exact
from couler.core.dsl.draft import TaskMaker
from couler.core.dsl.expr import Output
from couler.core.dsl.source import portable_source, unwrap
from couler.core.dsl.steps import check_raw, new_step
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir

_PRINTED = ir.Output(name="result", type="str")
_PRINTS: Mapping[str, ir.Output] = {"result": _PRINTED}


def _declared(outputs: Any, where: str) -> Mapping[str, ir.Output]:
    """Outputs of a script or container: what is declared, first, and its standard output."""
    if outputs is None:
        return _PRINTS
    declared: dict[str, ir.Output] = {}
    if isinstance(outputs, (ir.Output, Artifact)):
        outputs = _as_list(outputs)
    if isinstance(outputs, Mapping):
        outputs = [
            item if isinstance(item, ir.Output) else ir.Output(name=name, type="file", path=item)
            for name, item in outputs.items()
        ]
    for item in outputs:
        if isinstance(item, Artifact):
            item = item.as_output()
        if not isinstance(item, ir.Output):
            raise DefinitionError(
                f"{where}: {item!r} is not an output",
                'use {"name": "path"} or couler.create_parameter_artifact(path=…)',
            )
        declared[item.name] = item
    declared.setdefault("result", _PRINTED)
    return declared


def _named_inputs(inputs: Any, where: str) -> list[tuple[str, Any, str, str]]:
    """Inputs of a script or container: by name, each a value, or a pair of a file and the path where it appears."""
    if inputs is None:
        return []
    if not isinstance(inputs, Mapping):
        inputs = {_input_name(item, index): item for index, item in enumerate(_as_list(inputs))}
    triples: list[tuple[str, Any, str, str]] = []
    for name, item in inputs.items():
        raw, path = item if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], str) else (item, "")
        if isinstance(raw, Artifact):
            triples.append((name, raw.source, raw.type, path or raw.path))
            continue
        kind = "file" if isinstance(raw, ir.StoredFile) else type_of(raw)
        triples.append((name, check_raw(raw, f"{where}: input '{name}'"), kind, path))
    return triples


def _input_name(item: Any, index: int) -> str:
    return item._output if isinstance(item, Output) and item._output != "result" else f"input_{index}"


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _arguments(values: Any, where: str) -> tuple[Any, ...]:
    items = values if type(values) is list else _as_list(values)
    return tuple(
        [
            item if type(item) in SIMPLE or type(item) is Output else check_raw(item, f"{where}: argument {index}")
            for index, item in enumerate(items)
        ]
    )


def run_script(
    image: str = "",
    source: str | Callable[..., Any] = "",
    *,
    command: str | Iterable[str] = "python",
    args: Any = None,
    input: Any = None,
    output: Any = None,
    step_name: str | None = None,
    **step_options: Any,
) -> Output[str]:
    """Run source text in an interpreter. The result is what it prints.

    Args:
        image: Image with the interpreter.
        source: Source text, or a Python function without parameters whose body is run.
        command: The interpreter, such as ``"python"``, ``"bash"`` or ``["bash", "-e"]``.
        args: Arguments of the script; values of the workflow are handed over as text.
        input: Named inputs, or outputs of other steps.
        output: Declared outputs besides ``result``.
        step_name: A given name.
        step_options: As in `step`.

    >>> # flip = couler.run_script(image="python:3.12", source=flip_coin)
    """
    base = source.__name__ if callable(source) else "script"
    where = f"step '{step_name or base}'"
    interpreter = (command,) if isinstance(command, str) else tuple(command)
    text = script_text(source, interpreter, where)
    raw_args = _arguments(args, where)

    def make_task(adopt_all: AdoptAll, given: Mapping[str, Any]) -> ir.Task:
        return ir.ScriptTask(
            source=text,
            interpreter=interpreter,
            args=adopt_all(raw_args),
            image=given.get("image", image),
            packages=given.get("packages", ()),
        )

    return _printing_step(base, make_task, where, step_name, input, output, step_options)


def _printing_step(
    base: str,
    make_task: TaskMaker,
    where: str,
    step_name: str | None,
    input: Any,
    output: Any,
    step_options: Mapping[str, Any],
) -> Output[str]:
    outputs = _declared(output, where)
    draft = new_step(
        base,
        make_task,
        name=step_name,
        inputs=_named_inputs(input, where),
        outputs=outputs,
        step_options=options.convert(step_options, where),
    )
    return Output(draft, next(iter(outputs)))


def script_text(source: str | Callable[..., Any], interpreter: tuple[str, ...], where: str) -> str:
    """The text that an interpreter runs: source as it is, or a function's source and a call of it.

    Raises:
        DefinitionError: There is none, or the function cannot be run as a script.
    """
    if isinstance(source, str):
        if not source.strip():
            raise DefinitionError(f"{where} has no source", "give source text or a Python function")
        first = next(line for line in source.splitlines() if line.strip())
        return textwrap.dedent(source) if first[0] in " \t" else source
    function = unwrap(source)
    text = portable_source(function)
    if required := [name for name, item in inspect.signature(function).parameters.items() if item.default is REQUIRED]:
        raise DefinitionError(
            f"{where}: the function takes '{required[0]}', and a script has no parameters",
            "use @couler.step for functions with inputs, or args= and sys.argv",
        )
    if "python" not in interpreter[0]:
        raise DefinitionError(
            f"{where}: a Python function cannot be run by {interpreter[0]}", 'leave out command=, or use "python"'
        )
    return f"{text}\n\n{function.__name__}()\n"


def run_container(
    image: str,
    command: Any = None,
    args: Any = None,
    *,
    input: Any = None,
    output: Any = None,
    step_name: str | None = None,
    pull_policy: str = "",
    **step_options: Any,
) -> Output[str]:
    """Run a command in an image. The result is what it prints.

    Args:
        image: The image.
        command: The command as a list, or one word.
        args: Its arguments; values of the workflow are handed over as text.
        input: Named inputs, or outputs of other steps.
        output: Declared outputs besides ``result``.
        step_name: A given name.
        pull_policy: ``Always``, ``IfNotPresent`` or ``Never``.
        step_options: As in `step`.

    >>> # couler.run_container(image="alpine:3.20", command=["echo"], args=["hello", flip])
    """
    where = f"step '{step_name or 'container'}'"
    if not isinstance(image, str) or not image:
        raise DefinitionError(
            f"{where} has no image", 'couler.run_container(image="alpine:3.20", command=["echo", "hi"])'
        )
    if type(pull_policy) is not str or pull_policy:
        pull_policy = options.build(ir.ContainerTask, where, {"image": image, "pull_policy": pull_policy}).pull_policy
    raw_command, raw_args = _arguments(command, where), _arguments(args, where)

    def make_task(adopt_all: AdoptAll, given: Mapping[str, Any]) -> ir.Task:
        fields = {
            "image": exact(given.get("image", image)),
            "command": adopt_all(raw_command),
            "args": adopt_all(raw_args),
            "pull_policy": pull_policy,
        }
        return ir.made(_blank_container(), fields)

    return _printing_step("container", make_task, where, step_name, input, output, step_options)


@cache
def _blank_container() -> ir.ContainerTask:
    return ir.ContainerTask(image="")


def suspend(
    duration: Any = None, *, message: str = "", step_name: str | None = None, **step_options: Any
) -> Output[None]:
    """Pause for a duration, or until a person approves (``couler resume RUN --approve STEP``).

    Args:
        duration: Seconds, a timedelta or text such as ``"10m"``; None waits for approval.
        message: What the person is asked.
        step_name: A given name.
        step_options: As in `step`.
    """
    where = f"step '{step_name or 'suspend'}'"
    try:
        pause = None if duration is None else options.seconds(duration)
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error.message}", error.hint) from None
    task = options.build(ir.SuspendTask, where, {"duration": pause, "message": message})
    return Output(
        new_step(
            "suspend", lambda adopt_all, given: task, name=step_name, step_options=options.convert(step_options, where)
        )
    )
