"""an_allowed_failure.

Written by couler for Airflow; change the workflow, and compile it again.
"""

import sys
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

from an_allowed_failure_parts.again import Again
from an_allowed_failure_parts.groups import End
from an_allowed_failure_parts.steps import Function
from an_allowed_failure_parts.values import First, Output, Parameter, Status

SOURCES = HERE / "an_allowed_failure_parts" / "sources"

with DAG(
    "an_allowed_failure",
    schedule=None,
    catchup=False,
    params={"number": Param(type="integer")},
    tags=["couler"],
    default_args={"workflow": "an_allowed_failure"},
) as dag:
    risky = Function(
        task_id="risky",
        inputs={"number": Parameter("number")},
        allow_failure=True,
        outputs=[{"name": "result", "type": "int", "path": ""}],
        types={"number": "int"},
        retries=2,
        retry_policy=Again(initial=1.0, maximum=10.0),
        retry_delay=timedelta(seconds=1),
        source=SOURCES / "risky.py",
        entry="risky",
        trigger_rule="none_failed",
    )
    repair = Function(
        task_id="repair",
        outputs=[{"name": "result", "type": "int", "path": ""}],
        source=SOURCES / "repair.py",
        entry="repair",
        trigger_rule="all_done",
        after_status=Status("risky", "failed"),
    )
    risky >> repair
    end = End(
        task_id="end",
        steps={"risky": "risky", "repair": "repair"},
        outputs={"result": First(Output("repair"), Output("risky"))},
    )
    repair >> end
