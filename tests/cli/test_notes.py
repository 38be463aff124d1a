"""What an engine leaves out is said before the run starts."""

import json
from pathlib import Path

from tests.cli.conftest import Couler

PROGRAM = """
import couler

@couler.step(image="python:3.12", cache=True)
def one() -> int:
    return 1

@couler.workflow(schedule="0 3 * * *")
def nightly():
    return one()
"""


def test_a_run_in_a_pipe_says_what_is_ignored_and_where_commands_run(couler: Couler, project: Path) -> None:
    (project / "nightly.py").write_text(PROGRAM)

    ran = couler("run", "nightly.py")

    lines = ran.stdout.splitlines()
    assert "note: the schedule is ignored: the workflow runs once, now" in lines
    assert "note: cache policies are ignored: every step runs" in lines
    assert any("without the images" in line for line in lines)
    assert lines.index("note: cache policies are ignored: every step runs") < lines.index("result: 1")


def test_notes_are_events_in_json_lines(couler: Couler, project: Path) -> None:
    (project / "nightly.py").write_text(PROGRAM)

    ran = couler("run", "nightly.py", "--log-format", "json")

    events = [json.loads(line) for line in ran.stdout.splitlines()]
    notes = [event["data"]["message"] for event in events if event["kind"] == "note"]
    assert "the schedule is ignored: the workflow runs once, now" in notes
