"""The runner that functions have in containers: shipped as one text, run by a bare Python, same rules as at home."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couler.core.ir.types import mismatch
from couler.runner import container, value_types

_TYPES = st.recursive(
    st.sampled_from(["any", "null", "bool", "int", "float", "str", "object", "list"]),
    lambda inner: st.one_of(
        inner.map(lambda kind: f"list[{kind}]"), st.tuples(inner, inner).map(lambda two: f"{two[0]} | {two[1]}")
    ),
    max_leaves=4,
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def run_shipped(tmp_path: Path, payload: dict[str, Any], source: str) -> subprocess.CompletedProcess[str]:
    """Start the shipped text as an engine does: isolated, with the places of a container moved into ``tmp_path``."""
    import base64
    import zlib

    text = zlib.decompress(base64.b64decode(container.shipped())).decode()
    text = text.replace("/tmp/couler/", f"{tmp_path}/").replace("/dev/termination-log", f"{tmp_path}/ended")
    packed = base64.b64encode(zlib.compress(text.encode())).decode()
    (tmp_path / "payload.json").write_text(json.dumps(payload))
    (tmp_path / "source.py").write_text(source)
    command = [sys.executable, "-I", "-S", "-c", container.LOADER, "payload.json", "source.py"]
    environment = {"COULER_RUNNER": packed, "PATH": os.environ["PATH"]}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


def payload(**more: Any) -> dict[str, Any]:
    output = {"name": "result", "type": more.pop("type", "any"), "path": ""}
    return {"step": "double", "entry": "double", "outputs": [output], "inputs": {"value": 4}, **more}


def test_a_function_runs_without_couler_and_its_result_is_written_in_three_forms(tmp_path: Path) -> None:
    done = run_shipped(tmp_path, payload(inputs={"value": [1, "{{x}}"]}), "def double(value): return value * 2")

    assert done.returncode == 0, done.stderr
    text = (tmp_path / "outputs/result").read_text()
    assert json.loads(text) == [1, "{{x}}", 1, "{{x}}"]
    assert "{{" not in text
    assert (tmp_path / "outputs/result.item").read_text() == f"={text}"
    items = json.loads((tmp_path / "outputs/result.items").read_text())
    assert [json.loads(item) for item in items] == [1, "{{x}}", 1, "{{x}}"]


def test_the_runner_is_gone_from_the_environment_of_the_step(tmp_path: Path) -> None:
    source = "import os\ndef double(value): return 'COULER_RUNNER' in os.environ"
    assert run_shipped(tmp_path, payload(), source).returncode == 0
    assert (tmp_path / "outputs/result").read_text() == "false"


def test_parts_of_values_are_followed_and_a_missing_part_is_named(tmp_path: Path) -> None:
    given = {"value": {"a": [10, 20]}}
    source = "def double(value): return 2 * value"

    assert run_shipped(tmp_path, payload(inputs=given, paths={"value": ["a", 1]}), source).returncode == 0
    assert (tmp_path / "outputs/result").read_text() == "40"
    failed = run_shipped(tmp_path, payload(inputs=given, paths={"value": ["b"]}), source)
    assert failed.returncode == 1
    assert "the value for 'value' has nothing at 'b'" in failed.stderr


@pytest.mark.parametrize(
    ("more", "source", "code", "words"),
    [
        ({}, "def double(value): raise KeyError('x')", 1, "KeyError: 'x'"),
        ({"retry_on": ["LookupError"]}, "def double(value): raise KeyError('x')", container.RETRY_THIS, "KeyError"),
        ({}, "def double(value): raise SystemExit(7)", 7, "exit code 7"),
        ({}, "def double(value): raise MemoryError", container.OUT_OF_MEMORY, "out of memory"),
        ({"type": "int"}, "def double(value): return 'five'", 1, "output 'result': expected int, got str 'five'"),
        ({"types": {"value": "str"}}, "def double(value): return 1", 1, "input 'value': expected str, got int 4"),
        ({"limit": 10}, "def double(value): return 'x' * 100", 1, "a value may have 10"),
    ],
    ids=["error", "error to retry", "exit code", "memory", "output type", "input type", "too large"],
)
def test_a_failure_has_its_exit_code_and_says_why(
    tmp_path: Path, more: dict[str, Any], source: str, code: int, words: str
) -> None:
    done = run_shipped(tmp_path, payload(**more), source)

    assert done.returncode == code
    assert words in (tmp_path / "ended").read_text()
    assert not (tmp_path / "outputs").exists()


def test_what_stands_for_other_text_in_the_source_is_put_back(tmp_path: Path) -> None:
    done = run_shipped(tmp_path, payload(signs=[["{%{%", "{{"]]), "def double(value): return '{%{%x}}'")

    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "outputs/result").read_text()) == "{{x}}"


def test_files_are_handed_in_as_paths_and_missing_outputs_are_named(tmp_path: Path) -> None:
    outputs = [{"name": "model", "type": "file", "path": str(tmp_path / "work/model.bin")}]
    source = "def double(value, model):\n    pass"
    failed = run_shipped(tmp_path, payload(outputs=outputs), source)

    assert failed.returncode == 1
    assert "ended without writing its file output 'model'" in failed.stderr


@given(_TYPES, _JSON)
@settings(max_examples=300, deadline=None)
def test_types_are_checked_as_by_the_local_engine(kind: str, value: Any) -> None:
    found = value_types.mismatch(kind, value)
    assert bool(found) == bool(mismatch(kind, value))


def test_a_value_over_the_limit_is_kept_as_a_file_and_arrives_from_there(tmp_path: Path) -> None:
    more = {"limit": 100, "limits": {"result": 1_000_000}}
    done = run_shipped(tmp_path, payload(**more), "def double(value): return ['ü {{x}}', 'x' * 200]")

    assert done.returncode == 0, done.stderr
    mark = json.loads((tmp_path / "outputs/result").read_text())
    kept = tmp_path / "large/couler-large-result.json"
    assert mark == {container.MARK: kept.stat().st_size}
    assert json.loads(kept.read_text(encoding="utf-8")) == ["ü {{x}}", "x" * 200]

    given = {"inputs": {"value": mark}, "large": {"value": str(kept)}, "paths": {"value": [0]}}
    assert run_shipped(tmp_path, payload(**given), "def double(value): return value").returncode == 0
    assert json.loads((tmp_path / "outputs/result").read_text()) == "ü {{x}}"


def test_a_small_value_is_no_file_unless_it_looks_like_the_mark_of_one(tmp_path: Path) -> None:
    more = {"limit": 100, "limits": {"result": 1_000_000}}
    run_shipped(tmp_path, payload(**more), "def double(value): return value")
    assert json.loads((tmp_path / "outputs/result").read_text()) == 4
    assert not (tmp_path / "large").exists()

    source = f"def double(value): return {{{container.MARK!r}: 5}}"
    run_shipped(tmp_path, payload(**more), source)
    assert json.loads((tmp_path / "large/couler-large-result.json").read_text()) == {container.MARK: 5}

    run_shipped(tmp_path, payload(limit=100), source)
    assert json.loads((tmp_path / "outputs/result").read_text()) == {container.MARK: 5}


def test_a_mark_is_a_value_like_any_other_for_an_input_that_is_never_large(tmp_path: Path) -> None:
    done = run_shipped(tmp_path, payload(inputs={"value": {container.MARK: 5}}), "def double(value): return [value]")

    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "outputs/result").read_text()) == [{container.MARK: 5}]


def test_a_large_value_that_is_gone_is_named(tmp_path: Path) -> None:
    given = {"inputs": {"value": {container.MARK: 5}}, "large": {"value": str(tmp_path / "nowhere.json")}}
    done = run_shipped(tmp_path, payload(**given), "def double(value): return value")

    assert done.returncode == 1
    assert "the large value for 'value' is not in the store of files any more" in (tmp_path / "ended").read_text()


def test_what_may_be_done_about_a_value_over_a_limit_is_said(tmp_path: Path) -> None:
    large = "def double(value): return 'x' * 200"
    small = run_shipped(tmp_path, payload(limit=100), large)
    assert "write it to a file output instead; what goes only from function to function may be larger" in small.stderr

    largest = run_shipped(tmp_path, payload(limit=100, limits={"result": 150}), large)
    assert largest.stderr.strip().endswith("a value may have 150; write it to a file output instead")
