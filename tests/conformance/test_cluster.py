"""Every case that Argo can express, on a real cluster of this machine, compared with what the case says."""

import os

import pytest

from tests.conformance.record import is_fine, outcomes
from tests.engines.kubernetes.tools import tools_missing


@pytest.mark.timeout(3 * 3600)
@pytest.mark.skipif(os.environ.get("COULER_TEST_CLUSTER") != "1", reason="set COULER_TEST_CLUSTER=1 to start a cluster")
def test_every_case_comes_out_on_a_cluster_as_it_says() -> None:
    if missing := tools_missing():
        pytest.skip(", ".join(missing))

    assert {name: text for name, text in outcomes("argo").items() if not is_fine(text)} == {}
