"""Trees, Mermaid, HTML and words."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from couler.core.ir.model import (
    AllOf,
    AnyOf,
    Compare,
    Concat,
    Constant,
    FirstOf,
    Not,
    OutputRef,
    ParameterRef,
    StatusIs,
    Workflow,
)
from couler.runs.records import RunRecord, StepRecord
from couler.views import html_run, mermaid, tree
from couler.views.status import LOOKS
from couler.views.words import condition_text, value_text
from tests.views.examples import HOSTILE, script, selection


def step(path: str, status: str, **fields: object) -> StepRecord:
    return StepRecord("r1", path, status, **{"started": 100.0, "ended": 101.25, **fields})  # type: ignore[arg-type]


def by_path(*steps: StepRecord) -> dict[str, StepRecord]:
    return {each.path: each for each in steps}


def test_statuses_have_different_words_glyphs_and_colours() -> None:
    for field in ("word", "glyph", "plain", "stroke", "fill", "dark_stroke"):
        assert len({getattr(look, field) for look in LOOKS.values()}) == len(LOOKS), field


def test_conditions_read_like_python() -> None:
    big = Compare(operator=">", left=OutputRef(step="a", path=("k", 0)), right=Constant(value="x"))
    either = AnyOf(parts=(StatusIs(step="b", status="failed"), big))
    assert condition_text(AllOf(parts=(big, either))) == 'a.k[0] > "x" and (b failed or a.k[0] > "x")'
    assert condition_text(Not(part=either)) == 'not (b failed or a.k[0] > "x")'


def test_values_read_like_references() -> None:
    first = FirstOf(options=(OutputRef(step="a"), OutputRef(step="b", output="model")))
    assert value_text(first) == "first_of(a, b.model)"
    assert value_text(Concat(parts=(Constant(value="run-"), ParameterRef(name="day")))) == "run-<day>"


def test_a_workflow_as_a_tree() -> None:
    assert tree(selection()).splitlines() == [
        "selection",
        "├─ load  script",
        "├─ train  steps, for each of models",
        "│  ├─ fit  script",
        "│  └─ score  script",
        "├─ publish  container, if train > 0.95",
        "├─ mourn  script",
        "├─ report  script",
        "└─ notify  script, at the end, on failure",
    ]


def test_a_run_as_a_tree_shows_items_times_attempts_and_messages() -> None:
    steps = by_path(
        step("load", "succeeded", attempts=2),
        step("train", "failed", message="1 item failed"),
        step("train[0]/fit", "succeeded"),
        step("train[0]/score", "running", ended=None),
        step("train[1]", "failed"),
        step("train[1]/fit", "failed", message="Traceback\nValueError: no"),
        step("publish", "skipped", started=None, ended=None),
    )
    assert tree(selection(), steps, now=103.0).splitlines() == [
        "selection",
        "├─ ✓ load  1.2 s, 2 attempts",
        "├─ ✗ train  1.2 s, 1 item failed",
        "│  ├─ ▸ train[0]",
        "│  │  ├─ ✓ fit  1.2 s",
        "│  │  └─ ▸ score  3.0 s",
        "│  └─ ✗ train[1]  1.2 s",
        "│     ├─ ✗ fit  1.2 s, ValueError: no",
        "│     └─ ○ score",
        "├─ – publish  skipped",
        "├─ ○ mourn",
        "└─ ○ report",
    ]


def test_many_items_are_folded_but_never_the_failed_ones() -> None:
    workflow = Workflow(name="w", steps=(script("work", foreach={"lists": {"item": ParameterRef(name="items")}}),))
    steps = [step(f"work[{number}]", "failed" if number == 57 else "succeeded") for number in range(100)]
    lines = tree(workflow, by_path(step("work", "failed"), *steps), plain=True).splitlines()
    assert lines[1:] == ["`- x work  1.2 s", "   |- x work[57]  1.2 s", "   `- + … 99 more  99 succeeded"]


def test_mermaid_ids_are_safe_and_labels_escaped() -> None:
    text = mermaid(Workflow(name="w", steps=(script(HOSTILE), script("end", HOSTILE))))
    lines = text.splitlines()
    assert lines[0] == "flowchart TD"
    assert re.fullmatch(r' {4}n0\["[\w ._\-/,:+=()?#;]*"\]', lines[1])
    assert "&" not in text
    assert lines[3] == "    n0 --> n1"


def test_mermaid_never_has_an_empty_label() -> None:
    assert 'n0[" "]' in mermaid(Workflow(name="w", steps=(script(""),)))


def test_mermaid_shows_groups_conditions_and_statuses() -> None:
    text = mermaid(selection(), {"load": "succeeded"})
    assert '    subgraph n1["train<br/>steps, for each of models"]' in text
    assert '    n1 -->|"train #62; 0.95"| n2' in text
    assert '    n2 -.->|"if failed"| n3' in text
    assert 'n0["#10003; load"]:::s_succeeded' in text
    assert "classDef s_succeeded" in text


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_run_as_html_is_self_contained_and_escaped() -> None:
    run = RunRecord("r-1", "w", "local", "failed", 99.0, 100.0, 102.5, message=HOSTILE)
    steps = [step(HOSTILE, "failed", attempts=3, message="ValueError: <b>no</b>")]
    found = _Tags()
    text = html_run(run, steps, Workflow(name="w", steps=(script(HOSTILE),)))
    found.feed(text)
    assert "script" not in found.tags
    assert "b" not in found.tags
    assert {"svg", "table"} <= set(found.tags)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    for part in ("r-1", "2.5 s", "✗ failed", "ValueError: <b>no</b>", "1 failed"):
        assert part in found.text


def test_long_runs_list_what_failed_first() -> None:
    run = RunRecord("r-1", "w", "local", "failed", 99.0)
    steps = [step(f"s{number}", "failed" if number == 900 else "succeeded") for number in range(1000)]
    text = html_run(run, steps)
    assert text.index("<td>s900</td>") < text.index("<td>s0</td>")
    assert "… 800 more steps" in text
