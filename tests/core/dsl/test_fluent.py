"""The fluent style: what decorated functions, references and blocks become in the workflow."""

from typing import Any, Literal, NamedTuple

import pytest
from pydantic import TypeAdapter

import couler
from couler.core.errors import CoulerError, DefinitionError
from couler.core.ir import model as ir
from couler.core.ir.text import from_text, to_json
from couler.core.ir.validate import problems


@couler.step
def add(a: int, b: int = 1) -> int:
    return a + b


@couler.step
def total(values: list[int]) -> int:
    return sum(values)


@couler.step
def flag() -> bool:
    return True


@couler.step
def text() -> str:
    return "x"


@couler.step
def info() -> dict[str, Any]:
    return {"score": 0.5}


class Scores(NamedTuple):
    accuracy: float
    name: str


@couler.step
def judge() -> Scores:
    return Scores(0.9, "svm")


@couler.step(outputs={"loss": float, "names": "list[str]"})
def fit(model: couler.OutFile = couler.out("m.pkl")) -> dict[str, Any]:
    return {}


@couler.step
def pair() -> tuple[int, str]:
    return 1, "a"


@couler.step
def load(data: couler.OutFile = couler.out("d.csv"), folder: couler.OutFolder = couler.out("parts")) -> int:
    return 1


@couler.step
def read(data: couler.InFile) -> int:
    return 1


@couler.step
def read_all(files: list[couler.InFile], numbers: list[int]) -> int:
    return 1


def built(function: Any, **settings: Any) -> ir.Workflow:
    """The workflow; it keeps the rules and its text form reads back equal."""
    workflow: ir.Workflow = couler.workflow(name="w", **settings)(function).build()
    assert problems(workflow) == ()
    assert from_text(to_json(workflow)) == workflow
    return workflow


def refused(function: Any) -> str:
    with pytest.raises(CoulerError) as caught:
        couler.workflow(function).build()
    return str(caught.value)


def inputs(step: ir.Step) -> dict[str, Any]:
    return {item.name: item.value for item in step.inputs}


def nothing(*values: Any) -> None:
    """For functions that declare steps and return no outputs."""


def ref(step: str, output: str = "result", *path: Any, **more: Any) -> ir.OutputRef:
    return ir.OutputRef(step=step, output=output, path=path, **more)


def const(value: Any) -> ir.Constant:
    return ir.Constant(value=value)


# --- calls -----------------------------------------------------------------------------------------------------


def test_a_call_outside_of_a_workflow_calls_the_function() -> None:
    assert add(1, 2) == 3
    assert add.__name__ == "add"


def test_inputs_are_given_by_position_by_name_or_left_to_their_defaults() -> None:
    def wf() -> None:
        add(1, 2)
        add(a=1, b=2)
        add(1)

    steps = built(wf).steps
    assert [inputs(step) for step in steps] == [{"a": const(1), "b": const(2)}] * 2 + [{"a": const(1)}]
    assert [step.name for step in steps] == ["add", "add-2", "add-3"]


BAD_CALLS = {
    "missing": (lambda: add(), "needs a value for: a"),
    "unknown": (lambda: add(1, bb=2), "has no parameter 'bb'\n  hint: did you mean 'b'?"),
    "twice": (lambda: add(1, a=2), "parameter 'a' is given twice"),
    "too many": (lambda: add(1, 2, 3), "takes 2 inputs, and 3 were given"),
    "a file output": (
        lambda: fit(model="x"),
        "'model' is a file that the step writes; it gets no value\n  hint: read it as the output .model of what the "
        "call returns",
    ),
    "a reference deep in a dict": (
        lambda: add({"x": [{"y": add(1)}]}),
        "a dict cannot hold values that are known only",
    ),
    "no JSON": (lambda: add(object()), "parameter 'a': a value of type builtins.object is not JSON"),
    "no JSON inside": (lambda: total([1, {2}]), "parameter 'values': at [1]: a value of type builtins.set is not JSON"),
    "not a number": (lambda: add(float("nan")), "parameter 'a': nan is not JSON; use None for a missing number"),
    "a step": (lambda: add(add), "itself\n  hint: call it, so that its output is passed"),
    "a reference in a dict": (
        lambda: add({"x": add(1)}),
        "parameter 'a': a dict cannot hold values that are known only when the workflow runs\n  hint: pass each of "
        "them as an input of its own, or as a list",
    ),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_wrong_call_is_refused_in_words(case: str) -> None:
    call, message = BAD_CALLS[case]
    found = refused(lambda: nothing(call()))
    assert message in found
    assert "(test_fluent.py:" in found


def test_outputs_by_named_tuple_by_declaration_and_by_files() -> None:
    def wf() -> dict[str, Any]:
        scores, fitted, loaded = judge(), fit(), load()
        read(loaded.data)
        return {"a": scores.accuracy, "l": fitted.loss, "m": fitted.model, "f": loaded.folder, "r": loaded}

    workflow = built(wf)
    declared = {step.name: [(item.name, item.type, item.path) for item in step.outputs] for step in workflow.steps}
    assert declared == {
        "judge": [("accuracy", "float", ""), ("name", "str", "")],
        "fit": [("loss", "float", ""), ("names", "list[str]", ""), ("model", "file", "m.pkl")],
        "load": [("result", "int", ""), ("data", "file", "d.csv"), ("folder", "folder", "parts")],
        "read": [("result", "int", "")],
    }
    assert [(item.name, item.value, item.type) for item in workflow.outputs] == [
        ("a", ref("judge", "accuracy"), "float"), ("l", ref("fit", "loss"), "float"),
        ("m", ref("fit", "model"), "file"), ("f", ref("load", "folder"), "folder"), ("r", ref("load"), "int"),
    ]  # fmt: skip


def test_files_may_be_optional_and_come_from_outside() -> None:
    @couler.step
    def maybe(data: couler.InFile | None = None, log: couler.OutFile | None = couler.out("log.txt")) -> int:
        return 1

    def wf() -> None:
        read("s3://bucket/x.csv")
        maybe(load().data)
        maybe("x.csv")
        maybe(None)
        maybe()

    first, _, *others = built(wf).steps
    assert inputs(first) == {"data": ir.StoredFile(url="s3://bucket/x.csv")}
    assert [inputs(step) for step in others] == [
        {"data": ref("load", "data")}, {"data": ir.StoredFile(url="x.csv")}, {"data": const(None)}, {},
    ]  # fmt: skip
    assert [(item.name, item.type) for item in others[0].outputs] == [("result", "int"), ("log", "file")]


def test_an_unknown_output_offers_the_near_one() -> None:
    message = ""

    def wf() -> None:
        nonlocal message
        with pytest.raises(AttributeError) as caught:
            judge().acuracy  # noqa: B018
        message = str(caught.value)
        with pytest.raises(DefinitionError, match="has no output 'zzz'"):
            judge().output("zzz")

    built(wf)
    assert message.startswith("step 'judge' (test_fluent.py:")
    assert message.endswith("has no output 'acuracy'\n  hint: did you mean 'accuracy'?")


def test_tuples_unpack_and_items_are_accessed_by_path() -> None:
    def wf() -> None:
        number, word = pair()
        add(number)
        add(info()["deep"][0])
        assert "pair.result[1]" in repr(word)

    steps = built(wf).steps
    assert inputs(steps[1]) == {"a": ref("pair", "result", 0)}
    assert inputs(steps[3]) == {"a": ref("info", "result", "deep", 0)}


def test_or_else_and_first_of_name_what_comes_instead() -> None:
    def wf() -> Any:
        with couler.when(flag()):
            one = info()
        with couler.otherwise():
            two = info()
        add(one["x"].or_else(3))
        best = couler.first_of(one, two, default={"x": 4})
        return add(best["x"])

    steps = built(wf).steps
    assert inputs(steps[3]) == {"a": ref("info", "result", "x", default=const(3))}
    options = (ref("info", "result", "x"), ref("info-2", "result", "x"))
    assert inputs(steps[4]) == {"a": ir.FirstOf(options=options, default=const(4))}


def test_bad_defaults_and_joins_are_refused() -> None:
    assert "or_else takes a plain value" in refused(lambda: add(1).or_else(add(2)))
    assert "or_else: a value of type builtins.object is not JSON" in refused(lambda: add(1).or_else(object()))
    assert "couler.first_of needs at least one output" in refused(lambda: couler.first_of())
    assert "couler.first_of joins outputs of steps, and 3 is none" in refused(lambda: couler.first_of(3))
    assert "the default {} of couler.first_of has no part 'x'" in refused(
        lambda: couler.first_of(info(), default={})["x"]
    )


# --- attributes ------------------------------------------------------------------------------------------------

OPTIONS: dict[str, tuple[Any, str, Any]] = {
    "description": ("words", "description", "words"),
    "cpu": (2, "resources", ir.Resources(cpu=2)),
    "memory": ("1Gi", "resources", ir.Resources(memory="1Gi")),
    "gpu": (1, "resources", ir.Resources(gpu=1)),
    "resources": ("cpu=2, memory=4Gi", "resources", ir.Resources(cpu=2, memory="4Gi")),
    "retry": (3, "retry", ir.Retry(limit=3)),
    "timeout": ("1h30m", "timeout", 5400.0),
    "cache": (True, "cache", ir.CachePolicy()),
    "env": ({"A": "b"}, "env", (ir.EnvVar(name="A", value=const("b")),)),
    "secrets": (
        {"TOKEN": couler.secret("hub", "key")},
        "secrets",
        (ir.SecretUse(secret=ir.SecretRef(name="hub", key="key"), env="TOKEN"),),
    ),
    "volumes": ([{"path": "/d", "name": "claim"}], "volumes", (ir.Volume(path="/d", name="claim"),)),
    "allow_failure": (True, "allow_failure", True),
    "labels": ({"team": "x"}, "labels", {"team": "x"}),
    "service_account": ("bot", "service_account", "bot"),
    "working_dir": ("/w", "working_dir", "/w"),
    "sidecars": ([{"name": "db", "image": "redis:7"}], "sidecars", (ir.Sidecar(name="db", image="redis:7"),)),
    "engine_options": ({"argo": {"a": [1]}}, "engine_options", {"argo": {"a": (1,)}}),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_of_a_decorator_reaches_the_step(option: str) -> None:
    given, field, expected = OPTIONS[option]

    @couler.step(**{option: given})
    def work() -> int:
        return 1

    steps = built(lambda: nothing(add.with_(**{option: given})(1), add(1).with_(**{option: given}), work())).steps
    assert [getattr(step, field) for step in steps] == [expected] * 3


def test_image_and_packages_belong_to_the_task() -> None:
    task = built(lambda: nothing(add.with_(image="python:3.12", packages=["numpy>=2"])(1))).steps[0].task
    assert isinstance(task, ir.FunctionTask)
    assert (task.image, task.packages) == ("python:3.12", ("numpy>=2",))


BAD_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"retrys": 3}, "unknown option 'retrys'\n  hint: did you mean 'retry'?"),
    "retry": ({"retry": "3"}, "retry: '3' is neither a number of further attempts nor couler.retry(…)"),
    "negative retry": ({"retry": -1}, "'limit' cannot be -1: Input should be greater than or equal to 0"),
    "retry key": ({"retry": {"limt": 1}}, "'limt' is unknown; did you mean 'limit'?"),
    "duration": (
        {"timeout": "soon"},
        '\'soon\' is not a duration\n  hint: give seconds, a timedelta, or text such as "90s" or "1h30m"',
    ),
    "endless": ({"timeout": float("inf")}, "inf is not a duration"),
    "resources": ({"resources": "cpu=2,memory"}, "'cpu=2,memory' does not look like 'cpu=2,memory=4Gi'"),
    "resource key": ({"resources": {"cpus": 1}}, "'cpus' is unknown; did you mean 'cpu'?"),
    "cpu": ({"cpu": 0}, "resources: 'cpu' cannot be 0"),
    "memory": ({"memory": "much"}, "resources: 'memory' cannot be 'much'"),
    "env": ({"env": ["A"]}, "env: ['A'] is not a dict of variable name to value"),
    "env value": ({"env": {"A": object()}}, "env 'A': a value of type builtins.object is not JSON"),
    "env secret": ({"env": {"A": couler.secret("a", "b")}}, "env: 'A' is a secret"),
    "secret value": (
        {"secrets": {"A": "hunter2"}},
        "secrets: 'A' must be a reference, not a value of type str\n  hint: secrets={\"A\": couler.secret(",
    ),
    "flag": ({"allow_failure": 1}, "allow_failure: 1 is not True or False"),
    "image": ({"image": 3}, "image: 3 is not a string"),
    "packages": ({"packages": "numpy"}, "packages: 'numpy' is not a list"),
    "labels": ({"labels": {"a": 1}}, "labels: {'a': 1} is not a dict of strings"),
    "cache": ({"cache": "yes"}, "cache: 'yes' is neither True, False nor couler.CachePolicy(…)"),
    "parallelism": ({"parallelism": 0}, "parallelism: 0 is not a positive number of items at a time"),
    "engine_options": ({"engine_options": {"argo": 1}}, 'engine_options is a dict such as {"argo": {...}}'),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_a_wrong_option_is_refused_where_it_stands(case: str) -> None:
    given, message = BAD_OPTIONS[case]
    with pytest.raises(DefinitionError) as caught:
        couler.step(**given)(add.__wrapped__)
    assert message in str(caught.value)
    assert str(caught.value).startswith("step 'add' (test_fluent.py:")
    assert "hunter2" not in str(caught.value)


def test_a_changed_resource_leaves_the_others() -> None:
    large = couler.step(cpu=2, memory="1Gi")(add.__wrapped__)

    def wf() -> None:
        large.with_(cpu=4)(1)
        large(1).with_(memory="2Gi")

    assert [step.resources for step in built(wf).steps] == [
        ir.Resources(cpu=4, memory="1Gi"), ir.Resources(cpu=2, memory="2Gi"),
    ]  # fmt: skip


def test_what_a_task_has_no_place_for_is_refused() -> None:
    assert "a suspend has no image" in refused(lambda: couler.suspend("1m", image="x"))
    assert "a container has no packages" in refused(lambda: couler.run_container("a", packages=["numpy"]))


def test_names_are_given_before_and_after_the_call() -> None:
    def wf() -> None:
        add.named("first")(1)
        add(1).named("second")
        add(1)
        couler.step(name="third")(add.__wrapped__)(1)

    assert [step.name for step in built(wf).steps] == ["first", "second", "add", "third"]


def test_equal_given_names_show_both_lines() -> None:
    def wf() -> None:
        add(1).named("same")
        add(2).named("same")

    line = wf.__code__.co_firstlineno
    assert refused(wf) == (
        f"two steps are named 'same': at test_fluent.py:{line + 1} and at test_fluent.py:{line + 2}"
        "\n  hint: give one of them another name, or leave the name out"
    )


def test_made_names_make_room_for_given_ones() -> None:
    def wf() -> None:
        add(1)
        add(2).named("add-2")
        add(3)
        add(4).named("add")

    assert [step.name for step in built(wf).steps] == ["add-3", "add-2", "add-4", "add"]


# --- order -----------------------------------------------------------------------------------------------------


def test_order_by_after_and_by_arrows() -> None:
    def wf() -> None:
        a, b, c, d = add(1).named("a"), add(2).named("b"), add(3).named("c"), add(4).named("d")
        a >> [b, c]
        [b, c] >> d
        add(5).named("e").after(a, "b").after([c])
        a >> b

    assert {step.name: step.after for step in built(wf).steps} == {
        "a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ("a", "b", "c"),
    }  # fmt: skip


def test_statuses_of_steps_order_by_a_condition() -> None:
    def wf() -> None:
        a, b = add(1).named("a").with_(allow_failure=True), add(2).named("b")
        add(3).after(a.failed | ~b.skipped).after(b.ended & a.ended)

    def status(step: str, status: Any) -> ir.StatusIs:
        return ir.StatusIs(step=step, status=status)

    either = ir.AnyOf(parts=(status("a", "failed"), ir.Not(part=status("b", "skipped"))))
    assert built(wf).steps[2].after_condition == ir.AllOf(parts=(either, status("b", "ended"), status("a", "ended")))


def test_wrong_orders_are_refused() -> None:
    assert "cannot be ordered after 3" in refused(lambda: add(1).after(3))
    assert "the right side is no output of a step" in refused(lambda: add(1) >> 3)

    def inside() -> None:
        a = add(1)
        couler.map(lambda x: add(add(x).after(a)), [1])

    assert "which stands in another scope\n  hint: order the map, loop or sub-workflow" in refused(inside)


# --- branches --------------------------------------------------------------------------------------------------


def whens(workflow: ir.Workflow) -> dict[str, Any]:
    return {step.name: step.when for step in workflow.steps}


def test_when_and_otherwise_nest() -> None:
    def wf(x: int = 1) -> None:
        with couler.when(x > 1):
            add(1).named("a")
            with couler.when(x < 5) as branch:
                add(2).named("b")
            with couler.otherwise():
                add(3).named("c")
        with couler.otherwise():
            add(4).named("d")
        couler.when(x == 2, lambda: add(5).named("e"))
        couler.otherwise(lambda: add(6).named("f"))
        with branch.otherwise():
            add(7).named("g")

    def compare(operator: Any, value: int) -> ir.Compare:
        return ir.Compare(operator=operator, left=ir.ParameterRef(name="x"), right=const(value))

    one, five, two = compare(">", 1), compare("<", 5), compare("==", 2)
    assert whens(built(wf)) == {
        "a": one, "b": ir.AllOf(parts=(one, five)), "c": ir.AllOf(parts=(one, ir.Not(part=five))),
        "d": ir.Not(part=one), "e": two, "f": ir.Not(part=two), "g": ir.Not(part=five),
    }  # fmt: skip


def test_conditions_are_built_by_operators() -> None:
    def wf(names: list[str], x: int = 1, yes: bool = True) -> None:
        couler.when((x != 1) & (x <= 2) & (x >= 0) | ~yes, lambda: add(1))
        couler.when(text().in_(["a", "b"]), lambda: add(1))
        couler.when(couler.contains(names, "a"), lambda: add(1))
        couler.when(yes, lambda: add(1))
        couler.when(yes | False, lambda: add(1))
        couler.when(add(1).in_([x, add(2)]), lambda: add(1))

    found = [step.when for step in built(wf).steps if step.when is not None]
    x, yes = ir.ParameterRef(name="x"), ir.Truth(value=ir.ParameterRef(name="yes"))
    parts = tuple(
        ir.Compare(operator=operator, left=x, right=const(value))
        for operator, value in (("!=", 1), ("<=", 2), (">=", 0))
    )
    assert found[0] == ir.AnyOf(parts=(ir.AllOf(parts=parts), ir.Not(part=yes)))
    assert found[1] == ir.Compare(operator="in", left=ref("text"), right=const(["a", "b"]))
    assert found[2] == ir.Compare(operator="in", left=const("a"), right=ir.ParameterRef(name="names"))
    assert found[3] == yes
    assert found[4] == ir.AnyOf(parts=(yes, ir.Truth(value=const(False))))
    assert isinstance(found[5], ir.Compare)
    assert isinstance(found[5].right, ir.ListOf)


def test_a_misplaced_otherwise_is_refused() -> None:
    def twice(x: int = 1) -> None:
        with couler.when(x > 1):
            add(1)
        with couler.otherwise():
            add(2)
        with couler.otherwise():
            add(3)

    def in_an_exit_handler(x: int = 1) -> None:
        with couler.when(x > 1):
            add(1)
        with couler.on_exit(), couler.otherwise():
            add(2)

    def in_another_block(x: int = 1) -> None:
        with couler.when(x > 1), couler.when(x > 2):
            add(1)
        with couler.when(x > 3), couler.otherwise():
            add(2)

    for function in (twice, in_an_exit_handler, in_another_block, lambda: couler.otherwise()):
        assert "follows no couler.when of the same block" in refused(function)


def test_an_exception_in_a_branch_leaves_no_condition_behind() -> None:
    def wf(x: int = 1) -> None:
        with pytest.raises(ZeroDivisionError), couler.when(x > 1):
            1 / 0  # noqa: B018
        with pytest.raises(ZeroDivisionError):
            couler.map(lambda item: 1 / 0, [1])
        add(1)

    assert built(wf).steps[0].when is None


MISUSES: dict[str, tuple[Any, str]] = {
    "if": (lambda x: 1 if x else 2, "has no truth value while the workflow is built\n  hint: write `with couler.when"),
    "if condition": (lambda x: 1 if x > 1 else 2, "<condition x > 1> is decided only when the workflow runs"),
    "and": (lambda x: (x > 1) and (x < 2), "`and`, `or`, `not`, `if` and chains such as 0 < x < 1 ask for it now"),
    "or": (lambda x: (x > 1) or (x < 2), "use & | ~ with brackets"),
    "not": (lambda x: not (x > 1), "<condition x > 1> is decided only when the workflow runs"),
    "chain": (lambda x: 0 < x < 3, "chains such as 0 < x < 1"),
    "in a list": (lambda x: x in [1, 2], "<condition x == 1> is decided only"),
    "in": (lambda x: 1 in x, "cannot be decided yet\n  hint: write couler.contains(values, item) or x.in_(values)"),
    "f-string": (lambda x: f"rate {x}", "is no text yet, so it cannot stand in str() or an f-string\n  hint: write"),
    "format": (lambda x: f"{x:.2f}", "is no text yet"),
    "percent": (lambda x: "%s" % x, "is no text yet"),  # noqa: UP031
    "for": (lambda x: [y for y in x], "cannot be iterated while the workflow is built"),  # noqa: C416
    "len": (lambda x: len(x), "the length of <x: int> is known only when the workflow runs"),
    "plus": (lambda x: 1 + x, "has no arithmetic while the workflow is built\n  hint: compute it in a step"),
    "sum": (lambda x: sum([x, x]), "has no arithmetic"),
    "minus": (lambda x: -x, "has no arithmetic"),
    "modulo": (lambda x: 7 % x, "has no arithmetic"),
    "round": (lambda x: round(x), "has no arithmetic"),
    "float": (lambda x: float(x), "has no arithmetic"),
    "range": (lambda x: range(x), "has no arithmetic"),
    "index": (lambda x: x[1.5], "can be indexed by a string or a number, not by 1.5"),
    "slice": (lambda x: x[1:], "can be indexed by a string or a number"),
    "compared conditions": (lambda x: (x > 1) == True, "cannot be compared\n  hint: combine conditions"),  # noqa: E712
    "no condition": (lambda x: couler.when(3), "3 is not a condition"),
    "in no list": (lambda x: x.in_("abc"), "<x: int>.in_: 'abc' is not a list"),
    "concurrent": (lambda x: couler.concurrent(3), "couler.concurrent needs a list of functions, not 3"),
    "kinds of errors": (lambda x: couler.retry(1, errors=[3]), "retry: 'on.errors.0' cannot be 3"),
    "no list": (lambda x: add.map("abc"), "'abc' is not a list"),
    "half a condition": (
        lambda x: couler.when(couler.equal("a"), lambda: add(1)),
        "<condition … == 'a'> has one side only, which is for couler.exec_while",
    ),
}


@pytest.mark.parametrize("case", MISUSES)
def test_python_that_asks_for_a_value_too_early_is_refused_with_help(case: str) -> None:
    misuse, message = MISUSES[case]

    def wf(x: int) -> None:
        misuse(x)

    assert message in refused(wf)


# --- maps ------------------------------------------------------------------------------------------------------


def test_map_by_position_by_name_and_in_step() -> None:
    def wf(values: list[int] = [1]) -> Any:  # noqa: B006
        one = add.map([1, 2], b=5, parallelism=2)
        add.map(a=couler.each(one), b=3)
        three = add.map(one, values)
        return total(three)

    one, two, three, reducer = built(wf).steps
    item = ir.ItemRef
    assert one.foreach == ir.ForEach(lists={"a": const([1, 2])}, parallelism=2)
    assert inputs(one) == {"a": item(name="a"), "b": const(5)}
    assert two.foreach == ir.ForEach(lists={"a": ref("add")})
    assert three.foreach == ir.ForEach(lists={"a": ref("add"), "b": ir.ParameterRef(name="values")})
    assert inputs(reducer) == {"values": ref("add-3")}
    assert reducer.inputs[0].type == "list[int]"


def test_files_of_a_mapped_step_are_a_list_of_files() -> None:
    def wf() -> None:
        trained = fit.map if False else load
        files = couler.map(lambda n: trained(), [1, 2])
        read_all(files.data, files)
        read.map(files.data)

    steps = built(wf).steps
    assert {item.name: item.type for item in steps[1].inputs} == {"files": "list[file]", "numbers": "list[int]"}


def test_map_over_a_function_of_one_step_is_a_map_of_that_step() -> None:
    def wf() -> None:
        couler.map(lambda x: add(x, 2), [1, 2])

    (step,) = built(wf).steps
    assert (step.name, step.foreach) == ("add", ir.ForEach(lists={"x": const([1, 2])}))
    assert inputs(step) == {"a": ir.ItemRef(name="x"), "b": const(2)}


def test_a_group_in_a_map_captures_what_is_outside() -> None:
    def wf(base: int = 1) -> Any:
        outer = info()

        def body(x: Any, y: Any, scale: int) -> Any:
            first = add(x, outer["n"])
            with couler.when(first > base):
                inner = add.map([1, 2], b=y)
            return {"sum": total(inner), "first": first, "scale": add(scale)}

        results = couler.map(body, [1, 2], [3, 4], scale=7)
        return total(results.sum)

    workflow = built(wf)
    group = workflow.steps[1]
    assert isinstance(group.task, ir.GroupTask)
    assert group.foreach == ir.ForEach(lists={"x": const([1, 2]), "y": const([3, 4])})
    assert inputs(group) == {
        "x": ir.ItemRef(name="x"), "y": ir.ItemRef(name="y"), "info_result__n": ref("info", "result", "n"),
        "base": ir.ParameterRef(name="base"),
    }  # fmt: skip
    assert [item.name for item in group.task.outputs] == ["sum", "first", "scale"]
    assert inputs(workflow.steps[2]) == {"values": ref("body", "sum")}


def test_maps_nest_and_map_sub_workflows_with_defaults() -> None:
    @couler.workflow
    def sub(x: int, y: int = 5) -> Any:
        return add(x, y)

    def wf() -> Any:
        table = couler.map(lambda row: couler.map(lambda cell: add(add(cell, row)), [1, 2]), [10, 20])
        couler.map(total, table)
        return total(sub.map([1, 2], y=3)), sub.map([1])

    steps = built(wf).steps
    assert isinstance(steps[0].task, ir.GroupTask)
    mapped = next(step for step in steps if step.name == "sub-2")
    assert isinstance(mapped.task, ir.GroupTask)
    assert [(item.name, item.default) for item in mapped.task.parameters] == [("x", None), ("y", const(5))]


BAD_MAPS: dict[str, tuple[Any, str]] = {
    "no list": (lambda: add.map(b=1), "map needs a list"),
    "too many": (lambda: add.map([1], [2], [3]), "takes 2 inputs, and map was given 3 lists"),
    "twice": (lambda: add.map([1], a=2), "map got 'a' twice"),
    "missing": (lambda: couler.map(lambda a, b: add(a, b), [1]), "missing a required argument: 'b'"),
    "unknown": (lambda: couler.map(lambda a: add(a), [1], c=2), "got an unexpected keyword argument 'c'"),
    "gathering": (lambda: couler.map(lambda *a: add(1), [1]), "takes *args or **kwargs"),
    "nothing": (lambda: couler.map(lambda: add(1)), "map needs a list"),
}


@pytest.mark.parametrize("case", BAD_MAPS)
def test_a_wrong_map_is_refused(case: str) -> None:
    call, message = BAD_MAPS[case]
    assert message in refused(lambda: nothing(call()))


# --- loops -----------------------------------------------------------------------------------------------------


def test_loops_over_a_step_and_over_a_group() -> None:
    @couler.step(outputs={"model": str, "loss": float})
    def improve(model: str) -> dict[str, Any]:
        return {}

    def wf(goal: float = 0.1) -> Any:
        best = couler.loop(
            improve, "start", until=lambda out: out.loss < goal, max_iterations=9, carry={"model": "model"}
        )

        def body(model: str) -> Any:
            better = improve(improve(model).model)
            return {"model": better.model, "loss": better.loss}

        again = couler.loop(
            body, best.model, while_=lambda out: out.loss > goal, max_iterations=3, carry={"model": "model"}
        )
        couler.loop(add, 1, while_=lambda out: out < 3, max_iterations=2)
        return again.loss

    one, two, three = built(wf).steps
    loss, goal = ir.LoopOutputRef(output="loss"), ir.ParameterRef(name="goal")
    assert one.loop == ir.Loop(
        condition=ir.Not(part=ir.Compare(operator="<", left=loss, right=goal)),
        max_iterations=9,
        carry={"model": "model"},
    )
    assert two.loop == ir.Loop(
        condition=ir.Compare(operator=">", left=loss, right=goal), max_iterations=3, carry={"model": "model"}
    )
    assert isinstance(two.task, ir.GroupTask)
    assert three.loop is not None
    assert three.loop.condition == ir.Compare(operator="<", left=ir.LoopOutputRef(), right=const(3))


def test_wrong_loops_are_refused() -> None:
    assert "needs either while_= or until=" in refused(lambda: couler.loop(add, 1, max_iterations=3))
    assert "max_iterations must be a positive number, not 0" in refused(
        lambda: couler.loop(add, 1, max_iterations=0, until=lambda out: out > 1)
    )
    with pytest.raises(AttributeError, match="the loop's body has no output 'zzz'"):
        couler.workflow(lambda: couler.loop(add, 1, max_iterations=3, until=lambda out: out.zzz > 1)).build()


# --- sub-workflows, exit handlers, parameters ------------------------------------------------------------------


@couler.workflow
def inner(x: int, y: int = 2) -> Any:
    return {"sum": add(x, y), "x": x}


def test_a_workflow_called_inside_another_is_a_group() -> None:
    def wf() -> Any:
        result = inner(add(1))
        return result.sum

    step = built(wf).steps[1]
    assert isinstance(step.task, ir.GroupTask)
    assert inputs(step) == {"x": ref("add")}
    assert [item.name for item in step.task.parameters] == ["x", "y"]


def test_a_wrong_call_of_a_sub_workflow_is_refused() -> None:
    assert "needs a value for: x" in refused(lambda: inner())
    assert "has no parameter 'z'" in refused(lambda: inner(1, z=2))
    assert "takes 2 parameters, and 3 were given" in refused(lambda: inner(1, 2, 3))
    assert "parameter 'x' is given twice" in refused(lambda: inner(1, x=2))


def test_a_call_with_values_outside_of_a_workflow_binds_parameters() -> None:
    bound = inner(5)
    assert [item.default for item in bound.build().parameters] == [const(5), const(2)]


def test_exit_handlers_read_the_run() -> None:
    @couler.step
    def tell(status: str, failed: list[str], number: int) -> None: ...

    def wf() -> None:
        number = add(1)
        with couler.on_exit("failure"):
            tell(couler.run_status(), couler.failed_steps(), number)
        with couler.on_exit():
            couler.run_container("a", ["echo", couler.run_id(), couler.workflow_name()])

    handlers = built(wf).exit_handlers
    assert [(handler.step.name, handler.on) for handler in handlers] == [("tell", "failure"), ("container", "always")]
    assert inputs(handlers[0].step)["status"] == ir.RunRef(field="status")


def test_misplaced_exit_handlers_are_refused() -> None:
    def handler(event: Any = "always") -> None:
        with couler.on_exit(event):
            add(1)

    assert "unknown event 'failed'\n  hint: did you mean 'failure'?" in refused(lambda: handler("failed"))
    assert "stands inside another block" in refused(lambda: couler.map(lambda x: handler(), [1]))
    assert "stands inside another block" in refused(lambda: couler.when(flag(), handler))


def test_concurrent_gives_what_each_function_gave() -> None:
    def wf() -> Any:
        one, two = couler.concurrent([lambda: add(1), lambda: add(2)])
        three, four = couler.concurrent([lambda: add(one), lambda: add(add(two))], subtasks=True)
        return total([one, two, three, four])

    workflow = built(wf)
    assert [step.name for step in workflow.steps] == ["add", "add-2", "concurrent", "concurrent-2", "total"]
    assert inputs(workflow.steps[-1]) == {
        "values": ir.ListOf(items=(ref("add"), ref("add-2"), ref("concurrent"), ref("concurrent-2")))
    }
    assert "couler.concurrent needs functions, and 3 is none" in refused(lambda: couler.concurrent([3]))


def test_parameters_come_from_the_signature() -> None:
    def wf(
        rate: float,
        names: list[str],
        kind: Literal["a", "b"] = "a",
        seed: int | None = None,
        size: int = couler.param(3, help="how many", choices=[3, 5]),
        any_thing=None,
    ) -> None:
        """One line.

        Args:
            rate: How fast.
            kind (str): Which one.
            size: Not this one.
        """

    assert [(p.name, p.type, p.default, p.help, p.choices) for p in built(wf).parameters] == [
        ("rate", "float", None, "How fast.", ()),
        ("names", "list[str]", None, "", ()),
        ("kind", "str", const("a"), "Which one.", ("a", "b")),
        ("seed", "int|null", const(None), "", ()),
        ("size", "int", const(3), "how many", (3, 5)),
        ("any_thing", "any", const(None), "", ()),
    ]
    assert built(wf).description == "One line."


def test_signatures_that_no_step_can_have_are_refused() -> None:
    def gathering(*values: int) -> int:
        return 1

    def positional(x: int, /) -> int:
        return x

    def objects(x: TypeAdapter[int]) -> int:
        return 1

    def unknown(x: "Unknown") -> int:  # type: ignore[name-defined]  # noqa: F821
        return 1

    def misspelt(x: "couler.Infile") -> int:  # type: ignore[name-defined]
        return 1

    def broken(x: "list[") -> int:  # type: ignore[syntax]  # noqa: F722
        return 1

    expected = {
        gathering: "takes *values, and the inputs of a step have names",
        positional: "parameter 'x' is positional-only",
        objects: "has the type pydantic.type_adapter.TypeAdapter, and values between steps are JSON",
        unknown: "an annotation uses the unknown name 'Unknown'",
        misspelt: "an annotation cannot be read: module 'couler' has no attribute 'Infile'",
        broken: "an annotation cannot be read",
    }
    for function, message in expected.items():
        assert message in refused(_calling(function)), function.__name__


def _calling(function: Any) -> Any:
    return lambda: nothing(couler.step(function)(1))


def test_settings_of_a_workflow_are_checked() -> None:
    workflow = built(
        lambda: nothing(add(1)), defaults={"retry": 2, "env": {"A": "b"}, "cpu": 1}, on_failure="continue",
        schedule="0 3 * * *", parallelism=4, timeout="2h", labels={"a": "b"}, engine_options={"argo": {}},
    )  # fmt: skip
    assert workflow.defaults.retry == ir.Retry(limit=2)
    assert workflow.schedule == ir.Schedule(cron=("0 3 * * *",))
    assert (workflow.on_failure, workflow.parallelism, workflow.timeout) == ("continue", 4, 7200)
    bad: dict[str, tuple[Any, str]] = {
        "timeuot": (1, "unknown setting 'timeuot'\n  hint: did you mean 'timeout'?"),
        "on_failure": ("go", "on_failure: 'go' is neither 'stop' nor 'continue'"),
        "schedule": (3, "schedule: 3 is neither a cron expression nor couler.schedule(…)"),
        "defaults": ({"name": "x"}, "defaults: 'name' cannot be a default"),
    }
    for name, (value, message) in bad.items():
        with pytest.raises(DefinitionError) as caught:
            couler.workflow(**{name: value})(lambda: None)
        assert message in str(caught.value)
    with pytest.raises(DefinitionError, match="'concurrency' cannot be 'sometimes'"):
        couler.schedule("0 3 * * *", concurrency="sometimes")


def test_a_workflow_in_a_with_block() -> None:
    with couler.new_workflow("daily", timeout=60) as building:
        size = building.parameter("size", "int", 3, help="how many")
        building.set_outputs({"sum": add(size)})
    workflow = building.build()
    assert problems(workflow) == ()
    assert (workflow.name, workflow.timeout) == ("daily", 60)
    with pytest.raises(DefinitionError, match="the parameter 'size' is declared twice"):
        building.parameter("size")


# --- scopes ----------------------------------------------------------------------------------------------------


def test_an_output_from_inside_a_map_is_refused_outside() -> None:
    def wf() -> None:
        kept = []

        def body(x: Any) -> Any:
            kept.append(add(x))
            return add(kept[0])

        couler.map(body, [1])
        add(kept[0])

    message = refused(wf)
    assert message.startswith("step 'add'")
    assert "<output add.result> belongs to the body of 'body' (test_fluent.py:" in message
    assert "return it from the function that builds that scope" in message


def test_an_output_of_another_workflow_is_refused() -> None:
    with couler.new_workflow("one"):
        stray = add(1)
    with couler.new_workflow("two") as two:
        add(stray)
    with pytest.raises(DefinitionError) as caught:
        two.build()
    assert "<output add.result> belongs to workflow 'one' and cannot be used in workflow 'two'" in str(caught.value)


def test_what_a_workflow_returns_must_be_values() -> None:
    assert "returns as 'result': a value of type builtins.object is not JSON" in refused(lambda: object())
    assert [item.name for item in built(lambda: 3).outputs] == ["result"]


def test_a_workflow_that_calls_itself_is_refused() -> None:
    @couler.workflow
    def endless(x: int = 1) -> None:
        endless(x)

    with pytest.raises(DefinitionError) as caught:
        endless.build()
    assert str(caught.value).startswith("workflow 'endless' (test_fluent.py:")
    assert str(caught.value).endswith(
        "calls itself without end\n  hint: repeat steps with couler.loop or couler.exec_while"
    )


def test_names_and_outputs_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(DefinitionError, match="3 is not a name"):
        couler.workflow(name=3)(lambda: None)  # type: ignore[call-overload]
    assert "'name' cannot be 3" in refused(lambda: couler.step(name=3)(add.__wrapped__)(1))  # type: ignore[call-overload]
    assert "3 is not a name" in refused(lambda: add(1).named(3))  # type: ignore[arg-type]
    assert "outputs: ['a'] is not a dict of name to type" in refused(
        lambda: couler.step(outputs=["a"])(add.__wrapped__)(1)  # type: ignore[call-overload]
    )
