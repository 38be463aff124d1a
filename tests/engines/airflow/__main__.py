"""Keep an Airflow running while working on what needs one: ``python -m tests.engines.airflow start``.

Verbs: ``build`` (the environment), ``start``, ``status``, ``stop``. ``start sqlite`` and ``start postgresql`` choose
the database, ``start password`` asks users for a password. Tests use what runs with
``COULER_TEST_AIRFLOW=<the state file>``.
"""

from __future__ import annotations

import sys
import time

from tests.engines.airflow import installation, server

VERBS = ("build", "start", "status", "stop")
DATABASES = ("postgresql", "sqlite")
ACCESSES = ("open", "password")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main(arguments: list[str]) -> int:
    """Carry out one verb; returns the exit code."""
    verb, *options = arguments or ["status"]
    if verb not in VERBS or any(option not in (*DATABASES, *ACCESSES) for option in options):
        say(f"Say one of {', '.join(VERBS)}; start takes {', '.join((*DATABASES, *ACCESSES))}.")
        return 2
    begin, state = time.monotonic(), server.state_file()
    runs = server.is_running(state)
    if verb == "build":
        say(str(installation.build()))
    elif verb == "start" and not runs:
        database = next((option for option in options if option in DATABASES), None)
        access = next((option for option in options if option in ACCESSES), "open")
        server.start(database, access, stay=True).write_state(state)  # type: ignore[arg-type]
    elif verb == "stop" and runs:
        server.read_state(state).stop()
    if verb in ("start", "status"):
        _show()
    if verb != "status":
        say(f"{verb}: {time.monotonic() - begin:.1f} s")
    return 0


def _show() -> None:
    state = server.state_file()
    if not server.is_running(state):
        say("No Airflow runs.")
        return
    say(f"state file: {state}")
    say("\n".join(server.words_of(server.read_state(state))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
