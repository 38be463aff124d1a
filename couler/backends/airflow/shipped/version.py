"""What steps take of Airflow 3, under names that stay the same with an older one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, Connection, ObjectStoragePath, Variable
from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from airflow.sdk.log import mask_secret

__all__ = [
    "AirflowFailException",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "ApprovalOperator",
    "BaseOperator",
    "HITLTimeoutError",
    "ObjectStoragePath",
    "RetryDecision",
    "RetryPolicy",
    "TimeDeltaTrigger",
    "any_failed",
    "connection",
    "mask_secret",
    "raised",
    "states",
    "variable",
]


def states(context: Any, tasks: Iterable[str]) -> dict[str, str | None]:
    """Airflow's states by task; those of items of a map have their index behind a bar."""
    ti, run = context["ti"], context["run_id"]
    found = ti.get_task_states(dag_id=ti.dag_id, task_ids=list(tasks), run_ids=[run])
    return dict(found.get(run, {}))


def any_failed(context: Any, tasks: list[str] | None, index: int | None) -> bool:
    """Whether one of the tasks failed, of all when there is no list; of one item of a map when there is an index."""
    ti = context["ti"]
    return bool(
        ti.get_ti_count(
            dag_id=ti.dag_id, run_ids=[context["run_id"]], states=["failed"], task_ids=tasks, map_index=index
        )
    )


def connection(name: str) -> Any:
    """A connection; an exception of some kind when there is none."""
    return Connection.get(name)


def variable(name: str) -> Any:
    """A variable; None when there is none."""
    return Variable.get(name, default=None)


def raised(failure: Exception, step: Any, context: Any) -> Exception:
    """What a failed attempt raises: Airflow asks the step's policy by itself."""
    return failure
