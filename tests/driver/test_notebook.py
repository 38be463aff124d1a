"""The notebook path, in a real kernel."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

BUILD = """\
import couler

@couler.step
def double(x: int) -> int:
    return 2 * x

@couler.workflow
def doubling(x: int = 4):
    return double(double(x))

doubling
"""

RUN = """\
run = doubling.run(x=5)
run
"""

PAPER = """\
couler.config_workflow(name="twice")
couler.run_container(image="alpine:3.20", command=["echo", "one"])
"""


def _executed(tmp_path: Path, *cells: str) -> list[list[dict[str, object]]]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    return [cell["outputs"] for cell in notebook.cells]


def _html(outputs: list[dict[str, object]]) -> str:
    return "".join(str(output["data"].get("text/html", "")) for output in outputs if "data" in output)  # type: ignore[attr-defined]


pytestmark = pytest.mark.filterwarnings("default")  # the kernel's client warns about its own event loop


def test_a_workflow_and_its_run_show_themselves_in_a_notebook(tmp_path: Path) -> None:
    built, ran = _executed(tmp_path, BUILD, RUN)

    assert "<svg" in _html(built)
    assert "double-2" in _html(built)
    assert "succeeded" in _html(ran)


def test_the_picture_of_a_run_is_updated_while_it_goes(tmp_path: Path) -> None:
    _, ran = _executed(tmp_path, BUILD, RUN)

    shown = [output for output in ran if output["output_type"] == "display_data"]

    assert len(shown) == 1, "one picture that is replaced, not one after the other"
    assert "succeeded" in _html(shown)


def test_running_a_cell_again_replaces_its_steps(tmp_path: Path) -> None:
    again = "get_ipython().run_cell(first)\nget_ipython().run_cell(first)\n"
    outputs = _executed(tmp_path, f"first = {PAPER!r}\nimport couler", again, "print(sorted(couler.run().steps))")

    printed = "".join(str(output.get("text", "")) for output in outputs[-1])
    assert "['container']" in printed
