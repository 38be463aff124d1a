"""From a workflow to the Python that declares it: readable, formatted, and the same text each time.

When the text is executed, the workflow that it declares equals the given one, up to the ``location`` of steps, and the
source of functions, which couler cuts out of the file again.
"""

from __future__ import annotations

from collections.abc import Iterable

from couler.core.ir.model import GroupTask, Workflow
from couler.core.render.module import Writer


def render(workflow: Workflow, *more: Workflow, named: Iterable[tuple[GroupTask, str]] = ()) -> str:
    """The text of a Python file that declares a workflow, or several.

    Steps are declared by the verbs of couler. What these cannot say is written with `couler.explicit`.

    Args:
        workflow: Any workflow that keeps the rules.
        more: Further workflows for the same file.
        named: Groups with the names that their functions should have.

    >>> from couler.core.ir.model import Constant, ContainerTask, Output, Step
    >>> hello = ContainerTask(image="alpine:3.20", command=(Constant(value="echo"), Constant(value="hi")))
    >>> step = Step(name="hello", task=hello, outputs=(Output(name="result", type="str"),))
    >>> print(render(Workflow(name="greet", steps=(step,))), end="")
    import couler
    <BLANKLINE>
    <BLANKLINE>
    @couler.workflow
    def greet():
        couler.run_container("alpine:3.20", command=["echo", "hi"], step_name="hello")
    """
    return Writer((workflow, *more), named).text()


__all__ = ["render"]
