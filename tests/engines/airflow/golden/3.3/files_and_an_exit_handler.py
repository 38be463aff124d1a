"""files_and_an_exit_handler.

Written by couler for Airflow; change the workflow, and compile it again.
"""

import sys
from pathlib import Path

from airflow.sdk import DAG

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

from files_and_an_exit_handler_parts.groups import End
from files_and_an_exit_handler_parts.steps import Container, Function
from files_and_an_exit_handler_parts.values import Output, Run

SOURCES = HERE / "files_and_an_exit_handler_parts" / "sources"

with DAG(
    "files_and_an_exit_handler",
    schedule=None,
    catchup=False,
    tags=["couler"],
    default_args={"workflow": "files_and_an_exit_handler"},
) as dag:
    write = Function(
        task_id="write",
        inputs={"text": "words"},
        outputs=[
            {"name": "result", "type": "null", "path": ""},
            {"name": "note", "type": "file", "path": "note.txt"},
        ],
        types={"text": "str"},
        source=SOURCES / "write.py",
        entry="write",
        trigger_rule="none_failed",
    )
    read = Function(
        task_id="read",
        inputs={"note": Output("write", "note")},
        outputs=[{"name": "result", "type": "str", "path": ""}],
        file_inputs={"note": ""},
        source=SOURCES / "read.py",
        entry="read",
        trigger_rule="none_failed",
    )
    write >> read
    end = End(task_id="end", steps={"write": "write", "read": "read"}, outputs={"result": Output("read")})
    read >> end
    report = Container(
        task_id="report",
        outputs=[{"name": "result", "type": "str", "path": ""}],
        command=["echo"],
        args=[Run("failed_steps")],
        image="alpine:3.20",
        stop=False,
        on="failed",
    )
    report.as_teardown()
    end >> report
