"""Run one function of a workflow: load its source, hand in its inputs, check what it returns.

Needs nothing but a Python of 3.8 or later: engines copy this file into containers and run
``python function.py payload.json``. The payload is an object with these keys:

- ``step``: name for messages; ``source`` and ``entry``: a module and the function in it;
- ``inputs``: keyword arguments; ``files``: names of those whose ``{"$path": …}`` objects become `pathlib.Path`;
- ``outputs``: the declared outputs, each ``{"name", "type", "path"}`` and perhaps ``"default"``;
- ``limit``: the greatest size of one value as JSON, in bytes; ``limits``: output name to another one;
- ``advice``: what else may be done about a value over the limit.

The result is ``{"outputs": {…}}`` or ``{"error": {"kind", "kinds", "message", "traceback", "exit_code"}}``.
"""

from __future__ import annotations

import json
import math
import os
import sys

TYPE_CHECKING = False  # the module typing costs milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType
    from typing import Any

_codes: dict[tuple[str, str], tuple[CodeType, tuple[Any, ...]]] = {}
DEFAULT_LIMIT = 16 * 1024 * 1024
FILES = ("file", "folder")


class StepError(Exception):
    """What a step returned or wrote is not what it declared."""


def load(source: str, entry: str, step: str = "") -> Callable[..., Any]:
    """The function ``entry`` of the module text ``source``, in a module of its own.

    The compiled code is remembered in a warm process; the module is new each time, so that no step sees
    what another left in its globals.

    >>> load("def double(x): return 2 * x", "double")(4)
    8
    """
    import linecache  # not by those who only look at this module

    found = _codes.get((source, entry))
    if found is None:
        found = _compile(source, entry)
        if len(_codes) >= 256:
            _codes.clear()
        _codes[source, entry] = found
    code, lines = found
    linecache.cache[code.co_filename] = lines  # tracebacks show lines of this source
    module = type(sys)("couler_step")
    module.__file__ = code.co_filename
    sys.modules["couler_step"] = module  # dataclasses and pickle look a class's module up
    exec(code, module.__dict__)  # this is the user's own program
    try:
        function: Callable[..., Any] = getattr(module, entry)
    except AttributeError:
        raise StepError(f"the source of step '{step or entry}' defines no function '{entry}'") from None
    return function


def _compile(source: str, entry: str) -> tuple[CodeType, tuple[Any, ...]]:
    """The code, and what `linecache` wants to know of its source."""
    filename = f"<step {entry}>"
    lines = (len(source), None, source.splitlines(True), filename)
    return compile(source, filename, "exec", dont_inherit=True), lines


def run(payload: dict[str, Any]) -> dict[str, Any]:
    """Run the step of ``payload``; never raises, and gives the result as a dict ready for JSON."""
    try:
        return {"outputs": call(payload)}
    except BaseException as error:
        return {"error": describe(error)}


def call(payload: dict[str, Any]) -> dict[str, Any]:
    """Run the step of ``payload`` and give its value outputs by name.

    Raises:
        StepError: The result is not JSON, too large or not what was declared, or a file output is missing.
    """
    step = payload["step"]
    outputs = payload.get("outputs", ())
    function = load(payload["source"], payload["entry"], step)
    arguments = dict(payload.get("inputs", {}))
    for name in payload.get("files", ()):
        arguments[name] = _as_paths(arguments[name])
    _hand_in_output_paths(function, outputs, arguments)
    result = function(**arguments)
    if hasattr(result, "__await__"):
        result = _await(result)
    check_files(step, outputs)
    values = _values(step, result, [output for output in outputs if not is_file(output["type"])])
    check_size(step, values, payload.get("limit", DEFAULT_LIMIT), payload.get("limits", {}), payload.get("advice", ""))
    return values


def is_file(kind: str) -> bool:
    """Whether outputs of this type are files or folders on disk."""
    return kind in FILES


def _as_paths(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1 and "$path" in value:
        from pathlib import Path

        return Path(value["$path"])
    if isinstance(value, dict):
        return {key: _as_paths(item) for key, item in value.items()}
    return [_as_paths(item) for item in value] if isinstance(value, list) else value


def _hand_in_output_paths(function: Any, outputs: list[dict[str, Any]], arguments: dict[str, Any]) -> None:
    files = [output for output in outputs if is_file(output["type"])]
    if not files:
        return
    from pathlib import Path

    taken = _parameters(function)
    for output in files:
        path = Path(output["path"] or output["name"]).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        if output["type"] == "folder":
            path.mkdir(exist_ok=True)
        if output["name"] in taken and output["name"] not in arguments:
            arguments[output["name"]] = path


def _parameters(function: Any) -> tuple[str, ...]:
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    return () if code is None else code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _await(coroutine: Any) -> Any:
    import asyncio

    async def finish() -> Any:
        return await coroutine

    return asyncio.run(finish())


def check_files(step: str, outputs: list[dict[str, Any]]) -> None:
    """Raise StepError when a declared file output does not exist."""
    for output in outputs:
        if is_file(output["type"]):
            path = os.path.abspath(output["path"] or output["name"])
            if not os.path.exists(path):
                raise StepError(
                    "step '{}' ended without writing its {} output '{}' at {}".format(
                        step, output["type"], output["name"], path
                    )
                )


def _values(step: str, result: Any, declared: list[dict[str, Any]]) -> dict[str, Any]:
    names = [output["name"] for output in declared]
    if not names or names == ["result"]:
        return {"result": _plain_output(step, "result", result)}
    if hasattr(result, "_asdict"):
        result = result._asdict()
    if not isinstance(result, dict):
        raise StepError(
            "step '{}' returned a value of type {}; it declares the outputs {}, so it must return a dict "
            "or NamedTuple with exactly these names".format(step, type(result).__name__, ", ".join(names))
        )
    result = dict(result)
    for output in declared:
        if output["name"] not in result and "default" in output:
            result[output["name"]] = output["default"]
    missing = [name for name in names if name not in result]
    extra = [str(name) for name in result if name not in names]
    if missing or extra:
        parts = ["is missing " + ", ".join(missing)] if missing else []
        parts += ["has unknown " + ", ".join(extra)] if extra else []
        raise StepError("the result of step '{}' {}".format(step, " and ".join(parts)))
    return {name: _plain_output(step, name, result[name]) for name in names}


def _plain_output(step: str, name: str, value: Any) -> Any:
    try:
        return plain(value)
    except ValueError as error:
        raise StepError(f"output '{name}' of step '{step}': {error}") from None
    except RecursionError:
        raise StepError(f"output '{name}' of step '{step}' is nested too deeply for JSON") from None


def plain(value: Any, path: str = "") -> Any:
    """The value as plain JSON types, by the same rules as `couler.core.ir.json.freeze`.

    Raises:
        ValueError: The value, or a part of it, is not JSON; the message names the path and the type.

    >>> plain({"a": (1, 2)})
    {'a': [1, 2]}
    """
    kind = type(value)
    if value is None or kind is str or kind is bool or kind is int:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise ValueError(f"{_at(path)}{value!r} is not JSON; use None for a missing number")
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict) or (hasattr(value, "keys") and hasattr(value, "items")):
        return {_key(key, path): plain(item, f"{path}.{key}") for key, item in value.items()}
    if "enum" in sys.modules and isinstance(value, sys.modules["enum"].Enum):
        return plain(value.value, path)
    for base in (int, float, str):  # numpy's float64 and str_ are subclasses of these
        if isinstance(value, base):
            return plain(base(value), path)
    raise ValueError(f"{_at(path)}a value of type {kind.__module__}.{kind.__qualname__} is not JSON; {_advice(value)}")


def _advice(value: Any) -> str:
    if hasattr(value, "item") and hasattr(value, "dtype"):
        return "call .tolist() on it" if getattr(value, "ndim", 0) else "call .item() on it"
    return "return null, bool, int, float, str, list or dict, or write a file"


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise ValueError(f"{_at(path)}the key {key!r} is not a string, and JSON objects have only such keys")
    return str(key)


def _at(path: str) -> str:
    return f"at {path}: " if path else ""


def check_size(step: str, values: dict[str, Any], limit: int, limits: Mapping[str, int] = {}, advice: str = "") -> None:
    """Raise StepError when one of the values is larger than ``limit`` bytes of JSON, or its own limit."""
    usual = limit
    for name, value in values.items():
        limit = limits.get(name, usual)
        if value is None or type(value) in (bool, int, float):
            continue
        if type(value) is str and 6 * len(value) + 2 <= limit:
            continue
        size = len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        if size > limit:
            raise StepError(
                f"output '{name}' of step '{step}' is {size:,} bytes of JSON, and a value may have {limit:,}; "
                "write it to a file output instead" + ("" if name in limits else advice)
            )


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as a dict: kind, kinds (with its base classes), message, traceback (user's frames), exit code.

    The message starts with the class, as Python's own last line does; messages of couler say it all by themselves.

    >>> describe(KeyError("x"))["message"]
    "KeyError: 'x'"
    """
    code = None
    kind = type(error).__name__
    text = _text_of(error)
    message = text if isinstance(error, StepError) else f"{kind}: {text}" if text else kind
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        kind = "ExitCode"
        message = f"exit code {code}"
        if isinstance(error.code, str):
            message += ": " + error.code
    elif isinstance(error, MemoryError):
        kind = "OutOfMemory"
        message = f"MemoryError: {text or 'out of memory'}"
    kinds = [kind] + [base.__name__ for base in type(error).__mro__ if base not in (object, BaseException)]
    frames = "" if isinstance(error, StepError) else _traceback(error)
    return {"kind": kind, "kinds": kinds, "message": message, "traceback": frames, "exit_code": code}


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # its own __str__ raises
        return ""


def _traceback(error: BaseException) -> str:
    import traceback

    try:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
            frames = frames.tb_next
        return "".join(traceback.format_exception(type(error), error, frames))
    except Exception:  # an exception whose __str__ raises
        return type(error).__name__ + "\n"


def main(arguments: list[str]) -> int:
    """Run the payload in the file ``arguments[0]``; write the result to ``arguments[1]`` and give the exit status."""
    with open(arguments[0], encoding="utf-8") as file:
        payload = json.load(file)
    for folder in payload.get("python_path", ()):
        if folder not in sys.path:
            sys.path.append(folder)
    result = run(payload)
    sys.stdout.flush()
    if "error" in result:
        error = result["error"]
        sys.stderr.write(error["traceback"] or error["message"] + "\n")
    target = arguments[1] if len(arguments) > 1 else arguments[0] + ".result"
    with open(target + ".part", "w", encoding="utf-8") as file:
        json.dump(result, file)
    os.replace(target + ".part", target)
    return 1 if "error" in result else 0


if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    sys.exit(main(sys.argv[1:]))
