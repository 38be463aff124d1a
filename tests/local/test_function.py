"""The runner of functions, alone: in this process and as a program in a bare Python."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from couler.core.ir.json import freeze, thaw
from couler.runner import function as runner


def call(body: str, **more: Any) -> Any:
    payload = {"step": "s", "source": f"def f():\n    {body}\n", "entry": "f", "outputs": [], **more}
    return runner.run(payload)


def output(name: str, kind: str = "any", path: str = "", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "path": path, **more}


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1,
        2.5,
        "x",
        (1, [2, {"a": None}]),
        Colour.RED,
        {"b": Colour.RED},
        object(),
        {1: 2},
        [float("inf")],
        {3},
    ],
)
def test_values_are_judged_as_in_the_ir(value):
    def judged(judge):
        try:
            return judge(value)
        except ValueError as error:
            return str(error)

    assert judged(runner.plain) == judged(lambda given: thaw(freeze(given)))


def test_numpy_values_are_refused_with_what_to_type():
    numpy = pytest.importorskip("numpy")
    with pytest.raises(ValueError, match=r"numpy.int64 is not JSON; call .item\(\) on it"):
        runner.plain(numpy.int64(3))
    with pytest.raises(ValueError, match=r"at \.a: .*call .tolist\(\) on it"):
        runner.plain({"a": numpy.zeros(3)})
    assert type(runner.plain(numpy.float64(0.5))) is float


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return {'a': 1, 'b': 2}", {"outputs": {"a": 1, "b": 2}}),
        ("from collections import namedtuple; return namedtuple('T', 'a b')(1, 2)", {"outputs": {"a": 1, "b": 2}}),
        ("return {'a': 1}", "the result of step 's' is missing b"),
        ("return {'a': 1, 'b': 2, 'c': 3}", "the result of step 's' has unknown c"),
        ("return 5", "step 's' returned a value of type int; it declares the outputs a, b"),
    ],
)
def test_several_outputs_are_returned_by_name(body, expected):
    found = call(body, outputs=[output("a"), output("b")])
    assert found == expected if isinstance(expected, dict) else expected in found["error"]["message"]


def test_coroutines_are_run():
    source = "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x + 1\n"
    assert runner.run({"step": "s", "source": source, "entry": "f", "inputs": {"x": 1}}) == {"outputs": {"result": 2}}


def test_each_call_gets_fresh_globals():
    source = "seen = []\ndef f():\n    seen.append(1)\n    return len(seen)\n"
    payload = {"step": "s", "source": source, "entry": "f"}
    assert [runner.run(payload) for _ in range(2)] == [{"outputs": {"result": 1}}] * 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{}['x']", "KeyError: 'x'"),
        ("raise ValueError('bad')", "ValueError: bad"),
        ("assert False", "AssertionError"),
        ("raise SystemExit(3)", "exit code 3"),
        ("raise MemoryError", "MemoryError: out of memory"),
        ("class E(Exception):\n        def __str__(self): 1 / 0\n    raise E", "E"),
    ],
)
def test_a_message_starts_with_the_class_of_the_exception(body, message):
    assert call(body)["error"]["message"] == message


def test_errors_carry_the_names_of_their_bases():
    error = call("raise ConnectionResetError('gone')")["error"]
    assert (error["kind"], error["message"]) == ("ConnectionResetError", "ConnectionResetError: gone")
    assert {"ConnectionError", "OSError", "Exception"} <= set(error["kinds"])


def test_it_runs_as_a_program_without_anything_else(tmp_path):
    program = Path(shutil.copy(runner.__file__, tmp_path / "function.py"))
    payload = {
        "step": "s",
        "source": "def f(text, file):\n    print('hello')\n    file.write_text(text)\n    return [text]\n",
        "entry": "f",
        "inputs": {"text": "ü{{x}}"},
        "outputs": [output("file", "file", "a/b.txt"), output("result")],
    }
    (tmp_path / "payload.json").write_text(json.dumps(payload))
    command = [sys.executable, "-I", "-S", str(program), "payload.json", "result.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n"
    assert json.loads((tmp_path / "result.json").read_text()) == {"outputs": {"result": ["ü{{x}}"]}}
    assert (tmp_path / "a" / "b.txt").read_text() == "ü{{x}}"


def test_it_is_written_for_python_3_8():
    tree = ast.parse(Path(runner.__file__).read_text(), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported <= {"json", "math", "os", "sys", "linecache", "asyncio", "traceback"}


def test_a_traceback_shows_the_lines_of_its_own_source():
    sources = [f"def f():\n    raise ValueError({number})  # {number}\n" for number in (1, 2)]
    for number in (0, 1, 0):
        error = runner.run({"step": "s", "source": sources[number], "entry": "f"})["error"]
        assert f"raise ValueError({number + 1})  # {number + 1}" in error["traceback"]
