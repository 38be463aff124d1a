"""branches.

Written by couler for Airflow; change the workflow, and compile it again.
"""

import sys
from pathlib import Path

from airflow.sdk import DAG, Param

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

from branches_parts.groups import End
from branches_parts.steps import Container, Function
from branches_parts.values import Compare, First, Not, Output, Parameter

SOURCES = HERE / "branches_parts" / "sources"

with DAG(
    "branches",
    schedule=None,
    catchup=False,
    params={"limit": Param(0.5, type="number")},
    tags=["couler"],
    default_args={"workflow": "branches"},
) as dag:
    measure = Function(
        task_id="measure",
        inputs={"word": "word"},
        outputs=[{"name": "result", "type": "int", "path": ""}],
        types={"word": "str"},
        source=SOURCES / "measure.py",
        entry="measure",
        trigger_rule="none_failed",
    )
    good = Container(
        task_id="good",
        outputs=[{"name": "result", "type": "str", "path": ""}],
        command=["echo"],
        args=["good"],
        image="alpine:3.20",
        trigger_rule="none_failed",
        when=Compare(Output("measure"), ">", Parameter("limit")),
    )
    measure >> good
    bad = Container(
        task_id="bad",
        outputs=[{"name": "result", "type": "str", "path": ""}],
        command=["echo"],
        args=["bad"],
        image="alpine:3.20",
        trigger_rule="none_failed",
        when=Not(Compare(Output("measure"), ">", Parameter("limit"))),
    )
    measure >> bad
    end = End(
        task_id="end",
        steps={"measure": "measure", "good": "good", "bad": "bad"},
        outputs={"result": First(Output("good"), Output("bad"))},
    )
    [good, bad] >> end
