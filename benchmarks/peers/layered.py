"""The workflow that compilers are measured with, as couler's users write it.

It has layers of 20 containers; each waits for three steps of the layer before and gets the output of one as an
argument, and has a variable, CPU, memory and two further attempts.
"""

from __future__ import annotations

from typing import Any

WIDTH = 20
IMAGE = "alpine:3.20"


def needed(index: int) -> list[int]:
    """The three steps of the layer before that a step waits for."""
    layer, place = divmod(index, WIDTH)
    return [(layer - 1) * WIDTH + (place + more) % WIDTH for more in range(3)] if layer else []


def workflow(size: int, name: str = "layered") -> Any:
    """The workflow with so many steps."""
    import couler

    with couler.new_workflow(name) as made:
        steps: list[Any] = []
        for index in range(size):
            before = [steps[other] for other in needed(index)]
            step = couler.run_container(
                image=IMAGE,
                command=["echo"],
                args=["--index", str(index), *before[:1]],
                step_name=f"step-{index}",
                env={"MODE": "fast"},
                cpu=0.5,
                memory="64Mi",
                retry=2,
            )
            steps.append(step.after(*before[1:]) if before else step)
    return made
