"""Cases that Argo can express, on a real cluster of this machine, compared with what they say.

Those with few steps; with ``COULER_CONFORMANCE_ALL=1`` all, which have more than a thousand pods.
"""

import os

import pytest

from tests.conformance.catalogue import CASES
from tests.conformance.record import is_fine, outcomes
from tests.engines.kubernetes.tools import tools_missing


@pytest.mark.timeout(3 * 3600)
@pytest.mark.skipif(os.environ.get("COULER_TEST_CLUSTER") != "1", reason="set COULER_TEST_CLUSTER=1 to start a cluster")
def test_cases_come_out_on_a_cluster_as_they_say() -> None:
    if missing := tools_missing():
        pytest.skip(", ".join(missing))

    all_of_them = os.environ.get("COULER_CONFORMANCE_ALL") == "1"
    chosen = [case.name for case in CASES.values() if case.cheap or all_of_them]
    assert {name: text for name, text in outcomes("argo", chosen).items() if not is_fine(text)} == {}
