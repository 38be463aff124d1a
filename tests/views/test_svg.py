"""Drawings as SVG."""

from __future__ import annotations

import time
import xml.etree.ElementTree as Xml
from pathlib import Path

from couler.core.ir.model import Workflow
from couler.views import svg
from couler.views.status import LOOKS
from tests.views.examples import HOSTILE, script, selection, tangle

NS = "{http://www.w3.org/2000/svg}"


def texts(drawing: str) -> list[str]:
    return [element.text or "" for element in Xml.fromstring(drawing).iter(f"{NS}text")]


def titles(drawing: str) -> list[str]:
    return [element.text or "" for element in Xml.fromstring(drawing).iter(f"{NS}title")]


def test_every_step_and_group_and_handler_is_drawn_with_its_kind() -> None:
    shown = texts(svg(selection()))
    for name in ("load", "train", "fit", "score", "publish", "mourn", "report", "notify", "when the run ends"):
        assert name in shown
    assert "steps, for each of models" in shown
    assert "container" in shown
    assert "script, on failure" in shown


def test_conditions_stand_on_the_arrows() -> None:
    shown = texts(svg(selection()))
    assert "train > 0.95" in shown
    assert "if failed" in shown


def test_a_status_is_shown_by_colour_and_by_glyph() -> None:
    drawing = svg(selection(), {"load": "succeeded", "publish": "failed"})
    assert {"✓", "✗"} <= set(texts(drawing))
    assert LOOKS["failed"].stroke in drawing
    assert 'class="n s-failed"' in drawing


def test_without_statuses_no_glyph_is_drawn() -> None:
    assert not {look.glyph for look in LOOKS.values() if look.glyph != "–"} & set(texts(svg(selection())))


def test_the_items_of_a_map_are_counted_on_the_declared_step() -> None:
    drawing = svg(selection(), {"train[0]/fit": "succeeded", "train[1]/fit": "failed", "train[2]/fit": "succeeded"})
    assert "1 failed, 2 succeeded" in texts(drawing)


def test_tooltips_hold_path_status_and_hint() -> None:
    drawing = svg(selection(), {"load": "succeeded"}, hints={"load": "1.2 s"})
    assert "load\nscript\nsucceeded\n1.2 s" in titles(drawing)


def test_hostile_names_are_only_text() -> None:
    drawing = svg(Workflow(name=HOSTILE, description=HOSTILE, steps=(script(HOSTILE),)), {HOSTILE: "odd <b>"})
    assert "<script>" not in drawing
    assert HOSTILE.replace("\x07", " ") in titles(drawing)


def test_the_same_workflow_gives_the_same_drawing() -> None:
    assert svg(tangle(80)) == svg(tangle(80))


def test_five_hundred_steps_are_drawn_in_a_second() -> None:
    workflow = tangle(500)
    start = time.perf_counter()
    drawing = svg(workflow)
    assert time.perf_counter() - start < 1.0
    assert len([text for text in texts(drawing) if text.startswith("s") and text[1:].isdigit()]) == 500


def test_very_large_workflows_are_summed_up() -> None:
    workflow = tangle(3000)
    drawing = svg(workflow, {f"s{number}": "succeeded" for number in range(2999)} | {"s2999": "failed"})
    shown = texts(drawing)
    assert len(drawing) < 60_000
    assert any(text.startswith("s0 and ") for text in shown)
    counted = sum(int(part.split()[0]) for text in shown for part in text.split(", ") if part.endswith("succeeded"))
    assert counted == 2999
    assert any("1 failed" in text for text in shown)


def test_wide_workflows_read_from_left_to_right() -> None:
    names = [f"w{number}" for number in range(30)]
    fan = Workflow(name="fan", steps=(script("a"), *[script(name, "a") for name in names], script("z", *names)))
    root = Xml.fromstring(svg(fan))
    assert float(root.attrib["width"]) < float(root.attrib["height"])


def test_an_unfinished_workflow_with_a_cycle_is_still_drawn() -> None:
    assert {"a", "b", "c"} <= set(
        texts(svg(Workflow(name="w", steps=(script("a", "b"), script("b", "a"), script("c", "gone")))))
    )


def test_an_empty_workflow_is_an_empty_drawing(tmp_path: Path) -> None:
    assert texts(svg(Workflow(name="empty"))) == []
