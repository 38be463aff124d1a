"""Values from text, tables, and the rows that fit a screen."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from rich.console import Console

from couler.cli.live import LiveTree, fitting
from couler.cli.output import can_draw, table
from couler.cli.parameters import value_from_text
from couler.cli.progress import Lines
from couler.cli.talk import listen
from couler.config import Settings
from couler.core.ir.model import ScriptTask, Step, SuspendTask, Workflow
from couler.views.tree import Row


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        ("int", "5", 5),
        ("float", "5", 5),
        ("float", "1e3", 1000.0),
        ("str", "5", "5"),
        ("str", "null", "null"),
        ("bool", "true", True),
        ("bool", "False", False),
        ("int | null", "null", None),
        ("int | str", "5", 5),
        ("int | str", "five", "five"),
        ("list[str]", '["a"]', ["a"]),
        ("object", '{"a": 1}', {"a": 1}),
        ("any", "plain words", "plain words"),
        ("any", "NaN", "NaN"),
    ],
)
def test_text_means_a_value_of_the_declared_type(type: str, text: str, value: object) -> None:
    found = value_from_text(type, text)
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


@pytest.mark.parametrize(("type", "text"), [("int", "5.5"), ("int", "true"), ("bool", "1"), ("list[int]", '["a"]')])
def test_text_of_another_type_is_refused(type: str, text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        value_from_text(type, text)


def test_a_table_keeps_one_line_a_row() -> None:
    assert table([["a", "two\nlines"], ["long name", ""]], ["name", "text"]).splitlines() == [
        "NAME       TEXT",
        "a          two lines",
        "long name",
    ]


def test_rows_that_matter_are_kept_when_the_screen_is_small() -> None:
    rows = tuple(
        Row("", str(number), f"s{number}", "failed" if number == 3 else "succeeded", "") for number in range(50)
    )
    shown = [row.label for row in fitting(rows, 5)]
    assert shown == ["s3", "s47", "s48", "s49", "… 46 more"]
    assert fitting(rows, 50) == rows


def test_a_stream_that_cannot_show_glyphs_is_known() -> None:
    assert not can_draw(SimpleNamespace(encoding="latin-1"))
    assert not can_draw(SimpleNamespace(encoding="no-such-thing"))
    assert can_draw(SimpleNamespace(encoding="utf-8"))


def test_lines_tell_of_attempts_waiting_and_ends() -> None:
    script = Step(name="train", task=ScriptTask(source="x"))
    stream = io.StringIO()
    lines = Lines(Workflow(name="w", steps=(script, Step(name="ask", task=SuspendTask()))), stream)

    def step(path: str, status: str, time: float, attempts: int = 1, message: str = "") -> None:
        data = {"status": status, "attempts": attempts, "message": message}
        lines(SimpleNamespace(run="r1", time=time, kind="step", path=path, data=data))

    step("train", "running", 0)
    step("train", "running", 1, attempts=2)
    step("train", "failed", 2.5, attempts=2, message="first\nlast")
    step("train", "failed", 2.5, attempts=2, message="first\nlast")
    step("ask", "running", 3, message="go on?")
    step("later", "cancelled", 3)
    assert [line.partition(" ")[2] for line in stream.getvalue().splitlines()] == [
        "train runs again, attempt 2",
        "train failed in 2.5 s: last",
        "ask waits for a person (go on?): `couler resume r1 --approve ask` or `--reject`",
        "later cancelled",
    ]


@pytest.fixture
def quiet_afterwards() -> Iterator[None]:
    logger = logging.getLogger("couler")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.mark.usefixtures("quiet_afterwards")
def test_loggers_speak_from_the_chosen_level_in_the_chosen_format(capsys: pytest.CaptureFixture[str]) -> None:
    listen(Settings(log_level="info", log_format="json"))
    logging.getLogger("couler.some.room").info("%s done", 3)
    logging.getLogger("couler.some.room").debug("hidden")
    told = json.loads(capsys.readouterr().err)
    assert (told["level"], told["logger"], told["message"]) == ("info", "couler.some.room", "3 done")
    listen(Settings())
    logging.getLogger("couler").info("hidden")
    logging.getLogger("couler").warning("shown")
    assert capsys.readouterr().err.endswith(" WARNING couler: shown\n")


def test_a_large_tree_is_not_drawn_more_often_than_it_can_afford() -> None:
    tree = LiveTree(Workflow(name="w", steps=(Step(name="train", task=ScriptTask(source="x")),)))
    console = Console(file=io.StringIO(), width=80, height=20)

    def drawn() -> str:
        with console.capture() as captured:
            console.print(tree)
        return captured.get()

    assert "○ train" in drawn()
    tree(SimpleNamespace(run="r1", time=1.0, kind="step", path="train", data={"status": "failed", "message": "no"}))
    tree._redraw_at = float("inf")
    assert "○ train" in drawn()
    tree.hurry()
    assert "✗ train" in drawn()
