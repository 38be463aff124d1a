"""Hera: build a workflow of many steps and make the object that it submits (three edges, a parameter, resources and
retries on each). Resources and retries belong to templates in Argo, so each step has a template of its own."""

from __future__ import annotations

import warnings

warnings.simplefilter("ignore")

from hera.workflows import DAG, Container, Parameter, Resources, RetryStrategy, Task, Workflow  # noqa: E402
from measure import main  # noqa: E402


def build_steps(size: int) -> int:
    with Workflow(name="bench", entrypoint="main", arguments=[Parameter(name="rate", value="0.1")]) as workflow:
        templates = [
            Container(
                name=f"template-{index}",
                image="python:3.11",
                command=["python"],
                args=["-c", "print({{inputs.parameters.rate}})"],
                inputs=[Parameter(name="rate"), Parameter(name="index")],
                resources=Resources(cpu_request=1, memory_request="1Gi"),
                retry_strategy=RetryStrategy(limit=2),
            )
            for index in range(size)
        ]
        with DAG(name="main"):
            tasks: list[Task] = []
            for index, template in enumerate(templates):
                arguments = {"rate": "{{workflow.parameters.rate}}", "index": index}
                task = Task(name=f"step-{index}", template=template, arguments=arguments)
                for upstream in tasks[-3:]:
                    upstream >> task
                tasks.append(task)
    built = workflow.build()
    dag = next(each for each in built.spec.templates if each.dag)
    return len(dag.dag.tasks)


def build(size: int):
    return lambda: build_steps(size), size


if __name__ == "__main__":
    main("hera", {"build": build})
