"""What a workflow means, line by line, on the engine that says so: the local one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import couler


@couler.step
def give(value: Any) -> Any:
    return value


@couler.step
def boom(message: str = "boom") -> int:
    raise RuntimeError(message)


@couler.step
def add(a: int, b: int) -> int:
    return a + b


@couler.step
def total(values: list[Any]) -> Any:
    return sum(value or 0 for value in values)


@couler.step
def collect(values: list[Any]) -> list[Any]:
    return values


@couler.step
def fail_on(value: int, bad: int) -> int:
    if value == bad:
        raise ValueError(f"{value} is bad")
    return value * 10


@couler.step
def count_up(ledger: str, text: str) -> int:
    from pathlib import Path

    path = Path(ledger)
    lines = [*(path.read_text().splitlines() if path.exists() else []), text]
    path.write_text("\n".join(lines))
    return len(lines)


Build = Callable[[], Any]


def _run(tmp_path: Path, build: Build, **settings: Any) -> couler.Run:
    """Run what a function declares, as a workflow of its own."""
    with couler.new_workflow("case", **settings) as building:
        building.set_outputs(build())
    return couler.run(building, root=tmp_path / "state")


def _statuses(run: couler.Run) -> dict[str, str]:
    return {path: step.status for path, step in run.steps.items()}


# --- values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**70,
        1.0,
        1e308,
        5e-324,
        "",
        "5",
        "y",
        "1e3",
        "null",
        " spaces ",
        "{{workflow.name}} {{=1+1}} $(params.x) $(tasks.a.results.b) ${HOME} `id` %s",
        "quotes ' \" ''' \"\"\" \\ \\n",
        "line\nbreak\r\nand tab\t\x00\x01\x1b[31m",
        "grüße 日本語 العربية 🙂 \u200b \ufeff",
        [],
        {},
        [1, "1", 1.0, None, [True, {}]],
        {"a": {"b": [1, 2, {"c": None}]}, "": "empty key", "ключ": 1},
    ],
    ids=repr,
)
def test_a_value_arrives_unchanged(tmp_path: Path, value: Any) -> None:
    run = _run(tmp_path, lambda: give(give(value)))

    assert run.status == "succeeded", run.record.message
    assert json.dumps(run.result) == json.dumps(value), "same value and same type"


def test_a_large_value_within_the_limit_arrives(tmp_path: Path) -> None:
    run = _run(tmp_path, lambda: give("x" * 500_000))

    assert run.result == "x" * 500_000


def test_the_number_five_and_the_text_five_are_different(tmp_path: Path) -> None:
    def build() -> Any:
        number, text = give(5), give("5")
        with couler.when(number == text):
            give("equal").named("equal")
        with couler.when(number == 5.0):
            give("same number").named("same-number")

    assert _statuses(_run(tmp_path, build))["equal"] == "skipped"
    assert _statuses(_run(tmp_path, build))["same-number"] == "succeeded"


def test_standard_output_loses_one_trailing_newline_only(tmp_path: Path) -> None:
    def build() -> Any:
        return couler.run_container("alpine:3.20", ["printf"], ["%s\n\n", "two"])

    assert _run(tmp_path, build).result == "two\n"


def test_arguments_of_a_command_arrive_unchanged(tmp_path: Path) -> None:
    nasty = "a b'c\"d\\e$(id)`id`{{x}}*\n;|&é🙂"

    def build() -> Any:
        return couler.run_container("alpine:3.20", ["printf", "%s"], [give(nasty)])

    assert _run(tmp_path, build).result == nasty


def test_a_declared_value_output_is_read_from_its_file(tmp_path: Path) -> None:
    def build() -> Any:
        place = couler.create_parameter_artifact("out/number.txt", type="int")
        made = couler.run_script(source="mkdir -p out; printf 41 > out/number.txt", command="sh", output=place)
        return add(made, 1)

    assert _run(tmp_path, build).result == 42


def test_parts_of_a_value_are_taken_by_key_and_index(tmp_path: Path) -> None:
    def build() -> Any:
        record = give({"scores": [{"x": 1}, {"x": 2}]})
        return add(record["scores"][0]["x"], record["scores"][1]["x"])

    assert _run(tmp_path, build).result == 3


def test_a_list_of_outputs_becomes_a_list_of_values(tmp_path: Path) -> None:
    assert _run(tmp_path, lambda: collect([give(1), give("two"), 3, [give(4)]])).result == [1, "two", 3, [4]]


def test_concat_joins_texts_and_values(tmp_path: Path) -> None:
    def build() -> Any:
        text = couler.concat("--rate=", give(0.5), " --list=", give([1, "a"]))
        return couler.run_container("alpine:3.20", ["printf", "%s"], [text])

    assert _run(tmp_path, build).result == '--rate=0.5 --list=[1,"a"]'


# --- order, conditions, skips ----------------------------------------------------------------------------------


def test_a_false_condition_skips_and_what_needs_the_value_is_skipped_too(tmp_path: Path) -> None:
    def build() -> Any:
        with couler.when(give(1) > 2):
            skipped = give("no").named("no")
        give(skipped).named("needs")
        give("ran").named("only-after").after(skipped)

    statuses = _statuses(_run(tmp_path, build))

    assert statuses["no"] == "skipped"
    assert statuses["needs"] == "skipped"
    assert statuses["only-after"] == "succeeded"


def test_a_default_stands_in_for_a_skipped_output(tmp_path: Path) -> None:
    def build() -> Any:
        with couler.when(give(False)):
            skipped = give(7)
        return add(skipped.or_else(1), 1)

    assert _run(tmp_path, build).result == 2


@pytest.mark.parametrize(("flag", "expected"), [(True, "then"), (False, "else")])
def test_first_of_joins_the_branches(tmp_path: Path, flag: bool, expected: str) -> None:
    def build() -> Any:
        with couler.when(give(flag)):
            a = give("then")
        with couler.otherwise():
            b = give("else")
        return give(couler.first_of(a, b))

    assert _run(tmp_path, build).result == expected


def test_first_of_nothing_takes_its_default_or_skips(tmp_path: Path) -> None:
    def build() -> Any:
        with couler.when(give(False)):
            a, b = give(1), give(2)
        give(couler.first_of(a, b)).named("without")
        return give(couler.first_of(a, b, default="none")).named("with")

    run = _run(tmp_path, build)

    assert _statuses(run)["without"] == "skipped"
    assert run.result == "none"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (lambda x: x == 5, True),
        (lambda x: x != 5, False),
        (lambda x: x < 5.5, True),
        (lambda x: x <= 5, True),
        (lambda x: x > 10, False),
        (lambda x: x >= 5, True),
        (lambda x: x.in_([1, 5]), True),
        (lambda x: x.in_(["5"]), False),
        (lambda x: (x > 1) & (x < 4), False),
        (lambda x: (x > 1) | (x < 4), True),
        (lambda x: ~(x > 1), False),
        (lambda x: (x > 1) & ~((x == 3) | (x == 4)), True),
    ],
)
def test_conditions(tmp_path: Path, condition: Callable[[Any], Any], holds: bool) -> None:
    def build() -> Any:
        with couler.when(condition(give(5))):
            give("ran").named("guarded")

    assert _statuses(_run(tmp_path, build))["guarded"] == ("succeeded" if holds else "skipped")


def test_comparing_numbers_with_text_by_size_fails_the_step_with_both_types(tmp_path: Path) -> None:
    def build() -> Any:
        with couler.when(give("5") > 3):
            give("x").named("guarded")

    run = _run(tmp_path, build)

    assert run.status == "failed"
    assert "str" in run.steps["guarded"].message
    assert "int" in run.steps["guarded"].message


def test_nested_branches_need_both_conditions(tmp_path: Path) -> None:
    def build() -> Any:
        x = give(5)
        with couler.when(x > 1):
            with couler.when(x > 9):
                give("big").named("big")
            with couler.otherwise():
                give("middle").named("middle")

    statuses = _statuses(_run(tmp_path, build))

    assert (statuses["big"], statuses["middle"]) == ("skipped", "succeeded")


# --- failures --------------------------------------------------------------------------------------------------


def test_a_failure_fails_the_run_and_nothing_new_starts(tmp_path: Path) -> None:
    def build() -> Any:
        failed = boom("on purpose")
        give(failed).named("needs")
        give(1).named("later").after(failed)

    run = _run(tmp_path, build)

    assert run.status == "failed"
    assert "on purpose" in run.record.message
    assert _statuses(run) == {"boom": "failed", "needs": "cancelled", "later": "cancelled"}


def test_with_continue_independent_branches_go_on(tmp_path: Path) -> None:
    def build() -> Any:
        failed = boom()
        give(failed).named("needs")
        first = give(1).named("first")
        give(first).named("second").after(first)

    run = _run(tmp_path, build, on_failure="continue")

    assert run.status == "failed"
    assert _statuses(run)["second"] == "succeeded"
    assert _statuses(run)["needs"] == "cancelled"


def test_an_allowed_failure_is_an_outcome_that_others_test(tmp_path: Path) -> None:
    def build() -> Any:
        risky = boom().with_(allow_failure=True)
        give("mended").named("mend").after(risky.failed)
        give("fine").named("fine").after(risky.succeeded)

    run = _run(tmp_path, build)

    assert run.status == "succeeded"
    assert _statuses(run) == {"boom": "failed", "mend": "succeeded", "fine": "skipped"}


@pytest.mark.parametrize(
    ("expression", "ran"), [("A && (B.Failed || C)", True), ("A && B.Succeeded", False), ("!B.Failed", False)]
)
def test_status_expressions(tmp_path: Path, expression: str, ran: bool) -> None:
    def build() -> Any:
        couler.set_dependencies(lambda: give(1).named("A"))
        couler.set_dependencies(lambda: boom().named("B").with_(allow_failure=True))
        couler.set_dependencies(lambda: give(1).named("C"))
        couler.set_dependencies(lambda: give(1).named("D"), expression)

    assert _statuses(_run(tmp_path, build))["D"] == ("succeeded" if ran else "skipped")


def test_plain_after_is_satisfied_by_a_skip(tmp_path: Path) -> None:
    def build() -> Any:
        with couler.when(give(False)):
            skipped = give(1).named("skipped")
        give(2).named("next").after(skipped)

    assert _statuses(_run(tmp_path, build))["next"] == "succeeded"


def test_retry_succeeds_at_the_third_try(tmp_path: Path) -> None:
    @couler.step(retry=3)
    def flaky(ledger: str) -> int:
        from pathlib import Path

        tries = len(Path(ledger).read_text()) if Path(ledger).exists() else 0
        Path(ledger).write_text("x" * (tries + 1))
        if tries < 2:
            raise OSError("not yet")
        return tries + 1

    run = _run(tmp_path, lambda: flaky(str(tmp_path / "ledger")))

    assert run.result == 3
    assert run.steps["flaky"].attempts == 3


def test_retry_only_on_the_named_errors(tmp_path: Path) -> None:
    run = _run(tmp_path, lambda: boom().with_(retry=couler.retry(5, errors=[ValueError])))

    assert run.status == "failed"
    assert run.steps["boom"].attempts == 1


def test_a_timeout_fails_the_attempt(tmp_path: Path) -> None:
    def build() -> Any:
        return couler.run_container("alpine:3.20", ["sleep", "30"], timeout=0.3, step_name="slow")

    run = _run(tmp_path, build)

    assert run.status == "failed"
    assert "0.3" in run.steps["slow"].message


# --- exit handlers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fails", "expected"), [(False, ["always", "success"]), (True, ["always", "failure"])])
def test_exit_handlers_run_by_outcome_and_know_it(tmp_path: Path, fails: bool, expected: list[str]) -> None:
    def build() -> Any:
        (boom if fails else give)("x").named("main")
        for event in ("always", "success", "failure"):
            with couler.on_exit(event):  # type: ignore[arg-type]
                collect([couler.run_status(), couler.failed_steps()]).named(event)

    run = _run(tmp_path, build)

    ran = sorted(path for path, status in _statuses(run).items() if status == "succeeded" and path != "main")
    assert ran == expected
    assert run.output("result", step="always") == (["failed", ["main"]] if fails else ["succeeded", []])


def test_a_failing_exit_handler_changes_nothing(tmp_path: Path) -> None:
    def build() -> Any:
        made = give(1)
        with couler.on_exit():
            boom().named("handler")
        return made

    run = _run(tmp_path, build)

    assert run.status == "succeeded"
    assert run.result == 1
    assert _statuses(run)["handler"] == "failed"


def test_an_exit_handler_reads_outputs_that_exist(tmp_path: Path) -> None:
    def build() -> Any:
        made = give("made").named("made")
        failed = boom().after(made)
        with couler.on_exit():
            give(made).named("reads")
            give(failed).named("cannot")
            give(failed.or_else("nothing")).named("defaulted")

    run = _run(tmp_path, build)

    assert run.output("result", step="reads") == "made"
    assert _statuses(run)["cannot"] == "skipped"
    assert run.output("result", step="defaulted") == "nothing"


# --- map and loop ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 3, 300])
def test_a_map_gathers_in_item_order(tmp_path: Path, size: int) -> None:
    run = _run(tmp_path, lambda: collect(add.map(list(range(size)), b=1)))

    assert run.result == list(range(1, size + 1))


def test_a_map_over_a_list_known_at_run_time(tmp_path: Path) -> None:
    assert _run(tmp_path, lambda: total(add.map(give([1, 2, 3]), b=10))).result == 36


def test_an_empty_list_gives_an_empty_list_and_the_reducer_runs(tmp_path: Path) -> None:
    run = _run(tmp_path, lambda: total(add.map(give([]), b=10)))

    assert run.result == 0
    assert _statuses(run)["total"] == "succeeded"


def test_a_map_over_tuples_of_lists(tmp_path: Path) -> None:
    assert _run(tmp_path, lambda: add.map([1, 2], give([10, 20]))).result == [11, 22]


def test_lists_of_different_length_fail_the_map(tmp_path: Path) -> None:
    run = _run(tmp_path, lambda: add.map(give([1, 2, 3]), give([1])).named("zip"))

    assert run.status == "failed"
    assert "3" in run.steps["zip"].message
    assert "1" in run.steps["zip"].message


def test_one_failed_item_fails_the_map(tmp_path: Path) -> None:
    run = _run(tmp_path, lambda: total(fail_on.map([1, 2, 3], bad=2)))

    assert run.status == "failed"
    assert _statuses(run)["fail_on"] == "failed"
    assert _statuses(run)["fail_on[1]"] == "failed"
    assert "2 is bad" in run.record.message


def test_allowed_failures_of_items_are_null(tmp_path: Path) -> None:
    run = _run(tmp_path, lambda: collect(fail_on.map([1, 2, 3], bad=2).with_(allow_failure=True)))

    assert run.status == "succeeded"
    assert run.result == [10, None, 30]


def test_a_map_of_a_group_uses_values_from_outside(tmp_path: Path) -> None:
    def build() -> Any:
        offset = give(100)
        return collect(couler.map(lambda x: add(add(x, offset), 1), [1, 2]))

    run = _run(tmp_path, build)

    assert run.result == [102, 103]


def test_a_map_inside_a_map(tmp_path: Path) -> None:
    run = _run(tmp_path, lambda: couler.map(lambda row: total(add.map(row, b=1)), [[1, 2], [], [3]]))

    assert run.result == [5, 0, 4]


def test_items_can_be_skipped_one_by_one(tmp_path: Path) -> None:
    def body(x: Any) -> Any:
        with couler.when(x > 1):
            big = give(x)
        return give(couler.first_of(big, default="small"))

    assert _run(tmp_path, lambda: couler.map(body, [1, 2])).result == ["small", 2]


def test_a_loop_runs_at_least_once_and_ends_when_the_condition_does(tmp_path: Path) -> None:
    ledger = str(tmp_path / "ledger")

    def build() -> Any:
        return couler.loop(count_up, ledger, "round", until=lambda n: n >= 3, max_iterations=10)

    run = _run(tmp_path, build)

    assert run.result == 3
    assert Path(ledger).read_text().splitlines() == ["round"] * 3


def test_a_loop_that_reaches_its_bound_fails_and_says_so(tmp_path: Path) -> None:
    run = _run(tmp_path, lambda: couler.loop(give, 1, until=lambda n: n > 5, max_iterations=2).named("again"))

    assert run.status == "failed"
    assert "2" in run.steps["again"].message
    assert "again#1" in run.steps


def test_a_loop_carries_outputs_into_the_next_round(tmp_path: Path) -> None:
    def build() -> Any:
        return couler.loop(add, 1, 5, until=lambda n: n > 20, max_iterations=10, carry={"a": "result"})

    assert _run(tmp_path, build).result == 21


def test_a_loop_over_a_group_with_a_bound_that_is_exactly_enough(tmp_path: Path) -> None:
    def body(x: Any) -> Any:
        return {"x": add(x, 1), "done": give(True)}

    def build() -> Any:
        return couler.loop(body, 0, until=lambda out: out.x >= 3, max_iterations=3, carry={"x": "x"})

    assert _run(tmp_path, build).result == 3


def test_a_sub_workflow_gives_its_outputs(tmp_path: Path) -> None:
    @couler.workflow
    def inner(a: int, b: int = 10):
        return {"sum": add(a, b), "twice": add(a, a)}

    def build() -> Any:
        part = inner(give(1))
        return add(part.output("sum"), part.twice)

    run = _run(tmp_path, build)

    assert run.result == 13
    assert "inner/add" in run.steps


# --- files -----------------------------------------------------------------------------------------------------


@couler.step
def write(text: str, note: couler.OutFile = couler.out("note.txt")) -> int:
    note.write_text(text, encoding="utf-8")
    return len(text)


@couler.step
def read(note: couler.InFile) -> str:
    return note.read_text(encoding="utf-8")


@couler.step
def read_all(notes: list[couler.InFile]) -> list[str]:
    return [note.read_text(encoding="utf-8") for note in notes]


@couler.step
def make_tree(tree: couler.OutFolder = couler.out("tree")) -> None:
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "deep" / "er" / "ü.txt").write_text("inside")
    (tree / "empty").mkdir()


@couler.step
def list_tree(tree: couler.InFolder) -> list[str]:
    return sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*"))


def test_a_file_travels_through_several_steps(tmp_path: Path) -> None:
    def build() -> Any:
        first = write("grüße\n")
        second = write(read(first.note))
        return read(second.note)

    assert _run(tmp_path, build).result == "grüße\n"


def test_a_folder_travels_with_its_empty_folders(tmp_path: Path) -> None:
    run = _run(tmp_path, lambda: list_tree(make_tree().tree))

    assert run.result == ["deep", "deep/er", "deep/er/ü.txt", "empty"]


def test_files_of_a_map_arrive_as_a_list_in_item_order(tmp_path: Path) -> None:
    assert _run(tmp_path, lambda: read_all(write.map(["c", "a", "b"]).note)).result == ["c", "a", "b"]


def test_a_file_that_is_not_written_fails_the_step(tmp_path: Path) -> None:
    @couler.step
    def lazy(note: couler.OutFile = couler.out("note.txt")) -> int:
        return 1

    run = _run(tmp_path, lambda: lazy())

    assert run.status == "failed"
    assert "note" in run.steps["lazy"].message


def test_files_of_containers_go_by_path(tmp_path: Path) -> None:
    def build() -> Any:
        made = couler.run_container("alpine:3.20", ["sh", "-c", "printf hi > made.txt"], output={"made": "made.txt"})
        return couler.run_container("alpine:3.20", ["cat", "in/got.txt"], input={"got": (made, "in/got.txt")})

    assert _run(tmp_path, build).result == "hi"


def test_a_value_that_is_not_json_fails_with_its_place(tmp_path: Path) -> None:
    @couler.step
    def wrong() -> Any:
        return {"a": [1, {2, 3}]}

    run = _run(tmp_path, lambda: wrong())

    assert run.status == "failed"
    assert "set" in run.steps["wrong"].message
    assert ".a[1]" in run.steps["wrong"].message


def test_a_result_of_the_wrong_type_fails_where_it_arises(tmp_path: Path) -> None:
    @couler.step
    def claims() -> int:
        return "five"  # type: ignore[return-value]

    run = _run(tmp_path, lambda: claims())

    assert run.status == "failed"
    assert "expected int" in run.steps["claims"].message


def test_paths_on_this_machine_are_given_as_a_list_of_files(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.txt").write_text(name)

    run = _run(tmp_path, lambda: read_all([tmp_path / "b.txt", str(tmp_path / "a.txt"), write("c").note]))

    assert run.result == ["b", "a", "c"]
