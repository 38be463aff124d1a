"""The run handle: the same questions and requests for every run."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

import couler
from couler.core.errors import NotFoundError, RunFailedError, StateError


@couler.step
def double(x: int) -> int:
    print(f"doubling {x}")  # noqa: T201 - what the log is tested by
    return 2 * x


@couler.step
def write(text: str, note: couler.OutFile = couler.out("note.txt")) -> int:
    note.write_text(text)
    return len(text)


@couler.step
def fail_until(flag: str) -> str:
    from pathlib import Path

    if not Path(flag).exists():
        raise ValueError("the flag is not there")
    return "there"


@couler.workflow
def doubling(x: int = 4):
    first = double(x)
    return {"first": first, "second": double(first)}


@couler.workflow
def noting(text: str):
    written = write(text)
    return {"length": written, "note": written.note}


@couler.workflow
def flagged(flag: str):
    ready = double(1)
    return fail_until(flag).after(ready)


@couler.workflow
def asking():
    asked = couler.suspend(message="publish?", step_name="ask")
    return double(3).after(asked)


def test_a_finished_run_tells_status_outputs_steps_and_logs(tmp_path: Path) -> None:
    run = couler.run(doubling, {"x": 5}, root=tmp_path)

    assert run.status == "succeeded"
    assert run.outputs == {"first": 10, "second": 20}
    assert {path: step.status for path, step in run.steps.items()} == {"double": "succeeded", "double-2": "succeeded"}
    assert list(run.logs()) == [("double", "doubling 5"), ("double-2", "doubling 10")]
    assert list(run.logs("double-2")) == [("double-2", "doubling 10")]
    assert run.output("result", step="double") == 10
    assert run.parameters == {"x": 5}


def test_the_handle_can_be_found_again_by_id_prefix_and_latest(tmp_path: Path) -> None:
    run = couler.run(doubling, root=tmp_path)

    assert couler.get_run(run.id, root=tmp_path).outputs == run.outputs
    assert couler.get_run(run.id[:20], root=tmp_path).id == run.id
    assert couler.get_run(root=tmp_path).id == run.id
    assert [record.id for record in couler.list_runs(root=tmp_path)] == [run.id]


def test_the_workflow_of_a_run_is_read_back_equal(tmp_path: Path) -> None:
    run = couler.run(doubling, root=tmp_path)

    assert run.workflow == doubling.build()


def test_file_outputs_become_paths_with_their_suffix(tmp_path: Path) -> None:
    run = couler.run(noting, {"text": "grüße"}, root=tmp_path / "state")

    assert run.files["note"].read_text() == "grüße"
    assert run.files["note"].name == "note.txt"
    assert run.file("note", tmp_path / "copy.txt").read_text() == "grüße"
    with pytest.raises(NotFoundError, match="'length' is a value and no file"):
        run.file("length", tmp_path / "nothing")


def test_unknown_outputs_and_steps_offer_the_near_name(tmp_path: Path) -> None:
    run = couler.run(doubling, root=tmp_path)

    with pytest.raises(NotFoundError, match=r"has no output 'secnd'\n.*did you mean 'second'"):
        run.output("secnd")
    with pytest.raises(NotFoundError, match=r"has no step 'duoble'\n.*did you mean 'double'"):
        run.output("result", step="duoble")


def test_a_failed_run_says_why_and_retry_runs_only_what_failed(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    run = couler.run(flagged, {"flag": str(flag)}, root=tmp_path / "state")

    assert run.status == "failed"
    with pytest.raises(RunFailedError, match="the flag is not there"):
        run.raise_for_status()

    flag.touch()
    run.retry()

    assert run.status == "succeeded"
    assert run.result == "there"
    assert run.steps["double"].attempts == 1
    assert run.steps["fail_until"].attempts == 2


def test_a_succeeded_run_can_be_neither_stopped_retried_nor_resumed(tmp_path: Path) -> None:
    run = couler.run(doubling, root=tmp_path)

    with pytest.raises(StateError, match="already succeeded"):
        run.stop()
    with pytest.raises(StateError, match="only failed or cancelled runs can be retried"):
        run.retry()
    with pytest.raises(StateError, match="already succeeded"):
        run.resume()


def test_submit_returns_at_once_and_wait_sees_the_end(tmp_path: Path) -> None:
    run = couler.submit(doubling, root=tmp_path)

    assert run.wait(timeout=60).status == "succeeded"
    assert run.outputs["second"] == 16


def _suspended(root: Path) -> couler.Run:
    """A run in a process of its own that waits for a person."""
    run = couler.submit(asking, root=root)
    seen = threading.Event()

    def watch() -> None:
        while run.status != "suspended":
            seen.wait(0.05)
        seen.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    watcher.join(60)
    assert run.status == "suspended"
    return run


def test_wait_gives_up_after_its_timeout_and_stop_cancels(tmp_path: Path) -> None:
    run = _suspended(tmp_path)
    with pytest.raises(StateError, match=r"has not ended after 0.1 s"):
        run.wait(timeout=0.1)

    run.stop()

    assert run.wait(timeout=60).status == "cancelled"
    assert run.steps["double"].status == "cancelled"


def test_a_run_that_is_stopped_before_it_starts_never_starts(tmp_path: Path) -> None:
    run = couler.submit(doubling, root=tmp_path)
    run.stop()

    assert run.wait(timeout=60).status == "cancelled"
    assert all(step.status == "cancelled" for step in run.steps.values())


def test_approval_lets_a_suspended_run_go_on(tmp_path: Path) -> None:
    run = _suspended(tmp_path)

    run.resume(approve="ask")

    assert run.status == "succeeded"
    assert run.result == 6


def test_rejection_fails_a_suspended_run(tmp_path: Path) -> None:
    run = _suspended(tmp_path)

    run.resume(reject="ask")

    assert run.status == "failed"
    assert run.steps["ask"].status == "failed"


def test_an_observer_hears_of_every_step(tmp_path: Path) -> None:
    heard: list[tuple[str, object]] = []

    couler.run(doubling, root=tmp_path, observer=lambda event: heard.append((event.path, event.data.get("status"))))

    assert ("double", "succeeded") in heard
    assert heard.index(("double", "succeeded")) < heard.index(("double-2", "succeeded"))


def test_to_dict_is_json(tmp_path: Path) -> None:
    run = couler.run(doubling, root=tmp_path)

    data = json.loads(json.dumps(run.to_dict()))

    assert data["outputs"] == {"first": 8, "second": 16}
    assert [step["path"] for step in data["steps"]] == ["double", "double-2"]


def test_the_html_of_a_run_shows_the_graph_and_the_statuses(tmp_path: Path) -> None:
    run = couler.run(doubling, root=tmp_path)

    html = run._repr_html_()

    assert "<svg" in html
    assert "double-2" in html
    assert "succeeded" in html
    assert "<script" not in html


def test_methods_of_a_workflow_function_reach_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COULER_ROOT", str(tmp_path))

    assert doubling.run(x=1).outputs["second"] == 4
    assert doubling(x=2).run().outputs["second"] == 8
    assert doubling.submit(x=3).wait(timeout=60).outputs["second"] == 12
    assert [row.step for row in doubling.plan().rows] == ["double", "double-2"]
    assert "apiVersion: couler/v1" in doubling.compile().text
    assert doubling.graph("mermaid").startswith("flowchart")
    assert doubling.graph().startswith("<svg")


def test_a_suspended_run_whose_driver_died_goes_on_with_the_answer(tmp_path: Path) -> None:
    run = _suspended(tmp_path)
    os.kill(int(run.record.owner.rpartition(":")[2]), signal.SIGKILL)

    run.resume(approve="ask")

    assert run.status == "succeeded"
    assert run.result == 6
