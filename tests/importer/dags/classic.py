"""A DAG as Airflow 2 has them: operators with dag=, edges by methods, loops, and results by name."""

from datetime import datetime, timedelta

from airflow import DAG
from airflow.operators.bash import BashOperator
from airflow.operators.dummy import DummyOperator
from airflow.operators.python import PythonOperator
from airflow.utils.helpers import cross_downstream
from airflow.utils.trigger_rule import TriggerRule

LETTERS = ["a", "b"]

dag = DAG(
    dag_id="classic",
    default_args={
        "owner": "airflow",
        "retries": 1,
        "retry_delay": timedelta(seconds=2),
        "retry_exponential_backoff": True,
        "start_date": datetime(2020, 5, 1, 6, 30),
    },
    schedule_interval=timedelta(days=1),
    max_active_runs=1,
    concurrency=4,
    dagrun_timeout=timedelta(hours=2),
)


def numbers(count, step=1, **kwargs):
    return {"numbers": list(range(0, count, step)), "mark": kwargs["params"]["mark"]}


def add(**context):
    ti = context["ti"]
    found = ti.xcom_pull(task_ids="numbers")
    return sum(found["numbers"]) + context["ti"].xcom_pull(task_ids="numbers")["numbers"][-1]


start = DummyOperator(task_id="start", dag=dag)
made = PythonOperator(
    task_id="numbers", python_callable=numbers, op_args=[7], op_kwargs={"step": 2}, params={"mark": "x"}, dag=dag
)
added = PythonOperator(task_id="add", python_callable=add, execution_timeout=timedelta(minutes=5), dag=dag)
other = BashOperator(task_id="other", bash_command="pwd; echo other", pool="api", priority_weight=5, dag=dag)
made.set_upstream(start)
made.set_downstream(added)

said = []
for letter in LETTERS:
    say = BashOperator(
        task_id=f"say_{letter}",
        bash_command=f"echo first; echo $LETTER-{letter}",
        env={"LETTER": letter.upper()},
        append_env=True,
        dag=dag,
    )
    added >> say
    said.append(say)

HEARD = "echo {{ ti.xcom_pull('say_a') }} "
heard = [BashOperator(task_id=f"hear_{n}", bash_command=HEARD + str(n), dag=dag) for n in range(2)]
cross_downstream([*said, other], heard)
last = BashOperator(task_id="last", bash_command="exit 3", retries=0, dag=dag)
clean = BashOperator(task_id="clean", bash_command="echo clean", trigger_rule=TriggerRule.ALL_DONE, dag=dag)
heard >> last >> clean
