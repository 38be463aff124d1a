"""The rewrite behind retries: what has ended is taken out, and what is left means the same."""

from __future__ import annotations

from typing import Any

from couler.core.ir.model import (
    AnyOf,
    Compare,
    Concat,
    Condition,
    Constant,
    ExitHandler,
    FirstOf,
    ForEach,
    FunctionTask,
    GroupOutput,
    Input,
    ItemRef,
    ListOf,
    OutputRef,
    StatusIs,
    Step,
    StoredFile,
    Truth,
    Value,
    Workflow,
)
from couler.core.ir.validate import check
from couler.core.passes.settled import Ending, Settled, settled

TASK = FunctionTask(source="def f(**x): ...", entry="f")
FILE = {
    "$file": True, "kind": "file", "url": "s3://b/k", "options": {"region": "eu"},
    "credentials": {"accesskey_id": {"name": "s", "key": "k"}},
}  # fmt: skip


def _step(name: str, value: Value | None = None, **attributes: Any) -> Step:
    inputs = () if value is None else (Input(name="x", value=value),)
    return Step(name=name, task=TASK, inputs=inputs, **attributes)


def _ref(step: str, **fields: Any) -> OutputRef:
    return OutputRef(step=step, **fields)


def _left(steps: tuple[Step, ...], endings: dict[str, Ending], *outputs: GroupOutput) -> Settled:
    found = settled(Workflow(name="w", steps=steps, outputs=outputs), endings)
    check(found.workflow)
    return found


def _input(found: Settled, step: str = "b") -> Value:
    return next(one for one in found.workflow.steps if one.name == step).inputs[0].value


def _done(**outputs: Any) -> Ending:
    return Ending("succeeded", outputs)


SKIPPED = Ending("skipped")


def test_values_and_parts_of_them_become_constants_and_order_falls_away() -> None:
    steps = (_step("a"), _step("b", _ref("a", path=("k", 1)), after=("a",)))
    found = _left(steps, {"a": _done(result={"k": [1, 2]})})
    assert _input(found) == Constant(value=2)
    assert found.workflow.steps[0].after == ()
    assert found.kept == {"a": "succeeded"}


def test_files_become_stored_files_with_their_secrets_by_reference() -> None:
    found = _left((_step("a"), _step("b", _ref("a"))), {"a": _done(result=FILE)})
    value = _input(found)
    assert isinstance(value, StoredFile)
    assert (value.url, value.options["region"], value.credentials["accesskey_id"].name) == ("s3://b/k", "eu", "s")


def test_who_needs_a_skipped_step_is_skipped_too_unless_there_is_a_default() -> None:
    default = Constant(value="d")
    steps = (_step("a"), _step("b", _ref("a", default=default)), _step("c", _ref("a")), _step("d", _ref("c")))
    found = _left(steps, {"a": SKIPPED})
    assert [step.name for step in found.workflow.steps] == ["b"]
    assert _input(found) == default
    assert found.kept == {"a": "skipped", "c": "skipped", "d": "skipped"}


def test_joins_take_the_first_that_is_there() -> None:
    join = FirstOf(options=(_ref("a"), _ref("b")))
    one, two = _step("a"), _step("b")
    assert _input(_left((one, two, _step("c", join)), {"a": SKIPPED, "b": _done(result=5)}), "c") == Constant(value=5)
    unknown_first = _left((one, two, _step("c", join)), {"b": _done(result=5)})
    assert _input(unknown_first, "c") == FirstOf(options=(_ref("a"),), default=Constant(value=5))
    again = _left((one, two, _step("c", join)), {"b": _done(result=FILE)})
    assert [step.name for step in again.workflow.steps] == ["a", "b", "c"]


def test_texts_and_lists_keep_what_is_unknown() -> None:
    parts = (Constant(value="x="), _ref("a"), _ref("b"))
    steps = (_step("a"), _step("b"), _step("c", Concat(parts=parts)), _step("d", ListOf(items=(_ref("a"), _ref("b")))))
    found = _left(steps, {"a": _done(result=1)})
    assert _input(found, "c") == Concat(parts=(parts[0], Constant(value=1), _ref("b")))
    assert _input(found, "d") == ListOf(items=(Constant(value=1), _ref("b")))


def _when(left: Value, **attributes: Any) -> Step:
    return _step("b", when=Compare(operator=">", left=left, right=Constant(value=3)), **attributes)


def test_conditions_that_are_decided_vanish_or_skip_the_step() -> None:
    assert _left((_step("a"), _when(_ref("a"))), {"a": _done(result=5)}).workflow.steps[0].when is None
    assert _left((_step("a"), _when(_ref("a"))), {"a": _done(result=2)}).kept["b"] == "skipped"
    assert _left((_step("a"), _when(_ref("a"))), {"a": SKIPPED}).kept["b"] == "skipped"


def test_conditions_over_statuses_are_folded() -> None:
    def after(condition: Condition) -> Settled:
        return _left(
            (_step("a"), _step("z", allow_failure=True), _step("b", after_condition=condition)), {"a": _done(result=1)}
        )

    succeeded = StatusIs(step="a", status="succeeded")
    unknown = StatusIs(step="z", status="failed")
    assert after(succeeded).workflow.steps[-1].after_condition is None
    assert after(StatusIs(step="a", status="failed")).kept["b"] == "skipped"
    assert (
        after(AnyOf(parts=(StatusIs(step="a", status="failed"), unknown))).workflow.steps[-1].after_condition == unknown
    )


def _map(**attributes: Any) -> Step:
    return _step("m", ItemRef(name="i"), foreach=ForEach(lists={"i": _ref("a")}), **attributes)


def test_of_a_map_only_the_items_that_failed_run_again() -> None:
    steps = (
        _step("a"),
        _map(),
        _step("b", _ref("m")),
        _step("c", _ref("m", path=(2,))),
        _step("d", _ref("m", path=(1, "k"))),
    )
    items = {0: {"result": {"k": 0}}, 2: {"result": {"k": 2}}}
    found = _left(steps, {"a": _done(result=["x", "y", "z", "u"]), "m": Ending("failed", items=items)})
    mapped = found.workflow.steps[0]
    assert mapped.foreach is not None
    assert mapped.foreach.lists["i"] == Constant(value=["y", "u"])
    assert found.items == {"m": (1, 3)}
    again = (_ref("m", path=(0,)), _ref("m", path=(1,)))
    constants = (Constant(value={"k": 0}), Constant(value={"k": 2}))
    assert _input(found) == ListOf(items=(constants[0], again[0], constants[1], again[1]))
    assert _input(found, "c") == constants[1]
    assert _input(found, "d") == _ref("m", path=(0, "k"))


def test_a_map_over_a_list_that_is_not_known_runs_again_as_a_whole() -> None:
    found = _left((_step("a"), _map()), {"m": Ending("failed", items={0: {"result": 1}})})
    assert found.items == {}
    assert [step.name for step in found.workflow.steps] == ["a", "m"]


def test_known_outputs_of_the_workflow_are_told_apart_from_those_to_come() -> None:
    outputs = [GroupOutput(name=name, value=_ref(name)) for name in "abc"]
    found = _left((_step("a"), _step("b"), _step("c")), {"a": _done(result=FILE), "b": SKIPPED}, *outputs)
    assert found.outputs == {"a": FILE}
    assert [output.name for output in found.workflow.outputs] == ["c"]


def test_exit_handlers_run_again_with_what_is_known() -> None:
    handlers = (ExitHandler(step=_step("h", _ref("a"))), ExitHandler(step=_step("i", _ref("s"))))
    workflow = Workflow(name="w", steps=(_step("a"), _step("s"), _step("b")), exit_handlers=handlers)
    found = settled(workflow, {"a": _done(result=1), "s": SKIPPED})
    assert [(one.step.name, one.step.inputs[0].value) for one in found.workflow.exit_handlers] == [
        ("h", Constant(value=1))
    ]


def test_a_condition_without_meaning_is_left_to_the_engine() -> None:
    steps = (_step("a"), _step("b", when=Truth(value=_ref("a"))))
    found = settled(Workflow(name="w", steps=steps), {"a": _done(result="no boolean")})
    assert found.workflow.steps[0].when == Truth(value=Constant(value="no boolean"))
