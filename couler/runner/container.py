"""Run one function of a workflow inside a container, where an engine has laid out its source and its inputs.

Needs nothing but a Python of 3.8 or later. Engines ship this text after those of `couler.runner.function` and
`couler.runner.value_types`, compressed, in the variable ``COULER_RUNNER`` (see `shipped`), and start it as
``python3 -c LOADER PAYLOAD SOURCE`` with `LOADER`. The payload is the JSON that `couler.runner.function.run` takes,
without ``source``, and with these keys:

- ``paths``: input name to the keys that lead to its value in what was given for it;
- ``types``: input name to its type, unless it may be anything;
- ``packages``: what to install before;
- ``records``: output name to where the engine stores the file that is written: its value, for those who gather it;
- ``signs``: pairs of texts: what stands in the source for something that an engine would evaluate, and for what;
- ``limits``: besides, these outputs may be kept as files: where the text is over ``limit``, it is written to
  `LARGE` + ``NAME.json``, and the output is a mark;
- ``large``: input name to the path of a file, which holds the value where a mark was given for it;
- ``retry_on``: names of exceptions that end with the exit code 76, so that an engine can tell them from others.

Each value output is written to a file of its name in `OUTPUTS`, as JSON without anything that an engine expands. For
engines that gather outputs of many steps as text there are ``NAME.item``, with an equals sign before it, and, for
lists, ``NAME.items``: a list of the JSON texts of its items.
"""

from __future__ import annotations

import json
import os
import re
import sys

from couler.runner.function import StepError, describe, run  # not shipped: all files are one text there
from couler.runner.value_types import mismatch

TYPE_CHECKING = False  # the module typing costs milliseconds
if TYPE_CHECKING:
    from typing import Any

OUTPUTS = "/tmp/couler/outputs"
WORK = "/tmp/couler/work"
PACKAGES = "/tmp/couler/packages"
LARGE = "/tmp/couler/large/couler-large-"
MARK = "$couler-large"
"""Key of the object that stands for a value in a file: its bytes. Values that have this key are kept as files too."""
ADVICE = (
    "; what goes only from function to function may be larger with the option large_values, where the engine has a "
    "store for files"
)
TERMINATION_LOG = "/dev/termination-log"
RETRY_THIS = 76
OUT_OF_MEMORY = 137
LOADER = (
    "import base64,os,zlib;"
    "exec(zlib.decompress(base64.b64decode(os.environ.pop('COULER_RUNNER'))),"
    "{'__name__':'couler_runner','__file__':'<string>'})"
)
"""What ``python3 -c`` runs."""


def shipped() -> str:
    """The runner as a text for the variable ``COULER_RUNNER``.

    >>> len(shipped()) < 12_000
    True
    """
    import base64
    import zlib

    import couler.runner.function
    import couler.runner.value_types

    texts = []
    for path in (couler.runner.function.__file__, couler.runner.value_types.__file__, __file__):
        with open(path, encoding="utf-8") as file:
            texts.append("".join(line for line in file if not line.startswith(("from couler", "from __future__"))))
    whole = "from __future__ import annotations\n" + "\n".join(texts)
    return base64.b64encode(zlib.compress(whole.encode(), 9)).decode()


def execute(payload: dict[str, Any], source: str) -> int:
    """Run the step and write its outputs; the exit status."""
    for sign, meaning in payload.get("signs", ()):
        source = source.replace(sign, meaning)
    payload = dict(payload, source=source, inputs=_inputs(payload), advice=ADVICE)
    for name, wanted in payload.get("types", {}).items():
        _check_type(f"input '{name}'", wanted, payload["inputs"][name])
    _install(payload.get("packages", ()))
    result = run(payload)
    sys.stdout.flush()
    for name, record in payload.get("records", {}).items():
        result.get("outputs", {})[name] = dict(record, **{"$file": True})
    for output in payload["outputs"]:
        if output["type"] not in ("file", "folder") and output["name"] in result.get("outputs", ()):
            _check_type("output '{}'".format(output["name"]), output["type"], result["outputs"][output["name"]])
    if "error" in result:
        return _report(result["error"], payload.get("retry_on", ()))
    for name, value in result["outputs"].items():
        if not (name in payload.get("limits", ()) and _write_large(name, value, payload["limit"])):
            _write(name, value)
    return 0


def _inputs(payload: dict[str, Any]) -> dict[str, Any]:
    inputs = {name: _with_paths(value) for name, value in payload.get("inputs", {}).items()}
    for name, path in payload.get("large", {}).items():
        inputs[name] = _arrived(name, inputs[name], path)
    for name, path in payload.get("paths", {}).items():
        for key in path:
            try:
                inputs[name] = inputs[name][key]
            except (KeyError, IndexError, TypeError):
                message = f"the value for '{name}' has nothing at {key!r}: {json.dumps(inputs[name]):.200}"
                raise SystemExit(_say(message)) from None
    return inputs


def _with_paths(value: Any) -> Any:
    """The paths at which stored files appear, for their records."""
    if isinstance(value, dict) and "$files" in value:
        return [record and {"$path": value["folder"] + "/" + record["path"]} for record in value["$files"]]
    return {"$path": value["folder"]} if isinstance(value, dict) and "$one" in value else value


def _arrived(name: str, value: Any, path: str) -> Any:
    """The value itself, where a mark was given for it."""
    if not _is_marked(value):
        return value
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        message = f"the large value for '{name}' is not in the store of files any more: {error}"
        raise SystemExit(_say(message)) from None


def _is_marked(value: Any) -> bool:
    return isinstance(value, dict) and MARK in value


def _check_type(what: str, wanted: str, value: Any) -> None:
    """Raise StepError when a value does not fit a type."""
    if problem := mismatch(wanted, value):
        raise StepError(f"{what}: {problem}")


def _install(packages: list[str]) -> None:
    if not packages:
        return
    import subprocess

    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run([*command, "--target", PACKAGES, *packages], check=False)
    if done.returncode:
        raise SystemExit(_say("could not install {}; its output stands above".format(", ".join(packages))))
    sys.path.insert(0, PACKAGES)
    os.environ["PYTHONPATH"] = os.pathsep.join([PACKAGES, *filter(None, [os.environ.get("PYTHONPATH")])])


def _report(error: dict[str, Any], retry_on: list[str]) -> int:
    sys.stderr.write(error["traceback"] or error["message"] + "\n")
    sys.stderr.flush()
    _say(error["message"], quiet=True)
    if error["kind"] == "OutOfMemory":
        return OUT_OF_MEMORY
    if any(kind in retry_on for kind in error["kinds"]):
        return RETRY_THIS
    return error["exit_code"] or 1


def _say(message: str, quiet: bool = False) -> int:
    """Tell the engine why the step failed; the exit status of failures."""
    if not quiet:
        sys.stderr.write(message + "\n")
    try:
        with open(TERMINATION_LOG, "w", encoding="utf-8", errors="replace") as file:
            file.write(message[:3000])
    except OSError:  # the container has none, or does not let us
        pass
    return 1


def _write(name: str, value: Any) -> None:
    os.makedirs(OUTPUTS, exist_ok=True)
    text = _text(value)
    forms = {name: text, name + ".item": "=" + text}
    if isinstance(value, list):
        forms[name + ".items"] = _text([_text(item) for item in value])
    for file_name, form in forms.items():
        with open(os.path.join(OUTPUTS, file_name), "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(form)


def _write_large(name: str, value: Any, limit: int) -> bool:
    """Write a value as a file, if it is too large for a text or could be taken for the mark of one."""
    text = _text(value)
    size = len(text.encode())
    if size <= limit and not _is_marked(value):
        return False
    path = LARGE + name + ".json"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    _write(name, {MARK: size})
    return True


def _text(value: Any) -> str:
    """JSON in which nothing can be taken for a variable and all characters survive any replacement of text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = re.sub(r"\\\\u00(7b|24)", r"\\u005cu00\1", text).replace("{" * 2, "{\\u007b")
    text = re.sub(r"\$(?=[$(])", r"\\u0024", text)
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(map(_character, text))


def _character(character: str) -> str:
    code = ord(character)
    if code == 0x7F or 0xD800 <= code < 0xE000 or (code > 0xFFFF and not character.isprintable()):
        return json.dumps(character)[1:-1]
    return character


def _start(arguments: list[str]) -> int:
    with open(arguments[0], encoding="utf-8") as file:
        payload = json.load(file)
    with open(arguments[1], encoding="utf-8") as file:
        source = file.read()
    folder = payload.get("working_dir") or WORK
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    sys.path[0] = folder
    try:
        return execute(payload, source)
    except StepError as error:
        return _report(describe(error), [])


if __name__ == "couler_runner":
    sys.exit(_start(sys.argv[1:]))
