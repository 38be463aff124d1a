"""Skips and failures: a short circuit, branches by name and by list, and tasks that run after both."""

from airflow.decorators import dag, task
from airflow.operators.empty import EmptyOperator
from airflow.utils.edgemodifier import Label
from pendulum import datetime


@dag(schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def rules(enough: int = 10, wanted: list = ["left"]):  # noqa: B006 - a parameter of the DAG
    """What runs after what."""

    @task.short_circuit
    def has_enough(count: int):
        return count >= 5

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def has_many(count: int):
        return count - 10

    @task.branch
    def choose(names):
        if names:
            return names
        return "neither"

    @task
    def work(text):
        return text

    @task(trigger_rule="none_failed")
    def gather(one, other):
        return [one, other]

    @task
    def breaks():
        raise ValueError("no")

    @task(trigger_rule="one_failed")
    def mend():
        return "mended"

    @task(trigger_rule="all_done")
    def report():
        return "reported"

    enough_ = has_enough(enough)
    many = has_many(enough)
    chosen = choose(wanted)
    left = work.override(task_id="left")("l")
    right = work.override(task_id="right")("r")
    chosen >> Label("one side") >> left
    chosen >> Label("the other side") >> right
    gather(left, right)
    enough_ >> EmptyOperator(task_id="enough")
    many >> EmptyOperator(task_id="many") >> EmptyOperator(task_id="after_many")
    many >> EmptyOperator(task_id="anyway", trigger_rule="all_done")
    broken = breaks()
    broken >> mend() >> report()
    [broken, left] >> EmptyOperator(task_id="never", trigger_rule="all_failed") >> report.override(task_id="at_last")()


rules()
