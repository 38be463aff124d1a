"""a_cached_step.

Written by couler for Airflow; change the workflow, and compile it again.
"""

import sys
from pathlib import Path

from airflow import DAG
from airflow.models.param import Param

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

from a_cached_step_parts.groups import End
from a_cached_step_parts.steps import Function
from a_cached_step_parts.values import Output, Parameter

SOURCES = HERE / "a_cached_step_parts" / "sources"

with DAG(
    "a_cached_step",
    schedule=None,
    catchup=False,
    params={"seed": Param(1, type="integer")},
    tags=["couler"],
    default_args={"workflow": "a_cached_step"},
) as dag:
    prepare = Function(
        task_id="prepare",
        inputs={"seed": Parameter("seed")},
        outputs=[{"name": "result", "type": "list[int]", "path": ""}],
        types={"seed": "int"},
        source=SOURCES / "prepare.py",
        entry="prepare",
        trigger_rule="none_failed",
    )
    end = End(task_id="end", steps={"prepare": "prepare"}, outputs={"result": Output("prepare")})
    prepare >> end
