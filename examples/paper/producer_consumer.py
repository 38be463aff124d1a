"""Listing 2 of the paper: a consumer that waits for what a producer writes; the edge follows from the data."""

import couler


def producer():
    place = couler.create_parameter_artifact(path="message.txt")
    return couler.run_container(
        image="alpine:3.20",
        command=["sh", "-c"],
        args=["printf 'hello world' > message.txt"],
        output=place,
        step_name="produce",
    )


def consumer(message):
    return couler.run_container(image="alpine:3.20", command=["echo"], args=["got:", message], step_name="consume")


couler.config_workflow(name="producer-consumer")
consumer(producer())
couler.run()
