"""Listing 6 of the paper: train with several batch sizes by map, and evaluate what each training gives."""

import couler

TRAIN = """
import sys

batch_size = int(sys.argv[1])
print(round(1.0 - 1.0 / batch_size, 4))
"""


def train(batch_size):
    return couler.run_script(image="python:3.12-alpine", source=TRAIN, args=[batch_size], step_name="train")


def evaluate(accuracy):
    return couler.run_container(
        image="alpine:3.20", command=["echo"], args=["accuracy", accuracy], step_name="evaluate"
    )


couler.config_workflow(name="model-search")
accuracies = couler.map(lambda batch_size: train(batch_size), [10, 20, 40, 80])
couler.map(lambda accuracy: evaluate(accuracy), accuracies)
couler.run()
