"""Failures, attempts, time limits and exit handlers."""

from __future__ import annotations

from typing import Any

import couler
from tests.conformance.case import Case, case, succeeded
from tests.conformance.cases.parts import IMAGE, SECOND, add, boom, collect, flaky, give


@couler.step
def exits_with(ledger: str, first: int) -> int:
    """Ends with an exit code at the first attempt, and well at the next."""
    import sys
    from pathlib import Path

    place = Path(ledger) / "attempts.txt"
    attempt = (len(place.read_text()) if place.exists() else 0) + 1
    place.write_text("x" * attempt)
    if attempt == 1:
        sys.exit(first)
    return attempt


@couler.step
def slow_at_first(ledger: str) -> int:
    """Takes too long at the first attempt only."""
    import time
    from pathlib import Path

    place = Path(ledger) / "attempts.txt"
    attempt = (len(place.read_text()) if place.exists() else 0) + 1
    place.write_text("x" * attempt)
    if attempt == 1:
        time.sleep(600)
    return attempt


@case(
    "failure",
    steps={"boom": "failed", "needs": "cancelled", "later": "cancelled"},
    status="failed",
    failing="boom",
    says=("on purpose",),
)
def nothing_starts_after_a_failure() -> None:
    failed = boom("on purpose")
    give(failed).named("needs")
    give(1).named("later").after(failed)


@couler.step
def fails_when_joined(ledger: str) -> None:
    """Wait for the other step, tell it, and fail."""
    import time
    from pathlib import Path

    deadline = time.monotonic() + 120
    while not (Path(ledger) / "other").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    raise RuntimeError("on purpose")


@couler.step
def outlives(ledger: str, seconds: float) -> int:
    """Go on for a while when the other step has been told to fail."""
    import time
    from pathlib import Path

    (Path(ledger) / "other").touch()
    time.sleep(seconds)
    return 1


@case(
    "failure",
    steps={"fails": "failed", "running": "succeeded|cancelled", "waiting": "cancelled", "last": "cancelled"},
    status="failed",
    failing="fails",
    says=("on purpose",),
    needs=("side by side",),
)
def branches_end_where_they_are_after_a_failure(ledger: str) -> None:
    fails_when_joined(ledger).named("fails")
    running = outlives(ledger, SECOND).named("running")
    give(give(running).named("waiting")).named("last")


@case(
    "failure",
    "container",
    steps={"container": "failed", "give": "cancelled"},
    status="failed",
    failing="container",
    says=("7",),
)
def a_failing_container() -> None:
    failed = couler.run_container(IMAGE, ["sh", "-c", "echo out; exit 7"])
    give(failed)


@case(
    "failure", "script", steps={"script": "failed", "give": "cancelled"}, status="failed", failing="script", says=("3",)
)
def a_failing_script() -> None:
    give(couler.run_script(IMAGE, "exit 3", command="sh"))


@case(
    "continue",
    settings={"on_failure": "continue"},
    steps=succeeded("first", "second") | {"boom": "failed", "needs": "cancelled", "after": "cancelled"},
    status="failed",
    failing="boom",
    says=("boom",),
)
def independent_branches_go_on() -> None:
    failed = boom()
    give(failed).named("needs")
    second = give(give(1).named("first")).named("second")
    give(1).named("after").after(second, failed)


@case(
    "continue",
    "after-status",
    settings={"on_failure": "continue"},
    steps={
        "boom": "failed",
        "mends": "succeeded",
        "needs": "skipped",
    },
    status="failed",
    failing="boom",
)
def a_failure_is_tested_when_branches_go_on() -> None:
    failed = boom()
    give("mended").named("mends").after(failed.failed)
    give("fine").named("needs").after(failed.succeeded)


@case(
    "allow-failure",
    steps={"risky": "failed", "needs": "cancelled", "after": "cancelled", "free": "succeeded"},
    result=1,
)
def values_of_an_allowed_failure() -> Any:
    risky = boom().named("risky").with_(allow_failure=True)
    give(risky).named("needs")
    give(1).named("after").after(risky)
    return give(1).named("free")


@case("allow-failure", "skip-default", steps={"risky": "failed", "defaulted": "succeeded"}, result=[0, 1])
def default_of_an_allowed_failure() -> Any:
    risky = boom().named("risky").with_(allow_failure=True)
    return collect([risky.or_else(0), 1]).named("defaulted").after(risky.ended)


# --- attempts --------------------------------------------------------------------------------------------------


@case("retry", steps=succeeded("flaky", "add"), result=4, attempts={"flaky": 3})
def retry_succeeds_at_the_third_attempt(ledger: str) -> Any:
    return add(flaky(ledger, 3).with_(retry=3), 1)


@case(
    "retry",
    steps={"flaky": "failed", "add": "cancelled"},
    status="failed",
    failing="flaky",
    says=("attempt 3",),
    attempts={"flaky": 3},
)
def retry_ends_at_its_limit(ledger: str) -> Any:
    return add(flaky(ledger, 9).with_(retry=2), 1)


@case(
    "retry",
    "defaults",
    settings={"defaults": {"retry": 2}},
    steps=succeeded("flaky"),
    result=2,
    attempts={"flaky": 2},
)
def retry_for_all_steps(ledger: str) -> Any:
    return flaky(ledger, 2)


@case("retry", steps=succeeded("flaky"), result=3, attempts={"flaky": 3})
def retry_with_backoff(ledger: str) -> Any:
    return flaky(ledger, 3).with_(retry=couler.retry(3, delay=SECOND / 2, factor=2, max_delay=SECOND))


@case("retry-on", steps=succeeded("exits_with"), result=2, attempts={"exits_with": 2})
def retry_on_an_exit_code(ledger: str) -> Any:
    return exits_with(ledger, 42).with_(retry=couler.retry(3, exit_codes=[41, 42]))


@case(
    "retry-on",
    steps={"exits_with": "failed"},
    status="failed",
    failing="exits_with",
    says=("43",),
    attempts={"exits_with": 1},
)
def no_retry_on_another_exit_code(ledger: str) -> Any:
    return exits_with(ledger, 43).with_(retry=couler.retry(3, exit_codes=[41, 42]))


@case("retry-on", steps=succeeded("flaky"), result=2, attempts={"flaky": 2})
def retry_on_a_named_error(ledger: str) -> Any:
    return flaky(ledger, 2).with_(retry=couler.retry(3, errors=[OSError]))


@case(
    "retry-on", steps={"flaky": "failed"}, status="failed", failing="flaky", says=("attempt 1",), attempts={"flaky": 1}
)
def no_retry_on_another_error(ledger: str) -> Any:
    return flaky(ledger, 2).with_(retry=couler.retry(3, errors=["ValueError"]))


@case("retry-on", "timeout", steps=succeeded("slow_at_first"), result=2, attempts={"slow_at_first": 2})
def retry_on_a_timeout(ledger: str) -> Any:
    return slow_at_first(ledger).with_(retry=couler.retry(2, timeout=True), timeout=2 * SECOND)


@case("retry-memory", "resources", steps=succeeded("give"), result=1)
def memory_grows_after_running_out() -> Any:
    rule = couler.retry(2, out_of_memory=True, memory_factor=2, memory_maximum="1Gi")
    return give(1).with_(retry=rule, memory="128Mi")


@case(
    "retry", "allow-failure", "map", steps={"risky": "failed", "after": "succeeded"}, result="x", attempts={"risky": 2}
)
def retries_before_an_allowed_failure(ledger: str) -> Any:
    risky = flaky(ledger, 9).named("risky").with_(retry=1, allow_failure=True)
    return give("x").named("after").after(risky.failed)


@case("timeout", "failure", steps={"slow": "failed", "next": "cancelled"}, status="failed", failing="slow")
def a_time_limit_fails_the_attempt() -> None:
    slow = couler.run_container(IMAGE, ["sleep", "300"], timeout=SECOND, step_name="slow")
    give(slow).named("next")


@case(
    "workflow-timeout",
    settings={"timeout": 2 * SECOND},
    steps={"slow": "cancelled|failed", "next": "cancelled"},
    status="failed",
)
def a_time_limit_on_the_workflow() -> None:
    slow = couler.run_container(IMAGE, ["sleep", "300"], step_name="slow")
    give(slow).named("next")


@case(
    "failure",
    "group",
    steps={
        "inner": "failed",
        "inner/fails": "failed",
        "inner/deep": "cancelled",
        "inner/deep/running": "succeeded|cancelled",
        "inner/deep/waiting": "cancelled",
        "last": "cancelled",
    },
    status="failed",
    failing="inner/fails",
    says=("on purpose",),
    needs=("side by side",),
)
def branches_of_a_group_end_where_they_are(ledger: str) -> None:
    def deep() -> Any:
        return give(outlives(ledger, SECOND).named("running")).named("waiting")

    def inner() -> Any:
        fails_when_joined(ledger).named("fails")
        return couler.concurrent([deep], subtasks=True)[0]

    (made,) = couler.concurrent([inner], subtasks=True)
    give(made).named("last")


@case("timeout", "group", steps=succeeded("inner", "inner/give", "next"), result=1)
def a_time_limit_on_a_group() -> Any:
    (made,) = couler.concurrent([inner_success], subtasks=True)
    made.named("inner").with_(timeout=300)
    return give(made).named("next")


def inner_success() -> Any:
    return give(1)


# --- exit handlers ---------------------------------------------------------------------------------------------


def _outcome(fails: bool) -> Case:
    main, ran, left = ("failed", "on-failure", "on-success") if fails else ("succeeded", "on-success", "on-failure")

    @case(
        "exit",
        "exit-reads",
        steps={"main": main, "always": "succeeded", ran: "succeeded", f"{left}?": "skipped"},
        outputs=None if fails else {"result": "x"},
        status=main,
        failing="main" if fails else "",
        name=f"exit-handlers-when-{main}",
    )
    def declared() -> Any:
        result = (boom if fails else give)("x").named("main")
        for event in ("always", "success", "failure"):
            with couler.on_exit(event):  # type: ignore[arg-type]
                name = event if event == "always" else f"on-{event}"
                expects(couler.run_status(), couler.failed_steps(), main, ["main"] if fails else []).named(name)
        return result

    return declared


@couler.step
def expects(status: str, failed: list[str], wanted_status: str, wanted_failed: list[str]) -> None:
    if status != wanted_status or failed != wanted_failed:
        raise AssertionError(f"{status} {failed} instead of {wanted_status} {wanted_failed}")


OUTCOMES = (_outcome(False), _outcome(True))


@case(
    "exit-reads",
    settings={"on_failure": "continue"},
    steps={
        "one": "failed",
        "two": "failed",
        "deep": "failed",
        "deep/boom": "failed",
        "handler": "succeeded",
    },
    status="failed",
)
def exit_handlers_know_all_failed_steps() -> None:
    boom().named("one")
    boom().named("two")
    couler.concurrent([inner_failure], subtasks=True)[0].named("deep")
    with couler.on_exit("failure"):
        includes(couler.failed_steps(), ["one", "two", "deep/boom"]).named("handler")


@case(
    "exit-reads",
    "map",
    "loop",
    "retry",
    "allow-failure",
    settings={"on_failure": "continue"},
    steps=succeeded("give", "give-2")
    | {
        "zip": "failed",
        "mapped": "failed",
        "mapped[0]": "failed",
        "looped": "failed",
        "looped#0": "failed",
        "endless": "failed",
        "endless#0": "succeeded",
        "flaky": "succeeded",
        "forgiven": "failed",
        "forgiven/boom": "failed",
        "script": "failed",
        "handler": "succeeded",
    },
    status="failed",
)
def failed_steps_are_declared_steps(ledger: str) -> None:
    add.map(give([1, 2]), give([1])).named("zip")
    boom.map(["a"]).named("mapped")
    couler.loop(boom, "b", until=lambda n: n > 5, max_iterations=2).named("looped")
    couler.loop(give, 1, until=lambda n: n > 5, max_iterations=1).named("endless")
    flaky(ledger, 2).with_(retry=2)
    couler.concurrent([inner_failure], subtasks=True)[0].named("forgiven").with_(allow_failure=True)
    couler.run_script(IMAGE, "exit 3", command="sh", step_name="script")
    with couler.on_exit("failure"):
        same(couler.failed_steps(), ["zip", "mapped", "looped", "endless", "script"]).named("handler")


def inner_failure() -> Any:
    return boom()


@couler.step
def includes(found: list[str], wanted: list[str]) -> None:
    if missing := [name for name in wanted if name not in found]:
        raise AssertionError(f"{missing} not in {found}")


@case("exit-failure", steps={"main": "succeeded", "handler": "failed"}, result=1)
def a_failing_exit_handler_changes_nothing() -> Any:
    made = give(1).named("main")
    with couler.on_exit():
        boom().named("handler")
    return made


@case(
    "exit-reads",
    steps=succeeded("made", "reads", "defaulted") | {"fails": "failed", "cannot": "skipped"},
    status="failed",
    failing="fails",
)
def exit_handlers_read_outputs_that_exist() -> None:
    made = give("made").named("made")
    failed = boom().named("fails").after(made)
    with couler.on_exit():
        same(made, "made").named("reads")
        give(failed).named("cannot")
        same(failed.or_else("nothing"), "nothing").named("defaulted")


@case(
    "exit-reads",
    "map",
    "loop",
    "group",
    "script",
    "container",
    "declared-values",
    settings={"on_failure": "continue"},
    steps={
        "fails": "failed",
        "mapped": "succeeded",
        "mapped[0]": "succeeded",
        "mapped[1]": "succeeded",
        "looped": "succeeded",
        "looped#0": "succeeded",
        "looped#1": "succeeded",
        "grouped": "succeeded",
        "grouped/give": "succeeded",
        "script": "succeeded",
        "container": "succeeded",
    }
    | succeeded("map", "loop", "group", "script-result", "script-value", "standard-output"),
    status="failed",
    failing="fails",
)
def exit_handlers_read_outputs_of_every_kind_of_step() -> None:
    boom().named("fails")
    mapped = give.map([1, 2]).named("mapped")
    looped = couler.loop(add, 1, 1, until=lambda n: n > 2, max_iterations=5, carry={"a": "result"}).named("looped")
    (grouped,) = couler.concurrent([inner_success], subtasks=True)
    grouped.named("grouped")
    value = couler.create_parameter_artifact("number.txt", type="int")
    script = couler.run_script(IMAGE, "printf 5 > number.txt; echo", command="sh", output=value, step_name="script")
    container = couler.run_container(IMAGE, ["printf", "{{=1}} 5\\n\\n"], step_name="container")
    with couler.on_exit():
        same(mapped, [1, 2]).named("map")
        same(looped, 3).named("loop")
        same(grouped, 1).named("group")
        same(script.result, "").named("script-result")
        same(script.number_txt, 5).named("script-value")
        same(container, "{{=1}} 5\n").named("standard-output")


@case(
    "exit-reads",
    "map",
    "group",
    "script",
    settings={"on_failure": "continue"},
    steps={
        "mapped": "failed",
        "mapped[0]": "failed",
        "grouped": "failed",
        "grouped/boom": "failed",
        "script": "failed",
        "cannot": "skipped",
        "cannot-2": "skipped",
        "cannot-3": "skipped",
    }
    | succeeded("defaulted", "defaulted-2", "defaulted-3"),
    status="failed",
)
def exit_handlers_do_not_read_outputs_of_failed_steps() -> None:
    mapped = boom.map(["a"]).named("mapped")
    (grouped,) = couler.concurrent([inner_failure], subtasks=True)
    grouped.named("grouped")
    script = couler.run_script(IMAGE, "echo 5; exit 1", command="sh", step_name="script")
    with couler.on_exit():
        for index, made in enumerate((mapped, grouped, script), 1):
            ending = f"-{index}" if index > 1 else ""
            give(made).named(f"cannot{ending}")
            same(made.or_else("nothing"), "nothing").named(f"defaulted{ending}")


@case(
    "exit-reads",
    "files",
    "container",
    settings={"on_failure": "continue"},
    steps={"makes": "succeeded", "fails": "failed", "reads": "succeeded", "cannot": "skipped"},
    status="failed",
    failing="fails",
)
def exit_handlers_read_files_that_exist() -> None:
    made = couler.run_container(
        IMAGE, ["sh", "-c", "printf hi > made.txt"], output={"made": "made.txt"}, step_name="makes"
    )
    failed = couler.run_container(
        IMAGE, ["sh", "-c", "printf hi > made.txt; exit 1"], output={"made": "made.txt"}, step_name="fails"
    )
    with couler.on_exit():
        test = ["sh", "-c", 'test "$(cat in/got.txt)" = hi']
        couler.run_container(IMAGE, test, input={"got": (made, "in/got.txt")}, step_name="reads")
        couler.run_container(IMAGE, test, input={"got": (failed, "in/got.txt")}, step_name="cannot")


@couler.step
def same(value: Any, wanted: Any) -> None:
    if value != wanted:
        raise AssertionError(f"{value!r} instead of {wanted!r}")


@case("exit", "container", steps=succeeded("main", "tells"), result="m", parameters={"who": "{{=1}} me"})
def exit_handlers_are_containers_too(who: str = "you") -> Any:
    main = give("m").named("main")
    with couler.on_exit("always"):
        couler.run_container(
            IMAGE,
            ["sh", "-c", 'test "$1" = succeeded && test "$2" = "{{=1}} me"', "sh"],
            [couler.run_status(), who],
            step_name="tells",
        )
    return main


@case("exit", "allow-failure", steps={"risky": "failed", "handler": "succeeded"})
def an_allowed_failure_is_a_success_for_exit_handlers() -> None:
    boom().named("risky").with_(allow_failure=True)
    with couler.on_exit("success"):
        same(couler.run_status(), "succeeded").named("handler")
