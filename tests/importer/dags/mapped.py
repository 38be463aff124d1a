"""Maps: over lists known now and later, over pairs, over objects, and of a group."""

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag, task, task_group


@dag
def mapped():
    @task
    def names():
        return ["ada", "grace"]

    @task
    def greet(name, greeting="hello"):
        return f"{greeting} {name}"

    @task
    def area(width, height):
        return width * height

    @task
    def joined(texts):
        return ", ".join(texts)

    @task_group
    def shouted(name, mark):
        @task
        def loud(text):
            return text.upper()

        @task
        def marked(text, mark):
            return text + mark

        return marked(loud(name), mark)

    found = names()
    joined(greet.expand(name=found))
    joined.override(task_id="joined_twice")(greet.partial(greeting="bye").expand(name=["x", "y"]))
    area.expand(width=[1, 2], height=[3, 4])
    area.override(task_id="later").expand(width=[1, 2], height=sizes())
    area.override(task_id="pairs", max_active_tis_per_dagrun=1).expand_kwargs([{"width": 2, "height": 3}])
    area.override(task_id="objects").expand_kwargs(boxes())
    joined.override(task_id="all_shouted")(shouted.partial(mark="!").expand(name=found))
    joined.override(task_id="all_marked")(shouted.override(group_id="marked_all").expand_kwargs(marks()))
    joined.override(task_id="two_marked")(
        shouted.override(group_id="two").expand_kwargs([{"name": "a", "mark": "1"}, {"name": "b", "mark": "2"}])
    )
    BashOperator.partial(task_id="echo").expand(bash_command=["echo 1", "echo 2"])
    BashOperator.partial(task_id="with_env", bash_command="echo $X$Y").expand(env=[{"X": "a", "Y": "b"}])


@task
def sizes():
    return [5, 6]


@task
def marks():
    return [{"name": "x", "mark": "?"}, {"name": "y", "mark": "!"}]


@task
def boxes():
    return [{"width": 3, "height": 3}]


mapped()
