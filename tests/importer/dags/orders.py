"""Orders of a shop: TaskFlow of Airflow 3 with groups, a map, a branch and templates."""

from __future__ import annotations

import json
from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator
from airflow.sdk import DAG, Param, chain, task, task_group

RATES = {"eur": 1.0, "usd": 0.5}


def in_euro(amount, currency):
    return amount * RATES[currency]


def load(ti, **context):
    total = ti.xcom_pull(task_ids="convert.total")
    return json.dumps({"total": total, "runs": len(context["run_id"]) > 0})


with DAG(
    "orders",
    schedule="@daily",
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/Berlin"),
    catchup=False,
    description="What came in.",
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1), "owner": "sales"},
    params={"limit": Param(3, type="integer", description="How many orders.")},
    tags=["shop"],
) as dag:

    @task
    def extract(limit) -> list[dict]:
        # the template gives a text, as in Airflow
        return [{"amount": n * 10, "currency": "usd"} for n in range(1, int(limit) + 1)]

    @task_group
    def convert(orders):
        @task
        def one(order):
            return in_euro(order["amount"], order["currency"])

        @task
        def total(values):
            return sum(values)

        return total(one.expand(order=orders))

    total = convert(extract(limit="{{ params.limit }}"))
    loaded = PythonOperator(task_id="load", python_callable=load)
    decide = BranchPythonOperator(
        task_id="decide",
        python_callable=lambda value, much: "big" if value > much else "small",
        op_kwargs={"value": total, "much": 50},
    )
    big = BashOperator(task_id="big", bash_command="echo \"big {{ ti.xcom_pull(task_ids='load') }}\"")
    small = BashOperator(task_id="small", bash_command="echo 'small {{ params.limit }}'")
    done = EmptyOperator(task_id="done", trigger_rule="none_failed_min_one_success")
    after_small = EmptyOperator(task_id="after_small")
    chain(total, loaded, decide, [big, small], done)
    small >> after_small
