"""What stands around a task: environment, secrets, storage, resources, places, clocks, neighbours."""

from __future__ import annotations

from typing import Any

import couler
from couler.core.ir.model import JobPredicate
from tests.conformance.case import case, succeeded
from tests.conformance.cases.parts import IMAGE, add, collect, give

SECRET = "s3cr3t-{{=1+1}}-value"
"""Must stand in no document and no record."""


@couler.step
def variables(names: list[str]) -> list[Any]:
    import os

    return [os.environ.get(name) for name in names]


@couler.step
def looks_right(name: str, size: int) -> bool:
    import hashlib
    import os

    value = os.environ[name]
    return len(value) == size and hashlib.sha256(value.encode()).hexdigest().startswith("35c70b1a2ac06d9c")


@couler.step
def working_folder() -> str:
    from pathlib import Path

    return Path.cwd().name


@couler.step
def slow_two(a: int) -> int:
    return a * 2


@case("env", steps=succeeded("give", "variables"), result=["5", "true", '{"a":[1,"ü"]}', "", "7", None])
def variables_are_values() -> Any:
    env = {"NUMBER": 5, "TRUTH": True, "OBJECT": {"a": [1, "ü"]}, "EMPTY": "", "MADE": give(7)}
    return variables([*env, "NOT_SET"]).with_(env=env)


@case(
    "env",
    "defaults",
    settings={"defaults": {"env": {"A": "all {{x}}", "B": "b"}}},
    steps=succeeded("variables", "own"),
    result=[["all {{x}}", "b"], ["all {{x}}", "mine"]],
)
def variables_for_all_steps() -> Any:
    first = variables(["A", "B"])
    second = variables(["A", "B"]).named("own").with_(env={"B": "mine"})
    return [first, second]


@case(
    "env",
    "map",
    "value-parts",
    steps=succeeded("map", "map[0]", "map[1]"),
    result=[["a{{x}}"], ["b"]],
    name="variables-of-items",
)
def variables_of_items() -> Any:
    def map(name: Any) -> Any:
        return variables(["NAME"]).named("map").with_(env={"NAME": name})

    return couler.map(map, ["a{{x}}", "b"])


@case("secrets", steps=succeeded("looks_right"), result=True, secrets={("conformance-db", "password"): SECRET})
def a_secret_reaches_its_step() -> Any:
    return looks_right("PASSWORD", len(SECRET)).with_(secrets={"PASSWORD": couler.secret("conformance-db", "password")})


@case(
    "secrets",
    "container",
    steps=succeeded("container"),
    result=str(len(SECRET)),
    secrets={("conformance-db", "password"): SECRET},
)
def a_secret_as_a_file() -> Any:
    use = couler.SecretUse(secret=couler.secret("conformance-db", "password"), path="secrets/password")
    return couler.run_container(IMAGE, ["python3", "-c", "print(len(open('secrets/password').read()))"], secrets=[use])


@case("volumes", "container", steps=succeeded("container"), result="kept")
def an_empty_volume() -> Any:
    volume = couler.Volume(path="/scratch", source="empty")
    return couler.run_container(IMAGE, ["sh", "-c", "printf kept > /scratch/x; cat /scratch/x"], volumes=[volume])


@case("volumes", "function", steps=succeeded("writes", "reads"), result="{{x}}", needs=("claims",))
def a_volume_of_two_steps() -> Any:
    volume = couler.Volume(path="/data", source="claim", name="conformance-data")
    writes = put("/data/x", "{{x}}").named("writes").with_(volumes=[volume])
    return fetch("/data/x").named("reads").with_(volumes=[volume]).after(writes)


@couler.step
def put(path: str, text: str) -> None:
    from pathlib import Path

    Path(path).write_text(text)


@couler.step
def fetch(path: str) -> str:
    from pathlib import Path

    return Path(path).read_text()


@case("resources", steps=succeeded("give", "container"), outputs={"a": 1, "b": "2"})
def cores_and_memory() -> Any:
    small = couler.Resources(cpu=0.1, memory="64Mi")
    printed = couler.run_container(IMAGE, ["printf", "2"], resources=small)
    return {"a": give(1).with_(cpu=0.25, memory="128Mi"), "b": printed}


@case("resources", steps=succeeded("give"), result=1, needs=("ephemeral storage",))
def storage_on_the_machine() -> Any:
    return give(1).with_(resources=couler.Resources(ephemeral_storage="10Mi"))


@case("resources", steps=succeeded("give"), result=1, needs=("gpu",))
def a_gpu() -> Any:
    return give(1).with_(gpu=1)


@case("placement", steps=succeeded("give"), result=1)
def a_place_for_a_step() -> Any:
    zones = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}
    wanted = couler.Resources(
        node_selector={"kubernetes.io/os": "linux"},
        tolerations=(couler.Toleration(key="gpu", operator="Exists", effect="NoSchedule"),),
        affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": zones},
        ]}},
    )  # fmt: skip
    return give(1).with_(resources=wanted)


@case(
    "surroundings",
    steps=succeeded("give"),
    result=1,
    settings={"service_account": "couler-steps", "labels": {"team": "ml"}},
)
def accounts_and_labels() -> Any:
    return give(1).with_(service_account="couler-step", labels={"stage": "y", "example.com/kind": "1e3"})


@case("surroundings", steps=succeeded("working_folder", "container"), result=["inside", "inside"])
def a_working_directory() -> Any:
    script = "import os; print(os.path.basename(os.getcwd()), end='')"
    container = couler.run_container(IMAGE, ["python3", "-c", script], working_dir="inside")
    return [working_folder().with_(working_dir="inside"), container]


@case("sidecars", "container", steps=succeeded("container"), result="main")
def a_container_beside_the_task() -> Any:
    beside = couler.Sidecar(name="beside", image=IMAGE, command=("sleep",), args=("3600",), env={"X": "{{x}}"})
    return couler.run_container(IMAGE, ["printf", "main"], sidecars=[beside])


ANSWERING = """
import pathlib, sys, time
place = pathlib.Path(sys.argv[1])
while True:
    if (place / "question").exists():
        (place / "part").write_text("answer")
        (place / "part").rename(place / "answer")
    time.sleep(0.02)
"""


@case("daemon", steps=succeeded("serves", "asks"), result="answer", needs=("side by side",))
def a_daemon_serves_and_ends(ledger: str) -> Any:
    serves = couler.run_script(IMAGE, ANSWERING, command="python3", args=[ledger], step_name="serves", daemon=True)
    return ask(ledger).named("asks").after(serves)


@couler.step
def ask(ledger: str) -> str:
    import time
    from pathlib import Path

    (Path(ledger) / "question").touch()
    deadline = time.monotonic() + 120
    while not (Path(ledger) / "answer").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("no answer")
        time.sleep(0.02)
    return (Path(ledger) / "answer").read_text()


@case(
    "engine-options",
    steps=succeeded("give"),
    result=1,
    settings={
        "engine_options": {
            "argo": {"ttlStrategy": {"secondsAfterCompletion": 3600}},
            "nobody": {"x": "{{y}}"},
        }
    },
)
def settings_of_engines() -> Any:
    return give(1).with_(engine_options={"argo": {"metadata": {"annotations": {"note": "1e3"}}}, "nobody": {"x": 1}})


@case("packages", steps=succeeded("version"), result="1.17.0", needs=("package index",))
def packages_for_a_function() -> Any:
    return version()


@couler.step(packages=["six==1.17.0"])
def version() -> str:
    import six

    return str(six.__version__)


@case(
    "function",
    "script",
    "container",
    steps=succeeded("function", "script", "container"),
    result=["a", "b", "c"],
)
def the_three_ways_to_run_something() -> Any:
    return [
        give("a").named("function").with_(image=IMAGE),
        couler.run_script(IMAGE, "print('b')", command="python3"),
        couler.run_container(IMAGE, ["echo"], ["c"]),
    ]


@case("job", steps=succeeded("job", "give"), result="forty-two")
def a_kubernetes_object() -> Any:
    manifest = {
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"answer": "forty-two"},
        "metadata": {"generateName": "conformance-", "labels": {"made-by": "couler"}},
    }  # fmt: skip
    made = couler.run_job(
        manifest, "data.answer == forty-two", "data.answer == none", outputs={"answer": "data.answer"}
    )
    return give(made)


@case("job", steps={}, outputs=None, needs=("job controller",))
def a_kubernetes_job_by_its_conditions() -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": IMAGE, "command": ["true"]}]}
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "conformance-"},
        "spec": {"template": {"spec": pod}},
    }
    couler.run_job(manifest, [JobPredicate(condition="Complete")], [JobPredicate(condition="Failed")])


# --- the whole -------------------------------------------------------------------------------------------------


@case(
    "schedule",
    steps=succeeded("give"),
    result=1,
    settings={
        "schedule": couler.schedule("0 3 * * *", "30 4 * * mon-fri", timezone="Europe/Berlin", concurrency="forbid"),
    },
)
def started_by_the_clock() -> Any:
    return give(1)


@case(
    "schedule",
    steps=succeeded("give"),
    result=1,
    settings={"schedule": couler.schedule("0 3 * * *", concurrency="replace", starting_deadline=60)},
)
def started_by_the_clock_in_place_of_another() -> Any:
    return give(1)


@case(
    "parallelism",
    steps=dict.fromkeys([*(f"slow_two-{n}" if n > 1 else "slow_two" for n in range(1, 5)), "collect"], "succeeded"),
    result=[0, 2, 4, 6],
    settings={"parallelism": 1},
)
def one_step_at_a_time() -> Any:
    return collect([slow_two(n) for n in range(4)])


@case("cache", steps={"give": "succeeded|cached", "add": "succeeded|cached"}, result=3)
def remembered_outputs() -> Any:
    first = give(1).with_(cache=couler.CachePolicy(max_age=3600, salt="{{x}}", version="2", env=("HOME",)))
    return add(first, 2).with_(cache=True)


@case(
    "defaults",
    "timeout",
    steps=succeeded("give", "container"),
    outputs={"a": 1, "b": "b"},
    settings={
        "defaults": {
            "timeout": 300,
            "retry": couler.retry(1, delay=1),
            "resources": {"cpu": 0.1},
            "image": IMAGE,
            "service_account": "couler-steps",
        },
    },
)
def attributes_for_all_steps() -> Any:
    return {"a": give(1), "b": couler.run_container(IMAGE, ["printf", "b"], timeout=200, cpu=0.2)}
