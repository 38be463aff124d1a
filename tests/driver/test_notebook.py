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
    made = [nbformat.v4.new_code_cell(cell) for cell in cells]
    _client(tmp_path, made).execute()
    return [cell["outputs"] for cell in made]


def _client(tmp_path: Path, cells: list[nbformat.NotebookNode]) -> NotebookClient:
    notebook = nbformat.v4.new_notebook(cells=cells)
    resources = {"metadata": {"path": str(tmp_path)}}
    return NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources)


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
    cells = [nbformat.v4.new_code_cell(cell) for cell in ("import couler", PAPER, "print(sorted(couler.run().steps))")]
    client = _client(tmp_path, cells)
    with client.setup_kernel():
        for index in (0, 1, 1, 1, 2):
            client.execute_cell(cells[index], index)

    printed = "".join(str(output.get("text", "")) for output in cells[2]["outputs"])
    assert "['container']" in printed
