"""Steps that many cases use, the image they run in, and texts that engines like to evaluate or retype."""

from __future__ import annotations

import os
from typing import Any, Final

import couler

IMAGE: Final = "python:3.12-slim"
"""Has Python, a shell and the usual small programs; on the local engine commands run as processes."""

SECOND: Final = float(os.environ.get("CONFORMANCE_SECOND", "1"))
"""The unit of time limits and pauses: longer where the start of a step takes longer."""

EVALUATED: Final = (
    "{{workflow.name}}",
    "{{workflow.parameters.x}}",
    "{{inputs.parameters.x}}",
    "{{=1+1}}",
    "{{= workflow.name }}",
    "{{tasks.give.outputs.result}}",
    "{{item}} {{item.x}}",
    "{{pod.name}} {{retries}} {{lastRetry.exitCode}}",
    "{{ unclosed",
    "closed }}",
    "$(params.x) $(tasks.a.results.b) $(context.pipelineRun.name)",
    "$(HOME) $$(HOME) $HOME ${HOME} `id` $(id)",
    "{% if x %}{{ ds }}{% endif %} {{ params.x }}",
    "%s %(x)s {0} {x}",
)
"""Texts that engines, shells and template languages would evaluate."""

RETYPED: Final = (
    "y", "n", "Y", "no", "on", "off", "true", "True", "null", "Null", "~", "", " ", "5", "05", "0o17", "0x1F", "1e3",
    "1_000", "1.0", ".5", "-1", "+1", ".inf", ".nan", "12:30:45", "2001-01-01", "=", "<<", "---", "...", "- a", "a: b",
    "a #b", "[]", "{}", "[1, 2]", '{"a": 1}', '"quoted"', "'quoted'", "@x", "!x", "&x", "*x", "|", ">", "?", "%",
)  # fmt: skip
"""Texts that readers of YAML or JSON would take for something else."""

WRITTEN: Final = (
    "quotes ' \" ''' \"\"\" and \\ \\n \\u0041",
    "line\nbreak",
    "line\r\nbreak and \r alone",
    "\n",
    "ends with a newline\n",
    "ends with two\n\n",
    "\ttab\t",
    " spaces ",
    "a\n---\nb: c\n",
    "grüße 日本語 العربية עברית ру",
    "🙂 👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "\u200b \ufeff \u2028 \u2029 \xa0 e\u0301",
    "\x01 \x07 \x0b \x1b[31m red \x1b[0m \x7f \x85",
    "\ue000 \U000f0000 \ufffe \ufffd",
)
"""Texts that are hard to write down."""

TEXTS: Final = (*EVALUATED, *RETYPED, *WRITTEN)
"""All of these; none has a zero byte, which arguments and variables of processes cannot hold."""


@couler.step
def give(value: Any) -> Any:
    return value


@couler.step
def boom(message: str = "boom") -> int:
    raise RuntimeError(message)


@couler.step
def add(a: int, b: int) -> int:
    return a + b


@couler.step
def total(values: list[Any]) -> Any:
    return sum(value or 0 for value in values)


@couler.step
def collect(values: list[Any]) -> list[Any]:
    return values


@couler.step
def fail_on(value: int, bad: int) -> int:
    if value == bad:
        raise ValueError(f"{value} is bad")
    return value * 10


@couler.step
def write(text: str, note: couler.OutFile = couler.out("note.txt")) -> int:
    with note.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    return len(text)


@couler.step
def read(note: couler.InFile) -> str:
    with note.open(encoding="utf-8", newline="") as file:
        return file.read()


@couler.step
def read_all(notes: list[couler.InFile]) -> list[str]:
    return [note.read_text(encoding="utf-8") for note in notes]


@couler.step
def flaky(ledger: str, good: int) -> int:
    """Succeeds at the given attempt; counts its attempts in a folder that survives them."""
    from pathlib import Path

    place = Path(ledger) / "attempts.txt"
    attempt = (len(place.read_text()) if place.exists() else 0) + 1
    place.write_text("x" * attempt)
    if attempt < good:
        raise OSError(f"attempt {attempt} is not good enough")
    return attempt
