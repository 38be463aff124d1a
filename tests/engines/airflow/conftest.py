"""An Airflow for all tests that do not break it."""

from collections.abc import Iterator

import pytest

from tests.engines.airflow import installation, server


@pytest.fixture(scope="session")
def shared_airflow() -> Iterator[server.Airflow]:
    """One for the whole session, on all workers; skips, and says why, where there is none."""
    if reason := installation.reason_to_skip():
        pytest.skip(reason)
    with server.shared() as airflow:
        yield airflow
