"""A layered workflow as a document for Argo: from the program to the text, by couler and by what stands beside it.

    python benchmarks/peers/argo_peer.py couler-yaml 10000 5

The workflow is that of ``layered.py``. All contenders put the documents together without files. Start, imports and one
small run come before the clock starts.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

from layered import IMAGE, WIDTH, needed, workflow


def couler_as(form: str) -> Callable[[int], str]:
    import couler

    def text(size: int) -> str:
        return couler.compile(workflow(size), "argo", format=form).text

    return text


def f_strings(size: int) -> str:
    tasks, templates = [], []
    for index in range(size):
        before = needed(index)
        tasks.append(f"          - name: step-{index}\n            template: step-{index}\n")
        given = ""
        if before:
            depends = " && ".join(f"step-{other}" for other in before)
            value = f"{{{{tasks.step-{before[0]}.outputs.result}}}}"
            tasks.append(
                f'            depends: "{depends}"\n            arguments:\n              parameters:\n'
                f'                - name: given\n                  value: "{value}"\n'
            )
            given = '\n          - "{{inputs.parameters.given}}"'
        taken = "      inputs:\n        parameters:\n          - name: given\n" if before else ""
        templates.append(
            f"    - name: step-{index}\n{taken}      container:\n        image: {IMAGE}\n        command:\n"
            f'          - echo\n        args:\n          - "--index"\n          - "{index}"{given}\n        env:\n'
            "          - name: MODE\n            value: fast\n        resources:\n          limits:\n"
            '            cpu: "0.5"\n            memory: 64Mi\n      retryStrategy:\n        limit: "2"\n'
        )
    return (
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata:\n  generateName: layered-\nspec:\n"
        "  entrypoint: layered\n  templates:\n    - name: layered\n      dag:\n        tasks:\n"
        f"{''.join(tasks)}{''.join(templates)}"
    )


def dicts(size: int) -> str:
    import yaml

    tasks, templates = [], []
    for index in range(size):
        before = needed(index)
        task: dict[str, object] = {"name": f"step-{index}", "template": f"step-{index}"}
        template: dict[str, object] = {"name": f"step-{index}"}
        args = ["--index", str(index)]
        if before:
            task["depends"] = " && ".join(f"step-{other}" for other in before)
            value = f"{{{{tasks.step-{before[0]}.outputs.result}}}}"
            task["arguments"] = {"parameters": [{"name": "given", "value": value}]}
            template["inputs"] = {"parameters": [{"name": "given"}]}
            args.append("{{inputs.parameters.given}}")
        template["container"] = {
            "image": IMAGE,
            "command": ["echo"],
            "args": args,
            "env": [{"name": "MODE", "value": "fast"}],
            "resources": {"limits": {"cpu": "0.5", "memory": "64Mi"}},
        }
        template["retryStrategy"] = {"limit": "2"}
        tasks.append(task)
        templates.append(template)
    spec = {"entrypoint": "layered", "templates": [{"name": "layered", "dag": {"tasks": tasks}}, *templates]}
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "layered-"},
        "spec": spec,
    }
    return str(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))


def hera() -> Callable[[int], str]:
    import warnings

    warnings.simplefilter("ignore")
    from hera.workflows import DAG, Container, Env, Parameter, Resources, RetryStrategy, Task, Workflow

    def text(size: int) -> str:
        with Workflow(generate_name="layered-", entrypoint="layered") as workflow:
            templates = []
            for index in range(size):
                given = bool(needed(index))
                templates.append(
                    Container(
                        name=f"step-{index}",
                        image=IMAGE,
                        command=["echo"],
                        args=["--index", str(index), *(["{{inputs.parameters.given}}"] if given else [])],
                        inputs=[Parameter(name="given")] if given else [],
                        env=[Env(name="MODE", value="fast")],
                        resources=Resources(cpu_limit=0.5, memory_limit="64Mi"),
                        retry_strategy=RetryStrategy(limit=2),
                    )
                )
            with DAG(name="layered"):
                tasks: list[Task] = []
                for index, template in enumerate(templates):
                    before = [tasks[other] for other in needed(index)]
                    arguments = {"given": before[0].result} if before else {}
                    task = Task(name=f"step-{index}", template=template, arguments=arguments)
                    for other in before:
                        other >> task
                    tasks.append(task)
        return str(workflow.to_yaml())

    return text


CONTENDERS: dict[str, tuple[str, Callable[[], Callable[[int], str]]]] = {
    "couler-yaml": ("couler", lambda: couler_as("yaml")),
    "couler-json": ("couler", lambda: couler_as("json")),
    "f-strings": ("", lambda: f_strings),
    "dicts-libyaml": ("pyyaml", lambda: dicts),
    "hera": ("hera", hera),
}
"""Name to the package whose version counts, and what prepares the function from a size to a text."""


def measure(name: str, size: int, repeats: int) -> dict[str, object]:
    """Seconds of each run, CPU seconds of the fastest, and the largest memory that the process has had."""
    package, prepared = CONTENDERS[name]
    make = prepared()
    made = make(3 * WIDTH)
    seconds, cpu = [], []
    for _ in range(repeats):
        gc.collect()
        start, start_cpu = time.perf_counter(), time.process_time()
        made = make(size)
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    if f"step-{size - 1}" not in made:
        raise SystemExit("the last step is missing")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {
        "version": version(package) if package else "",
        "seconds": seconds,
        "cpu": min(cpu),
        "megabytes": round(len(made.encode()) / 1e6, 2),
        "peak_mib": round(peak, 1),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
