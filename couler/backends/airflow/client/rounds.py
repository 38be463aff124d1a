"""Whether a round of a loop is followed by another: Airflow starts its task before that task finds out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from couler.core.ir.evaluate import ABSENT, EvaluationError, holds
from couler.core.ir.graph import references_in
from couler.core.ir.json import freeze
from couler.core.ir.model import Loop


def goes_on(loop: Loop, number: int, outputs: Mapping[str, Any] | None) -> bool:
    """Whether it is known that round ``number``, which gave these outputs, is followed by another.

    Not known is it where the condition looks at more than the round.
    """
    kinds = {ref.kind for ref in references_in(loop.condition)}
    if outputs is None or not kinds <= {"loop_output", "round"}:
        return False
    known: Any = _Round(number, outputs)
    try:
        return holds(loop.condition, known) is True
    except EvaluationError:
        return False


class _Round:
    def __init__(self, number: int, outputs: Mapping[str, Any]) -> None:
        self._number = number
        self._outputs = outputs

    def loop_output(self, name: str) -> Any:
        return freeze(self._outputs[name]) if name in self._outputs else ABSENT

    def round(self) -> int:
        return self._number

    def __getattr__(self, name: str) -> Any:
        raise EvaluationError(f"a round does not know '{name}'")
