"""map_over_a_result: Lengths of words.

Written by couler for Airflow; change the workflow, and compile it again.
"""

import sys
from pathlib import Path

from airflow import DAG
from airflow.models.param import Param
from airflow.utils.task_group import TaskGroup

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

from map_over_a_result_parts.groups import End, Gather, Items
from map_over_a_result_parts.steps import Function
from map_over_a_result_parts.values import Item, Output, Parameter

SOURCES = HERE / "map_over_a_result_parts" / "sources"

with DAG(
    "map_over_a_result",
    description="Lengths of words.",
    schedule=None,
    catchup=False,
    params={"text": Param("a few words", type="string")},
    tags=["couler"],
    default_args={"workflow": "map_over_a_result"},
) as dag:
    split = Function(
        task_id="split",
        inputs={"text": Parameter("text")},
        outputs=[{"name": "result", "type": "list[str]", "path": ""}],
        types={"text": "str"},
        source=SOURCES / "split.py",
        entry="split",
        trigger_rule="none_failed",
    )
    with TaskGroup("measure"):
        measure_items = Items(task_id="items", lists={"word": Output("split")}, trigger_rule="none_failed")
        split >> measure_items
        measure_item = Function.partial(
            task_id="item",
            step="measure",
            map_index_template="{{ task.shown_item }}",
            inputs={"word": Item("word")},
            outputs=[{"name": "result", "type": "int", "path": ""}],
            types={"word": "str"},
            source=SOURCES / "measure.py",
            entry="measure",
        ).expand(item=measure_items.output)
        measure_end = Gather(
            task_id="end",
            step="measure",
            over="measure.items",
            each="measure.item",
            names=["result"],
        )
        [measure_items, measure_item] >> measure_end
    total = Function(
        task_id="total",
        inputs={"lengths": Output("measure.end")},
        outputs=[{"name": "result", "type": "int", "path": ""}],
        types={"lengths": "list[int]"},
        source=SOURCES / "total.py",
        entry="total",
        trigger_rule="none_failed",
    )
    measure_end >> total
    end = End(
        task_id="end",
        steps={"split": "split", "measure": "measure.end", "total": "total"},
        outputs={"result": Output("total")},
    )
    total >> end
