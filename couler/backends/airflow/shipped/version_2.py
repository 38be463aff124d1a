"""What steps take of Airflow 2, under the names of Airflow 3."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow.exceptions import (
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from airflow.io.path import ObjectStoragePath
from airflow.models import BaseOperator as Operator
from airflow.models import Connection, Variable
from airflow.triggers.temporal import TimeDeltaTrigger
from airflow.utils.log.secrets_masker import mask_secret

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


@dataclass(frozen=True)
class RetryDecision:
    """What a policy says of a failed attempt; the wait is that of the operator's own arguments."""

    again: bool

    @classmethod
    def retry(cls, delay: timedelta) -> RetryDecision:
        """Another attempt."""
        return cls(True)

    @classmethod
    def fail(cls, reason: str) -> RetryDecision:
        """No further attempt."""
        return cls(False)


class RetryPolicy:
    """When a failed attempt is followed by another."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        """What comes after a failure."""
        raise NotImplementedError


class BaseOperator(Operator):
    """An operator that has a policy for further attempts."""

    def __init__(self, *, retry_policy: RetryPolicy | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.retry_policy = retry_policy


class HITLTimeoutError(Exception):
    """Nobody answered in time; never raised by Airflow 2."""


class ApprovalOperator(BaseOperator):
    """Stands where Airflow 3 has approvals; workflows with approvals are refused for Airflow 2."""


def states(context: Any, tasks: Iterable[str]) -> dict[str, str | None]:
    """Airflow's states by task; those of items of a map have their index behind a bar."""
    wanted = set(tasks)
    found = [one for one in context["dag_run"].get_task_instances() if one.task_id in wanted]
    return {one.task_id if one.map_index < 0 else f"{one.task_id}_{one.map_index}": one.state for one in found}


def any_failed(context: Any, tasks: list[str] | None, index: int | None) -> bool:
    """Whether one of the tasks failed, of all when there is no list; of one item of a map when there is an index."""
    wanted = None if tasks is None else set(tasks)
    return any(
        (wanted is None or one.task_id in wanted) and index in (None, one.map_index)
        for one in context["dag_run"].get_task_instances(state=["failed"])
    )


def connection(name: str) -> Any:
    """A connection; an exception of some kind when there is none."""
    return Connection.get_connection_from_secrets(name)


def variable(name: str) -> Any:
    """A variable; None when there is none."""
    return Variable.get(name, default_var=None)


def raised(failure: Exception, step: Any, context: Any) -> Exception:
    """What a failed attempt raises, so that Airflow makes another only when the step's policy says so."""
    ti = context["ti"]
    if step.retry_policy is None or step.retry_policy.evaluate(failure, ti.try_number, ti.max_tries).again:
        return failure
    return AirflowFailException(str(failure))
