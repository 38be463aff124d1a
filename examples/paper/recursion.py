"""Listing 5 of the paper: flip a coin again while it shows tails."""

import couler


def random_code():
    import random

    print("heads" if random.randint(0, 1) == 0 else "tails")


def flip_coin():
    return couler.run_script(image="python:3.12-alpine", source=random_code, step_name="flip")


couler.config_workflow(name="recursion")
couler.exec_while(couler.equal("tails"), lambda: flip_coin())
couler.run()
