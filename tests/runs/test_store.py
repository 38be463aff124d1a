"""The promises of the run store, by the same words for SQLite and PostgreSQL."""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from couler.core.errors import NotFoundError, StoreError
from couler.core.ir.json import freeze
from couler.runs import AttemptRecord, Changes, EventRecord, RunRecord, RunStore, StepRecord, open_store

HARD_TEXT = "größe 写 🎉 \x00 \x01 \ud800 {{x}} $(y) ' \" \\ \n\r\t %s %(a)s :name ?"
HARD_JSON: dict[str, Any] = {
    "text": HARD_TEXT,
    HARD_TEXT: "key",
    "one": 1,
    "one float": 1.0,
    "big": 2**200,
    "small": -(2**63) - 1,
    "tiny": 5e-324,
    "third": 1 / 3,
    "none": None,
    "yes": True,
    "nested": [[], {}, [1, 1.0, True, None, ""]],
    "z before a": {"z": 1, "a": 2},
}


def run_record(run_id: str = "wf-1", **fields: Any) -> RunRecord:
    return RunRecord(
        **{"id": run_id, "workflow": "wf", "engine": "local", "status": "running", "created": 100.0} | fields
    )


def batch(run_id: str, number: int, **fields: Any) -> Changes:
    path = f"train[{number}]"
    return Changes(
        steps=[StepRecord(run_id, path, "succeeded", **fields)],
        attempts=[AttemptRecord(run_id, path, 1, "succeeded")],
        events=[EventRecord(run_id, float(number), "started", path), EventRecord(run_id, float(number), "ended", path)],
    )


# --- runs -----------------------------------------------------------------------------------------------------------


def test_a_run_comes_back_as_it_was_stored(store: RunStore) -> None:
    run = RunRecord(
        id="wf-1",
        workflow="größer",
        engine="local",
        status="failed",
        created=1700000000.123456,
        started=1.5,
        ended=2.25,
        parameters={"rate": 0.1},
        outputs={"model": [1, 2]},
        document='{"name": "wf"}',
        message="step 'a' failed",
        labels={"team": "ml"},
        options={"processes": 4},
        remote="argo-1",
        owner="host:12",
    )
    store.create_run(run)
    assert store.run("wf-1") == run


def test_a_run_of_defaults_comes_back(store: RunStore) -> None:
    store.create_run(run_record())
    assert store.run("wf-1") == run_record()
    assert store.run("wf-1").outputs is None


def test_a_second_run_with_the_same_id_is_refused(store: RunStore) -> None:
    store.create_run(run_record())
    with pytest.raises(StoreError, match="the run store has a run 'wf-1' already"):
        store.create_run(run_record(status="failed"))
    assert store.run("wf-1").status == "running"


def test_fields_of_a_run_change_and_the_others_stay(store: RunStore) -> None:
    store.create_run(run_record(parameters={"a": 1}))
    store.update_run("wf-1", status="succeeded", ended=3.0, outputs=HARD_JSON, message=HARD_TEXT)
    assert store.run("wf-1") == run_record(
        parameters={"a": 1}, status="succeeded", ended=3.0, outputs=HARD_JSON, message=HARD_TEXT
    )


def test_an_unknown_field_of_a_run_offers_the_near_name(store: RunStore) -> None:
    store.create_run(run_record())
    with pytest.raises(TypeError, match="a run has no field 'staus' to change; did you mean 'status'"):
        store.update_run("wf-1", staus="failed")
    with pytest.raises(TypeError, match="no field 'id' to change"):
        store.update_run("wf-1", id="other")


def test_an_unknown_run_is_an_error_everywhere_and_offers_the_near_one(store: RunStore) -> None:
    store.create_run(run_record("digits-17"))
    calls = [
        lambda: store.run("digits-71"),
        lambda: store.update_run("digits-71", status="failed"),
        lambda: store.delete_run("digits-71"),
        lambda: store.record("digits-71", batch("digits-71", 1)),
        lambda: store.steps("digits-71"),
        lambda: store.step("digits-71", "a"),
        lambda: store.attempts("digits-71"),
        lambda: store.events("digits-71"),
        lambda: store.request("digits-71", "stop"),
        lambda: store.resolve("digits-71"),
    ]
    for call in calls:
        with pytest.raises(NotFoundError) as caught:
            call()
        assert "has no run 'digits-71'" in caught.value.message
        assert caught.value.hint == "did you mean 'digits-17'?"
    assert store.take_requests("digits-71") == []


def test_runs_are_listed_newest_first_and_filtered(store: RunStore) -> None:
    store.create_run(run_record("a", created=1.0))
    store.create_run(run_record("b", created=3.0, workflow="other", status="failed"))
    store.create_run(run_record("c", created=2.0, engine="argo"))
    store.create_run(run_record("d", created=2.0))
    assert [run.id for run in store.runs()] == ["b", "d", "c", "a"]
    assert [run.id for run in store.runs(limit=2)] == ["b", "d"]
    assert [run.id for run in store.runs(workflow="wf")] == ["d", "c", "a"]
    assert [run.id for run in store.runs(status="failed")] == ["b"]
    assert [run.id for run in store.runs(engine="argo", workflow="wf")] == ["c"]


def test_a_run_is_found_by_the_beginning_of_its_id(store: RunStore) -> None:
    for name in ("digits-aa1", "digits-ab2", "Digits-ab3", "50%_x", "digits-ab2-long"):
        store.create_run(run_record(name))
    assert store.resolve("digits-aa") == "digits-aa1"
    assert store.resolve("digits-ab2") == "digits-ab2"
    assert store.resolve("D") == "Digits-ab3"
    assert store.resolve("50%_") == "50%_x"
    with pytest.raises(NotFoundError, match=r"'digits-a' is the beginning of several runs: .*digits-aa1"):
        store.resolve("digits-a")
    for nothing in ("", "%", "5_", "igits"):
        with pytest.raises(NotFoundError, match="has no run"):
            store.resolve(nothing)


def test_latest_is_the_newest_run(store: RunStore) -> None:
    with pytest.raises(NotFoundError, match=r"the store has no runs"):
        store.resolve("@latest")
    store.create_run(run_record("b", created=2.0))
    store.create_run(run_record("a", created=1.0))
    assert store.resolve("@latest") == "b"


def test_a_deleted_run_takes_everything_along(store: RunStore) -> None:
    for name in ("a", "b"):
        store.create_run(run_record(name))
        store.record(name, batch(name, 1))
        store.request(name, "stop")
    store.delete_run("a")
    assert [run.id for run in store.runs()] == ["b"]
    store.create_run(run_record("a"))
    assert (store.steps("a"), store.attempts("a"), store.events("a"), store.take_requests("a")) == ([], [], [], [])
    assert len(store.steps("b")) == 1
    assert len(store.take_requests("b")) == 1


# --- steps, attempts, events ----------------------------------------------------------------------------------------


def test_a_batch_comes_back_as_it_was_stored(store: RunStore) -> None:
    store.create_run(run_record())
    step = StepRecord("wf-1", "a[0]/b", "failed", 1.0, 2.5, 2, {"result": 5}, "exit code 3", {"key": "k"})
    attempt = AttemptRecord(
        "wf-1", "a[0]/b", 2, "failed", 1.0, 2.5, 3, "ExitCode", "message", 2**40, 0.25, 1.5, "node-1", "4711"
    )
    event = EventRecord("wf-1", 2.5, "step-ended", "a[0]/b", {"status": "failed"})
    store.record("wf-1", Changes([step], [attempt], [event]))
    assert store.steps("wf-1") == [step]
    assert store.step("wf-1", "a[0]/b") == step
    assert store.attempts("wf-1") == [attempt]
    (found,) = store.events("wf-1")
    assert found == EventRecord(event.run, event.time, event.kind, event.path, event.data, found.sequence)
    assert found.sequence > 0


def test_recording_again_replaces_steps_and_attempts_and_adds_events(store: RunStore) -> None:
    store.create_run(run_record())
    for path in ("b", "a"):
        store.record(
            "wf-1", Changes([StepRecord("wf-1", path, "pending")], [AttemptRecord("wf-1", path, 1, "running")])
        )
    done = StepRecord("wf-1", "b", "succeeded", 1.0, 2.0, 1, {"result": 1})
    attempt = AttemptRecord("wf-1", "b", 1, "succeeded", wall_seconds=1.0)
    store.record("wf-1", Changes([done], [attempt], [EventRecord("wf-1", 1.0, "x"), EventRecord("wf-1", 1.0, "x")]))
    assert store.steps("wf-1") == [done, StepRecord("wf-1", "a", "pending")]
    assert store.attempts("wf-1") == [attempt, AttemptRecord("wf-1", "a", 1, "running")]
    assert store.attempts("wf-1", "a") == [AttemptRecord("wf-1", "a", 1, "running")]
    assert len(store.events("wf-1")) == 2


def test_many_records_in_one_batch_keep_their_order(store: RunStore) -> None:
    store.create_run(run_record())
    paths = [f"s{number}" for number in range(300, 0, -1)]
    events = [EventRecord("wf-1", 0.0, path) for path in paths]
    store.record("wf-1", Changes([StepRecord("wf-1", path, "pending") for path in paths], (), events))
    assert [step.path for step in store.steps("wf-1")] == paths
    assert [event.kind for event in store.events("wf-1")] == paths


def test_a_reader_who_continues_after_the_last_event_gets_each_once(store: RunStore) -> None:
    store.create_run(run_record("a"))
    store.create_run(run_record("b"))
    seen: list[str] = []
    last = 0
    for number in range(5):
        for name in ("a", "b"):
            store.record(name, Changes(events=[EventRecord(name, 0.0, f"{name}{number}")]))
        new = store.events("a", after=last)
        last = new[-1].sequence
        seen += [event.kind for event in new]
    assert seen == ["a0", "a1", "a2", "a3", "a4"]
    assert store.events("a", after=last) == []


def test_an_empty_batch_is_nothing(store: RunStore) -> None:
    store.record("no such run", Changes())


def test_a_batch_is_stored_whole_or_not_at_all(store: RunStore) -> None:
    store.create_run(run_record())
    bad = Changes(
        [StepRecord("wf-1", "a", "succeeded", outputs={"result": 1})],
        (),
        [EventRecord("wf-1", 0.0, "x", "", {"a": {1}})],
    )
    with pytest.raises(StoreError, match="holds a value that is not JSON: Object of type set"):
        store.record("wf-1", bad)
    assert store.steps("wf-1") == []
    store.record("wf-1", batch("wf-1", 1))
    assert len(store.steps("wf-1")) == 1


def test_a_batch_that_the_database_refuses_is_undone(store: RunStore) -> None:
    store.create_run(run_record())
    bad = AttemptRecord("wf-1", "a", 1, "failed", peak_memory=2**70)
    with pytest.raises(StoreError):
        store.record("wf-1", Changes([StepRecord("wf-1", "a", "failed")], [bad]))
    assert store.steps("wf-1") == []
    store.record("wf-1", batch("wf-1", 1))
    assert len(store.steps("wf-1")) == 1


def test_a_record_of_another_run_is_refused(store: RunStore) -> None:
    store.create_run(run_record("a"))
    store.create_run(run_record("b"))
    with pytest.raises(StoreError, match="a batch for run 'a' holds a record of run 'b'"):
        store.record("a", batch("b", 1))
    assert store.steps("b") == []


def test_an_unknown_step_offers_the_near_one(store: RunStore) -> None:
    store.create_run(run_record())
    store.record("wf-1", Changes([StepRecord("wf-1", "train", "pending")]))
    with pytest.raises(NotFoundError) as caught:
        store.step("wf-1", "trian")
    assert str(caught.value) == "run 'wf-1' has no step 'trian'\n  hint: did you mean 'train'?"


def test_history_has_the_attempts_of_earlier_runs_newest_first(store: RunStore) -> None:
    for name, workflow in (("a", "wf"), ("b", "wf"), ("c", "other")):
        store.create_run(run_record(name, workflow=workflow))
        for path in ("train", "test"):
            store.record(name, Changes(attempts=[AttemptRecord(name, path, 1, "succeeded", peak_memory=10)]))
    store.record("b", Changes(attempts=[AttemptRecord("b", "train", 2, "failed", peak_memory=20)]))
    assert [(a.run, a.number, a.peak_memory) for a in store.history("wf", "train")] == [
        ("b", 2, 20),
        ("b", 1, 10),
        ("a", 1, 10),
    ]
    assert [a.run for a in store.history("wf", "train", limit=1)] == ["b"]
    assert store.history("wf", "nothing") == []


# --- values ---------------------------------------------------------------------------------------------------------


def _same(one: Any, other: Any) -> bool:
    """Equal, and of equal types and order all the way down."""
    return repr(one) == repr(other)


def test_every_value_survives_unchanged(store: RunStore) -> None:
    store.create_run(
        run_record(parameters=HARD_JSON, document=HARD_TEXT, workflow=HARD_TEXT, labels={HARD_TEXT: HARD_TEXT})
    )
    run = store.run("wf-1")
    assert _same(run.parameters, HARD_JSON)
    assert (run.document, run.workflow, run.labels) == (HARD_TEXT, HARD_TEXT, {HARD_TEXT: HARD_TEXT})
    step = StepRecord("wf-1", HARD_TEXT, "failed", outputs=HARD_JSON, message=HARD_TEXT, details=HARD_JSON)
    store.record("wf-1", Changes([step], [AttemptRecord("wf-1", HARD_TEXT, 1, "failed", message=HARD_TEXT)]))
    found = store.step("wf-1", HARD_TEXT)
    assert _same(found, step)
    assert store.attempts("wf-1", HARD_TEXT)[0].message == HARD_TEXT
    assert len(store.history(HARD_TEXT, HARD_TEXT)) == 1
    assert [listed.id for listed in store.runs(workflow=HARD_TEXT)] == ["wf-1"]


def test_frozen_values_are_stored_and_come_back_as_plain_ones(store: RunStore) -> None:
    store.create_run(run_record(parameters=freeze({"a": [1, {"b": []}]})))
    assert _same(store.run("wf-1").parameters, {"a": [1, {"b": []}]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ANY_TEXT = st.text(st.characters(), max_size=20)  # with surrogates


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outputs=st.dictionaries(ANY_TEXT, JSON, max_size=3), text=ANY_TEXT, path=ANY_TEXT)
def test_any_json_and_any_text_survive(store: RunStore, outputs: dict[str, Any], text: str, path: str) -> None:
    if not store.runs():
        store.create_run(run_record())
    step = StepRecord("wf-1", path, "failed", outputs=outputs, message=text)
    store.record("wf-1", Changes([step]))
    assert _same(store.step("wf-1", path), step)


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), b"bytes"])
def test_what_is_not_json_is_refused(store: RunStore, value: object) -> None:
    store.create_run(run_record())
    calls = [
        lambda: store.create_run(run_record("b", parameters={"a": value})),
        lambda: store.update_run("wf-1", outputs={"a": value}),
        lambda: store.record("wf-1", Changes([StepRecord("wf-1", "a", "failed", outputs={"a": value})])),
        lambda: store.request("wf-1", "stop", data={"a": value}),
    ]
    for call in calls:
        with pytest.raises(StoreError, match="holds a value that is not JSON"):
            call()
    assert store.run("wf-1") == run_record()


# --- requests -------------------------------------------------------------------------------------------------------


def test_a_request_reaches_the_driver_once(store: RunStore) -> None:
    store.create_run(run_record("a"))
    store.create_run(run_record("b"))
    first = store.request("a", "approve", "gate", {"by": HARD_TEXT}, time=5.0)
    second = store.request("a", "stop")
    store.request("b", "stop")
    assert (first.run, first.time, first.kind, first.path, first.data) == (
        "a",
        5.0,
        "approve",
        "gate",
        {"by": HARD_TEXT},
    )
    assert second.time > 1.7e9
    assert store.take_requests("a") == [first, second]
    assert store.take_requests("a") == []
    assert len(store.take_requests("b")) == 1


def test_an_unknown_request_offers_the_near_one(store: RunStore) -> None:
    store.create_run(run_record())
    with pytest.raises(StoreError) as caught:
        store.request("wf-1", "aprove")
    assert caught.value.message == "a run cannot be asked to 'aprove'"
    assert caught.value.hint == "did you mean 'approve'?"


def test_many_takers_get_each_request_once(store: RunStore) -> None:
    store.create_run(run_record())
    with ThreadPoolExecutor(6) as pool:
        given_ = [pool.submit(store.request, "wf-1", "approve", f"s{number}") for number in range(40)]
        taken = [pool.submit(store.take_requests, "wf-1") for _ in range(40)]
    got = [request.path for future in taken for request in future.result()]
    got += [request.path for request in store.take_requests("wf-1")]
    assert sorted(got) == sorted(future.result().path for future in given_)


# --- sharing --------------------------------------------------------------------------------------------------------


def test_threads_share_a_store(store: RunStore) -> None:
    for number in range(4):
        store.create_run(run_record(f"r{number}"))

    def drive(number: int) -> int:
        for step in range(25):
            store.record(f"r{number}", batch(f"r{number}", step))
        return len(store.steps(f"r{number}"))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(drive, range(4))) == [25] * 4


def test_what_was_stored_is_there_when_opened_again(url: str, tmp_path: Path) -> None:
    with open_store(url, tmp_path) as first:
        first.create_run(run_record())
        first.record("wf-1", batch("wf-1", 1))
    with open_store(url, tmp_path) as second:
        assert second.run("wf-1") == run_record()
        assert len(second.events("wf-1")) == 2


def test_two_open_stores_see_each_other(url: str, tmp_path: Path) -> None:
    with open_store(url, tmp_path) as one, open_store(url, tmp_path) as other:
        one.create_run(run_record())
        other.record("wf-1", batch("wf-1", 1))
        one.record("wf-1", batch("wf-1", 2))
        assert one.steps("wf-1") == other.steps("wf-1")
        assert len(one.steps("wf-1")) == 2


def test_closing_twice_is_fine(url: str, tmp_path: Path) -> None:
    store = open_store(url, tmp_path)
    store.close()
    store.close()
