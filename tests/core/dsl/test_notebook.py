"""In a notebook: cells that run again replace their steps, and what a step uses may stand in any cell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

pytestmark = pytest.mark.filterwarnings("default")  # the kernel's client warns about its own event loop

HELP = """
import couler
def job(name=None, text="x"):
    return couler.run_container("alpine:3.20", ["echo", text], step_name=name)
def shown():
    from couler.core.dsl.context import current
    from couler.core.dsl.workflows import Building
    return Building(current().scope).build()
"""


class Notebook:
    """A kernel, and cells by identity, as a front end sends them."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, code: str, cell: str = "") -> str:
        """What the cell prints; raises when it fails."""
        client = self._client
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
                   "stop_on_error": False}  # fmt: skip
        message = client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        client.shell_channel.send(message)
        printed: list[str] = []
        while True:
            answer = client.get_iopub_msg(timeout=60)
            if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if answer["msg_type"] == "stream":
                printed.append(answer["content"]["text"])
            if answer["msg_type"] == "error":
                raise AssertionError("\n".join(answer["content"]["traceback"]))
            if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                return "".join(printed).strip()


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path_factory.mktemp("notebook")))
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield Notebook(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def notebook(kernel: Notebook) -> Notebook:
    kernel.run("from couler.core.dsl import context; context.end_implicit()")
    kernel.run(HELP)
    return kernel


NAMES = "print([step.name for step in shown().steps])"


def test_a_cell_that_runs_again_replaces_its_steps_in_place(notebook: Notebook) -> None:
    notebook.run("a = job(); b = job('b')", "one")
    notebook.run("c = job().after(a, b)", "two")
    for _ in range(3):
        notebook.run("a = job(); b = job('b')", "one")
    assert notebook.run(NAMES) == "['container', 'b', 'container-2']"
    assert notebook.run("print(shown().steps[2].after)") == "('container', 'b')"


def test_an_edited_cell_replaces_its_steps(notebook: Notebook) -> None:
    notebook.run("job('a'); job('b')", "one")
    notebook.run("job('c')", "two")
    assert notebook.run(NAMES) == "['a', 'b', 'c']"
    notebook.run("job('z')", "one")
    assert notebook.run(NAMES) == "['z', 'c']"


def test_what_other_cells_took_from_a_cell_follows_it(notebook: Notebook) -> None:
    notebook.run("made = job('old', 'old text')", "one")
    notebook.run("job('reads', made)", "two")
    notebook.run("made = job('new', 'new text')", "one")
    assert notebook.run("print(shown().steps[1].task.command[1].step)") == "new"


def test_what_an_edited_cell_no_longer_declares_is_refused_where_it_is_used(notebook: Notebook) -> None:
    notebook.run("made, gone = job('a'), job('b')", "one")
    notebook.run("couler.run_container('a', [gone])", "two")
    notebook.run("made = job('a')", "one")
    with pytest.raises(AssertionError, match="is no longer declared, since its cell was run again"):
        notebook.run(NAMES)
    notebook.run("couler.run_container('a', [made], step_name='reads')", "two")
    assert notebook.run(NAMES) == "['a', 'reads']"
    assert notebook.run("print(shown().steps[1].location[:3])") == "In["


def test_cells_without_identity_are_told_apart_by_their_text(notebook: Notebook) -> None:
    notebook.run("job('a')")
    notebook.run("job('b')")
    notebook.run("job('a')")
    assert notebook.run(NAMES) == "['a', 'b']"


def test_what_a_step_uses_travels_from_other_cells(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run("import re\nfrom dataclasses import dataclass\nWORD = re.compile('a+')")
    notebook.run("WORD = re.compile('b+')\nLIMIT = 2")
    notebook.run("@dataclass\nclass Point:\n    x: int\n    def twice(self): return helper(self.x)")
    notebook.run("def helper(x): return LIMIT * x")
    notebook.run("@couler.step\ndef work(x: int) -> list: return [Point(x).twice(), WORD.findall('abb')]")
    source = notebook.run("from couler.core.dsl.source import portable_source; print(portable_source(work))")
    from tests.core.dsl.bare import run_bare

    assert run_bare(source + "\n", "work", tmp_path / "empty", 4) == [8, ["bb"]]


def test_a_graph_is_shown_and_a_run_runs(notebook: Notebook) -> None:
    notebook.run("@couler.step\ndef add(a: int) -> int: return a + 1")
    notebook.run("@couler.workflow\ndef sums(x: int = 1): return add(add(x))")
    assert notebook.run("print(sums.graph()._repr_svg_()[:4])") == "<svg"
    assert notebook.run("print(sums.run(x=5).outputs)").splitlines()[-1] == "{'result': 7}"
    assert notebook.run("print(add(1))") == "2"
