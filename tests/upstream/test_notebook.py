"""Running a cell again replaces what it declared before, in a real kernel."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.filterwarnings("default")  # the kernel's client warns about its own event loop

SET_UP = """\
import couler.argo as couler

class Keeper:
    def submit(self, workflow):
        return [(step.name, step.after, step.task.args[0].value) for step in workflow.steps]

words = iter(["one", "two"])

def job(name, word):
    return couler.run_container(image="a", command=["echo"], args=[word], step_name=name)
"""


def executed_twice(tmp_path: Path, first: str, second: str) -> str:
    """Both cells, the first one again, and then what is declared in the end."""
    cells = [nbformat.v4.new_code_cell(text) for text in (SET_UP, first, second, "print(couler.run(Keeper()))")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    with client.setup_kernel():
        for index in (0, 1, 2, 1, 3):
            client.execute_cell(cells[index], index)
    return "".join(output.get("text", "") for output in cells[3]["outputs"])


def test_statements_keep_their_place(tmp_path: Path) -> None:
    printed = executed_twice(tmp_path, "job('A', next(words))", "job('B', 'end')")
    assert printed == "[('A', (), 'two'), ('B', ('A',), 'end')]\n"


def test_a_step_of_a_dag_is_replaced(tmp_path: Path) -> None:
    chain = (
        "word = next(words)\ncouler.dag([[lambda: job('A', word)], [lambda: job('A', word), lambda: job('C', 'x')]])"
    )
    printed = executed_twice(tmp_path, chain, "couler.set_dependencies(lambda: job('B', 'end'), ['A'])")
    assert printed == "[('A', (), 'two'), ('C', ('A',), 'x'), ('B', ('A',), 'end')]\n"
