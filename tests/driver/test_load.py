"""Finding the workflow in a file of Python, JSON or YAML."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import couler
from couler.core.errors import CoulerError, DefinitionError, NotFoundError, TextFormError
from couler.core.ir.text import to_json, to_yaml
from couler.driver import as_workflow, load_workflow

Write = Callable[..., Path]

FLUENT = """
import couler
@couler.step
def add(a: int, b: int = 1) -> int: return a + b
@couler.workflow
def first(x: int = 1): return add(x)
"""


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Writes a file of the user; modules and folders of the import path are put back."""
    modules, path = set(sys.modules), list(sys.path)

    def write(text: str, name: str = "some_flow.py") -> Path:
        file = tmp_path / name
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def names(workflow: couler.Workflow) -> list[str]:
    return [step.name for step in workflow.steps]


def test_a_decorated_function_is_found(write: Write) -> None:
    workflow = load_workflow(write(FLUENT))
    assert (workflow.name, names(workflow)) == ("first", ["add"])


def test_statements_in_the_papers_style_are_a_workflow(write: Write) -> None:
    text = "import couler\ncouler.config_workflow(name='p')\ncouler.run_container('a', ['b'], step_name='c')\n"
    assert names(load_workflow(write(text))) == ["c"]
    assert names(load_workflow(write(text + "couler.run()\nraise RuntimeError('not reached')\n"))) == ["c"]


def test_statements_in_a_with_block_are_a_workflow(write: Write) -> None:
    text = "import couler\nwith couler.new_workflow('w') as daily:\n    couler.run_container('a', ['b'])\n"
    assert load_workflow(write(text)).name == "w"


def test_what_stands_under_the_guard_of_a_script_is_found(write: Write) -> None:
    guarded = """
    import couler
    def main():
        couler.run_container('a', ['b'], step_name='c')
        couler.run()
    if __name__ == "__main__":
        main()
    """
    assert names(load_workflow(write(guarded))) == ["c"]


def test_a_run_under_the_guard_is_not_started(write: Write) -> None:
    text = FLUENT + "if __name__ == '__main__':\n    raise RuntimeError\n"
    assert load_workflow(write(text)).name == "first"


def test_the_run_in_a_file_says_which_workflow_is_meant(write: Write) -> None:
    text = FLUENT + "@couler.workflow\ndef second(): return add(2)\ncouler.run(second)\n"
    assert load_workflow(write(text)).name == "second"


def test_of_several_workflows_one_is_chosen_by_name(write: Write) -> None:
    file = write(FLUENT + "@couler.workflow(name='other')\ndef second(): return add(2)\n")
    assert load_workflow(file, "other").name == "other"
    with pytest.raises(DefinitionError) as caught:
        load_workflow(file)
    assert str(caught.value) == f"{file} declares 2 workflows: first, other\n  hint: add --workflow first"
    with pytest.raises(NotFoundError) as unknown:
        load_workflow(file, "othr")
    assert str(unknown.value) == f"{file} declares no workflow 'othr'\n  hint: did you mean 'other'?"


def test_an_imported_workflow_counts_when_there_is_no_own(write: Write) -> None:
    write(FLUENT, "library_flow.py")
    assert load_workflow(write("from library_flow import first\n")).name == "first"
    own = write(
        "import couler\nfrom library_flow import first\n@couler.workflow\ndef mine(): return first()\n", "own_flow.py"
    )
    assert load_workflow(own).name == "mine"


def test_documents_are_read(write: Write) -> None:
    workflow = load_workflow(write(FLUENT))
    assert load_workflow(write(to_json(workflow), "w.json")) == workflow
    assert load_workflow(write(to_yaml(workflow), "w.yaml")) == workflow


def test_a_document_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.json"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(TextFormError, match="is not UTF-8 text: invalid start byte at byte 0"):
        load_workflow(file)


BROKEN = {
    "nothing": (
        "x = 1\n",
        " declares no workflow\n  hint: decorate a function with @couler.workflow, or declare steps",
    ),
    "syntax": ("x = 1\ndef f(:\n", ":2: SyntaxError: invalid syntax (some_flow.py, line 2)\n  hint: fix that line"),
    "exception": ("x = 1\n\ndef f():\n    return 1 / 0\nf()\n", ":4: ZeroDivisionError: division by zero\n  hint: fix"),
    "exit": ("import sys\nsys.exit(3)\n", " ended Python by itself (exit 3) before it declared a workflow\n  hint: "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_its_line(write: Write, case: str) -> None:
    text, message = BROKEN[case]
    file = write(text)
    with pytest.raises(CoulerError) as caught:
        load_workflow(file)
    assert str(caught.value).startswith(f"{file}{message}")


def test_a_syntax_error_in_an_imported_file_keeps_the_line_of_the_import(write: Write) -> None:
    write("\n\n\ndef f(:\n", "broken_helper.py")
    file = write("x = 1\nimport broken_helper\n")
    with pytest.raises(DefinitionError) as caught:
        load_workflow(file)
    assert str(caught.value).startswith(f"{file}:2: SyntaxError: invalid syntax (broken_helper.py, line 4)")


def test_a_missing_file_offers_the_near_one(write: Write, tmp_path: Path) -> None:
    write(FLUENT, "train.py")
    with pytest.raises(NotFoundError) as caught:
        load_workflow(tmp_path / "trian.py")
    assert str(caught.value) == f"there is no file {tmp_path / 'trian.py'}\n  hint: did you mean 'train.py'?"


def test_another_kind_of_file_is_refused(write: Write) -> None:
    with pytest.raises(NotFoundError, match="is neither Python, JSON nor YAML"):
        load_workflow(write("{}", "notes.ipynb"))


def test_a_file_hides_no_module_of_the_same_name(write: Write) -> None:
    import json

    assert load_workflow(write(FLUENT, "json.py")).name == "first"
    assert sys.modules["json"] is json


def test_loading_mixes_with_nothing_that_is_declared_around(write: Write) -> None:
    file = write("import couler\ncouler.run_container('a', ['b'], step_name='inner')\n")
    with couler.new_workflow("outer") as outer:
        couler.run_container("a", ["b"], step_name="outer")
        assert names(load_workflow(file)) == ["inner"]
    assert names(outer.build()) == ["outer"]


def test_a_file_that_fails_leaves_nothing_open(write: Write) -> None:
    with pytest.raises(DefinitionError):
        load_workflow(write("import couler\ncouler.run_container('a', ['b'])\n1 / 0\n"))
    with pytest.raises(DefinitionError, match="no step was declared yet"):
        as_workflow()


def test_what_is_no_workflow_is_refused() -> None:
    with pytest.raises(DefinitionError, match="3 is not a workflow\n  hint: pass a function decorated with"):
        as_workflow(3)


def test_an_error_in_the_workflow_function_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("import couler\n\n@couler.workflow\ndef w():\n    return int('x')\n")

    with pytest.raises(DefinitionError, match=r"broken\.py:5: ValueError: invalid literal"):
        load_workflow(file)


def test_a_document_that_is_no_workflow_is_named(tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text("apiVersion: couler/v1\nname: w\nstps: []\n")

    with pytest.raises(TextFormError, match=r"flow\.yaml: .*\n.*unknown key 'stps'; did you mean 'steps'"):
        load_workflow(file)
