"""Listing 3 of the paper: what runs next depends on a value that exists only at run time."""

import couler


def random_code():
    import random

    print("heads" if random.randint(0, 1) == 0 else "tails")


def flip_coin():
    return couler.run_script(image="python:3.12-alpine", source=random_code, step_name="flip")


def heads():
    return couler.run_container(image="alpine:3.20", command=["echo"], args=["it was heads"], step_name="heads")


def tails():
    return couler.run_container(image="alpine:3.20", command=["echo"], args=["it was tails"], step_name="tails")


couler.config_workflow(name="coin-flip")
result = flip_coin()
couler.when(couler.equal(result, "heads"), lambda: heads())
couler.when(couler.equal(result, "tails"), lambda: tails())
couler.run()
