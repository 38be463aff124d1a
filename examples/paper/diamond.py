r"""Listing 1 of the paper: a diamond, declared by who depends on whom.

      A
     / \
    B   C
     \ /
      D
"""

import couler


def job(name: str) -> None:
    couler.run_container(image="alpine:3.20", command=["echo"], args=[f"step {name}"], step_name=name)


couler.config_workflow(name="diamond")
couler.set_dependencies(lambda: job("A"), dependencies=None)
couler.set_dependencies(lambda: job("B"), dependencies=["A"])
couler.set_dependencies(lambda: job("C"), dependencies=["A"])
couler.set_dependencies(lambda: job("D"), dependencies=["B", "C"])
couler.run()
