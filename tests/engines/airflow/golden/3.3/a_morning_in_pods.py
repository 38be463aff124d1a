"""a_morning_in_pods: Trains each weekday.

Written by couler for Airflow; change the workflow, and compile it again.
"""

import sys
from datetime import timedelta
from pathlib import Path

from airflow.sdk import CronTriggerTimetable, DAG, Param

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

from a_morning_in_pods_parts.again import Again
from a_morning_in_pods_parts.groups import End
from a_morning_in_pods_parts.pods import Container
from a_morning_in_pods_parts.values import Parameter

with DAG(
    "a_morning_in_pods",
    description="Trains each weekday.",
    schedule=CronTriggerTimetable("30 8 * * 1-5", timezone="UTC"),
    catchup=False,
    params={"rate": Param(0.5, type="number")},
    max_active_tasks=4,
    tags=["couler", "team=vision"],
    default_args={"workflow": "a_morning_in_pods", "limit": 262144, "image": "python:3.11-slim"},
) as dag:
    train = Container(
        task_id="train",
        outputs=[{"name": "result", "type": "str", "path": ""}],
        env={"MODE": "fast"},
        secrets={"TOKEN": ("registry", "token")},
        retries=3,
        retry_policy=Again(initial=5.0),
        retry_delay=timedelta(seconds=5),
        execution_timeout=timedelta(seconds=3600),
        command=["train"],
        args=["--rate", Parameter("rate"), "--text", "{{not a tag}} $(not a variable)"],
        image="my/train:1",
        container_resources={
            "requests": {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"},
            "limits": {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"},
        },
        node_selector={"pool": "gpu"},
        volumes=[{"name": "volume-0", "persistentVolumeClaim": {"claimName": "scratch"}}],
        volume_mounts=[{"name": "volume-0", "mountPath": "/data"}],
        trigger_rule="none_failed",
    )
    end = End(task_id="end", steps={"train": "train"}, outputs={})
    train >> end
