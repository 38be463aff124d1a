"""Listing 4 of the paper: a DAG as a list of chains; the same name means the same step."""

import couler


def job(name: str) -> None:
    couler.run_container(image="alpine:3.20", command=["echo"], args=[f"step {name}"], step_name=name)


couler.config_workflow(name="explicit-dag")
couler.dag(
    [
        [lambda: job("A")],
        [lambda: job("A"), lambda: job("B")],  # A before B
        [lambda: job("A"), lambda: job("C")],  # A before C
        [lambda: job("B"), lambda: job("D")],  # B before D
        [lambda: job("C"), lambda: job("D")],  # C before D
    ]
)
couler.run()
