"""Requests to Airflow, on a double: what is tried again, what is final, who we are, and that no secret is told."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from couler.backends.airflow.client import runs
from couler.backends.airflow.client.access import Access
from couler.backends.airflow.client.connection import Connection
from couler.backends.airflow.client.engine import AirflowEngine
from couler.backends.remote.retrying import Patience, Waiting
from couler.core.errors import (
    ConfigError,
    CoulerError,
    EngineError,
    EngineUnreachableError,
    MissingExtraError,
    NotFoundError,
    StateError,
)
from couler.core.ir.model import FunctionTask, Step, Workflow
from tests.engines.argo.doubles import Answer, Double, serving

pytest.importorskip("airflow_client")

SECRET = "s3cret-of-the-test"
TOKEN = Answer(201, {"access_token": "t-1"})
EMPTY = Answer(200, {"dags": [], "total_entries": 0})


def refusal(code: int, words: Any = "no", headers: Mapping[str, str] = {}) -> Answer:
    """How Airflow refuses."""
    return Answer(code, {"detail": words}, headers)


def connected(double: Double, access: Access = Access(), total: float = 60.0) -> Connection:  # noqa: B008
    """A connection whose waits are only noted down."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        double.slept.append(seconds)
        now[0] += seconds

    waiting = Waiting(sleep, lambda: now[0], lambda: 0.0)
    return Connection(double.url, access, Patience(total=total), waiting)


# --- what is tried again ---------------------------------------------------------------------------------------------


def test_transient_answers_are_tried_again_with_growing_waits() -> None:
    busy = refusal(500, {"reason": "Database error"})
    with serving(TOKEN, busy, refusal(429, "slow", {"Retry-After": "3"}), Answer(0), refusal(503), EMPTY) as double:
        assert connected(double).ask("GET", "/dags") == EMPTY.body
    assert double.slept == [0.2, 3.0, 0.8, 1.6]


def test_patience_ends_with_the_reason() -> None:
    with serving(TOKEN, *[refusal(503, "still starting")] * 50) as double:
        with pytest.raises(EngineUnreachableError, match=r"cannot list DAGs at .*: still starting"):
            connected(double, total=5.0).ask("GET", "/dags", doing="list DAGs")
        assert double.slept == [0.2, 0.4, 0.8, 1.6]


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [(403, EngineError, "you lack a right"), (404, NotFoundError, "couler list"), (422, EngineError, "made for 3.3")],
)
def test_final_answers_stop_at_once_and_say_what_to_do(code: int, kind: type[CoulerError], hint: str) -> None:
    with serving(TOKEN, refusal(code, "not so")) as double, pytest.raises(kind, match="not so") as caught:
        connected(double).ask("GET", "/dags")
    assert hint in caught.value.hint
    assert double.slept == []


def test_no_answer_at_all_names_the_server_and_the_doctor() -> None:
    with serving() as double:
        url = double.url
    with pytest.raises(EngineUnreachableError, match=url) as caught:
        Connection(url, patience=Patience(total=0.0)).ask("GET", "/dags")
    assert "couler doctor" in caught.value.hint


def test_what_is_no_airflow_is_called_so() -> None:
    with serving(TOKEN, Answer(200, b"<html>")) as double, pytest.raises(EngineError, match="URL of an Airflow"):
        connected(double).ask("GET", "/dags")


def test_lists_are_read_page_by_page() -> None:
    pages = [Answer(200, {"dags": [{"dag_id": str(n)}] * 2, "total_entries": 5}) for n in range(3)]
    with serving(TOKEN, *pages) as double:
        found = connected(double).pages("/dags", "dags")
    assert [one["dag_id"] for one in found] == ["0", "0", "1", "1", "2", "2"]
    assert [request.path.partition("offset=")[2] for request in double.requests[1:]] == ["0", "2", "4"]


# --- who we are ------------------------------------------------------------------------------------------------------


def test_an_open_server_gives_a_token_to_everybody_and_it_is_asked_once() -> None:
    with serving(TOKEN, EMPTY, EMPTY) as double:
        connection = connected(double)
        connection.ask("GET", "/dags")
        connection.ask("GET", "/dags")
    assert [(one.method, one.path) for one in double.requests] == [
        ("GET", "/auth/token"),
        ("GET", "/api/v2/dags"),
        ("GET", "/api/v2/dags"),
    ]
    assert double.requests[2].headers["authorization"] == "Bearer t-1"


def test_a_user_logs_in_and_again_when_the_token_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", SECRET)
    fresh = Answer(201, {"access_token": "t-2"})
    with serving(TOKEN, refusal(401), fresh, EMPTY) as double:
        connected(double, Access(user="ana", password="env:PASSWORD")).ask("GET", "/dags")
    assert double.requests[0].body == {"username": "ana", "password": SECRET}
    assert double.requests[3].headers["authorization"] == "Bearer t-2"


def test_a_token_comes_from_a_variable_a_file_or_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW_TOKEN", f"Bearer {SECRET}")
    (tmp_path / "token").write_text(f"{SECRET}\n")
    ways = (
        Access(token="env:AIRFLOW_TOKEN"),
        Access(token=f"file:{tmp_path / 'token'}"),
        Access(token_command=f"cat {tmp_path / 'token'}"),
    )
    for access in ways:
        with serving(EMPTY) as double:
            connected(double, access).ask("GET", "/dags")
        assert double.requests[0].headers["authorization"] == f"Bearer {SECRET}"


def test_a_token_that_is_refused_is_asked_for_twice_and_then_final() -> None:
    answers = (TOKEN, refusal(401), TOKEN, refusal(401, "unknown"))
    with serving(*answers) as double, pytest.raises(EngineError, match="unknown") as caught:
        connected(double).ask("GET", "/dags")
    assert "token_command" in caught.value.hint


@pytest.mark.parametrize(
    ("access", "words"),
    [
        (Access(token="env:NO_SUCH_VARIABLE"), "the variable NO_SUCH_VARIABLE with the token is not set"),
        (Access(user="ana"), "where the password is, is not said"),
        (Access(token_command="no-such-program-here x"), "'no-such-program-here', which prints the token, did not run"),
        (Access(token_command="sh -c 'echo why >&2; exit 2'"), "'sh', which prints the token, failed: why"),
    ],
)
def test_what_keeps_a_token_away_is_said(access: Access, words: str) -> None:
    with serving() as double, pytest.raises(ConfigError, match=words):
        connected(double, access).ask("GET", "/dags")


def test_no_secret_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    monkeypatch.setenv("PASSWORD", SECRET)
    caplog.set_level(logging.DEBUG)
    command = f"echo {SECRET}"
    with serving(refusal(401, "Invalid credentials")) as double:
        connection = connected(double, Access(user="ana", password="env:PASSWORD"))
        with pytest.raises(EngineError) as caught:
            connection.ask("GET", "/dags")
        assert len(double.requests) == 1
    engine = AirflowEngine(tmp_path, server="http://x", user="ana", password="env:PASSWORD", token_command=command)
    shown = Access(token_command=command).shown
    told = [str(caught.value), repr(connection), repr(engine), str(engine.options), shown, caplog.text]
    assert not [text for text in told if SECRET in text]


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "airflow_client.client.api_client", None)
    with pytest.raises(MissingExtraError, match="airflow") as caught:
        Connection("http://localhost")
    assert 'pip install "couler[airflow]"' in caught.value.hint


def test_without_a_server_it_is_said_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the URL of Airflow is not set"):
        AirflowEngine(tmp_path, dags=tmp_path).start(Workflow(name="w"), {})


# --- runs ------------------------------------------------------------------------------------------------------------

WORKFLOW = Workflow(name="w", steps=(Step(name="a", task=FunctionTask(source="def f(): ...", entry="f")),))


def test_a_trigger_whose_answer_was_lost_finds_what_it_has_made() -> None:
    mine = {"dag_run_id": "w-1", "conf": {runs.MARK: runs.mark_of(WORKFLOW, "w-1")}}
    with serving(TOKEN, Answer(0), refusal(409), Answer(200, mine)) as double:
        assert runs.trigger(connected(double), "w", "w-1", mine["conf"]) is False
    assert double.requests[1].body == double.requests[2].body
    assert double.requests[1].body["logical_date"] is None
    assert runs.workflow_of(connected(double), mine) == WORKFLOW


def test_anothers_run_of_the_same_id_is_left_alone() -> None:
    others = Answer(200, {"dag_run_id": "w-1", "conf": {}})
    with serving(TOKEN, refusal(409), others) as double, pytest.raises(StateError, match="is another's"):
        runs.trigger(connected(double), "w", "w-1", {})


def test_an_answer_to_a_pause_waits_until_airflow_bears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("couler.backends.airflow.client.runs.time.time", lambda: 1001.0)
    asked = Answer(200, {"created_at": "1970-01-01T00:16:40Z"})
    with serving(TOKEN, asked, Answer(200, {})) as double:
        runs.decide(connected(double), "w", "w-1", ("ask", -1), "Approve")
    assert double.slept == [2.0]
    assert double.requests[2].path == "/api/v2/dags/w/dagRuns/w-1/taskInstances/ask/-1/hitlDetails"
    assert double.requests[2].body == {"chosen_options": ["Approve"], "params_input": {}}


def test_a_question_that_was_answered_before_is_not_answered_again() -> None:
    asked = Answer(200, {"created_at": "1970-01-01T00:00:00Z"})
    with serving(TOKEN, asked, refusal(409)) as double, pytest.raises(StateError, match="answered before"):
        runs.decide(connected(double), "w", "w-1", ("ask", -1), "Reject")


def test_deleting_what_is_gone_is_fine() -> None:
    with serving(TOKEN, refusal(404)) as double:
        runs.delete(connected(double), "w", "w-1")
