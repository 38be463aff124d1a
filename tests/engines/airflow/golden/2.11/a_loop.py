"""a_loop.

Written by couler for Airflow; change the workflow, and compile it again.
"""

import sys
from pathlib import Path

from airflow import DAG
from airflow.utils.task_group import TaskGroup

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

from a_loop_parts.groups import End, Rounds
from a_loop_parts.steps import Function
from a_loop_parts.values import Compare, Last, Not, Output

SOURCES = HERE / "a_loop_parts" / "sources"

with DAG("a_loop", schedule=None, catchup=False, tags=["couler"], default_args={"workflow": "a_loop"}) as dag:
    with TaskGroup("improve"):
        improve_rounds = []
        for number in range(10):
            improve_round = Function(
                task_id=f"round-{number}",
                step="improve",
                inputs={"quality": 0, "round": 0},
                outputs=[{"name": "result", "type": "int", "path": ""}],
                types={"quality": "int", "round": "int"},
                source=SOURCES / "improve.py",
                entry="improve",
                trigger_rule="all_success" if number else "none_failed",
                number=number,
                previous=f"improve.round-{number - 1}",
                again=Not(Compare(Last("result"), ">=", 3)),
                carry={"quality": "result"},
            )
            improve_rounds[-1:] >> improve_round
            improve_rounds.append(improve_round)
        improve_end = Rounds(
            task_id="end",
            step="improve",
            rounds=[f"improve.round-{number}" for number in range(10)],
            names=["result"],
            again=Not(Compare(Last("result"), ">=", 3)),
        )
        improve_rounds >> improve_end
    end = End(task_id="end", steps={"improve": "improve.end"}, outputs={"result": Output("improve.end")})
    improve_end >> end
