"""Small workflows whose documents each engine keeps in ``golden``, so that a change of what is compiled is read."""

from __future__ import annotations

import couler


@couler.step
def split(text: str) -> list[str]:
    return text.split()


@couler.step
def measure(word: str) -> int:
    return len(word)


@couler.step
def total(lengths: list[int]) -> int:
    return sum(lengths)


@couler.workflow
def map_over_a_result(text: str = "a few words"):
    """Lengths of words."""
    return total(measure.map(split(text)))


@couler.step(allow_failure=True, retry={"limit": 2, "backoff": {"initial": 1, "maximum": 10}})
def risky(number: int) -> int:
    return 10 // number


@couler.step
def repair() -> int:
    return 0


@couler.workflow
def an_allowed_failure(number: int):
    attempt = risky(number)
    repaired = repair().after(attempt.failed)
    return couler.first_of(repaired, attempt)


@couler.workflow
def branches(limit: float = 0.5):
    accuracy = measure("word")
    with couler.when(accuracy > limit):
        good = couler.run_container(image="alpine:3.20", command=["echo"], args=["good"], step_name="good")
    with couler.otherwise():
        bad = couler.run_container(image="alpine:3.20", command=["echo"], args=["bad"], step_name="bad")
    return couler.first_of(good, bad)


@couler.step
def improve(quality: int, round: int) -> int:
    return quality + 1


@couler.workflow
def a_loop():
    return couler.loop(improve, 0, 0, max_iterations=10, until=lambda out: out >= 3, carry={"quality": "result"})


@couler.step
def write(text: str, note: couler.OutFile = couler.out("note.txt")) -> None:
    note.write_text(text)


@couler.step
def read(note: couler.InFile) -> str:
    return note.read_text()


@couler.workflow
def files_and_an_exit_handler():
    with couler.on_exit("failure"):
        couler.run_container(image="alpine:3.20", command=["echo"], args=[couler.failed_steps()], step_name="report")
    return read(write("words").note)


@couler.workflow(
    schedule="0 3 * * *",
    labels={"team": "vision"},
    service_account="trainer",
    parallelism=2,
    engine_options={
        "argo": {"ttlStrategy": {"secondsAfterCompletion": 3600}, "cronWorkflow": {"failedJobsHistoryLimit": 3}}
    },
)
def a_schedule():
    couler.run_container(
        image="my/train:1",
        command=["train"],
        args=["--text", "{{not a tag}} $(not a variable)"],
        env={"MODE": "fast"},
        secrets={"TOKEN": couler.secret("registry", "token")},
        volumes=[couler.Volume(path="/data", name="scratch", source="new_claim", size="1Gi")],
        resources={"cpu": 2, "memory": "4Gi", "gpu": 1, "node_selector": {"pool": "gpu"}},
        retry={"limit": 3, "on": {"out_of_memory": True}, "escalation": {"memory_maximum": "16Gi"}},
        timeout=3600,
        step_name="train",
    )


@couler.step(cache=couler.CachePolicy(max_age=3600))
def prepare(seed: int) -> list[int]:
    return [seed]


@couler.workflow
def a_cached_step(seed: int = 1):
    return prepare(seed)


@couler.workflow
def a_template_of_another_object(word: str = "word"):
    library = {"argo": {"task": {"templateRef": {"name": "library", "template": "print"}}}}
    return couler.run_container(
        image="alpine:3.20", command=["true"], step_name="call", env={"word": word}, engine_options=library
    )


@couler.workflow(schedule="30 8 * * 1-5", parallelism=4, labels={"team": "vision"})
def a_morning_in_pods(rate: float = 0.5):
    """Trains each weekday."""
    couler.run_container(
        image="my/train:1",
        command=["train"],
        args=["--rate", rate, "--text", "{{not a tag}} $(not a variable)"],
        env={"MODE": "fast"},
        secrets={"TOKEN": couler.secret("registry", "token")},
        volumes=[couler.Volume(path="/data", name="scratch", source="claim")],
        resources={"cpu": 2, "memory": "4Gi", "gpu": 1, "node_selector": {"pool": "gpu"}},
        retry={"limit": 3, "backoff": {"initial": 5}},
        timeout=3600,
        step_name="train",
    )
