"""Explicit parts fit into the other verbs."""

from __future__ import annotations

import pytest

import couler
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir

PAUSE = ir.Step(name="pause", task=ir.SuspendTask(duration=1))


def test_explicit_values_and_conditions_stand_beside_others() -> None:
    with couler.new_workflow("w") as building:
        first = couler.run_container("alpine", ["echo", couler.explicit.value(ir.OutputRef(step="pause"))])
        with couler.when(couler.explicit.condition(ir.Truth(value=ir.Constant(value=True))) & (first == "x")):
            couler.explicit.step(PAUSE)
    container, pause = building.build().steps
    assert isinstance(container.task, ir.ContainerTask)
    assert container.task.command[1] == ir.OutputRef(step="pause")
    assert pause.task == PAUSE.task
    assert pause.when == ir.AllOf(
        parts=(
            ir.Truth(value=ir.Constant(value=True)),
            ir.Compare(operator="==", left=ir.OutputRef(step="container"), right=ir.Constant(value="x")),
        )
    )


def test_any_declared_step_can_be_mapped_and_repeated() -> None:
    with couler.new_workflow("w") as building:
        said = couler.run_container("alpine", ["echo", couler.explicit.item("who")["name"]], step_name="said")
        couler.explicit.for_each(said, {"who": [{"name": "Ada"}]}, parallelism=2)
        tried = couler.run_container("alpine", ["try", couler.explicit.round_number()], step_name="tried")
        couler.explicit.repeat(tried, while_=lambda out: out != "done", max_iterations=3)
        building.set_outputs({"all": said, "last": tried})
    workflow = building.build()
    said_step, tried_step = workflow.steps
    assert said_step.foreach == ir.ForEach(lists={"who": ir.Constant(value=[{"name": "Ada"}])}, parallelism=2)
    condition = ir.Compare(operator="!=", left=ir.LoopOutputRef(), right=ir.Constant(value="done"))
    assert tried_step.loop == ir.Loop(condition=condition, max_iterations=3)
    assert [output.type for output in workflow.outputs] == ["list[str]", "str"]


def test_nothing_is_added_to_an_explicit_step() -> None:
    with couler.new_workflow("w") as building:
        couler.explicit.step(PAUSE).with_(timeout=3)
    with pytest.raises(DefinitionError, match=r"'pause' .* is an explicit step, and something is added to it"):
        building.build()
