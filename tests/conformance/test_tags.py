"""What the double puts in place of tags is what Argo puts there."""

import json

import pytest

from tests.conformance.cases.parts import TEXTS
from tests.conformance.readers.tags import SubstitutionError, WaitsForEver, replaced
from tests.engines.argo import validator

VALUES: dict[str, str | None] = {
    "inputs.parameters.x": 'a"b{{workflow.name}}\n',
    "inputs.parameters.bell": "ring \x07",
    "tasks.a.status": "Succeeded",
    "tasks.a.outputs.parameters.y": None,
    "workflow.name": "flow",
}
"""Variables; None is the output of a task that was skipped."""

STRICT: dict[str, str | type[Exception]] = {
    "{{inputs.parameters.x}}": 'a"b{{workflow.name}}\n',
    "{{=inputs.parameters.x + '1'}}": 'a"b{{workflow.name}}\n1',
    "{{inputs.parameters.bell}}": SubstitutionError,
    "{{=inputs.parameters.bell}}": "ring \x07",
    "{{ workflow.name }} {{nobody.knows}}": "flow {{nobody.knows}}",
    "{{ unclosed {{workflow.name}}": "{{ unclosed flow",
    "{{=tasks.a.outputs.parameters.y ?? 'd'}}": "d",
    "{{=tasks.a.outputs.parameters.zz ?? 'd'}}": "d",
    "{{=tasks.a.status == 'Succeeded'}}": "true",
    "{{=tasks.zz?.status == 'x'}}": "false",
    "{{=int(retries) + 1}}": "{{=int(retries) + 1}}",
    "{{=inputs.parameters.nope}}": "{{=inputs.parameters.nope}}",
    "{{tasks.a.outputs.parameters.y}}": SubstitutionError,
    "{{tasks.a.outputs.parameters.zz}}": WaitsForEver,
    "{{=tasks.a.outputs.parameters.zz == nil}}": WaitsForEver,
    "{{=tasks['b'].status}}": WaitsForEver,
    "{{=1 > 'a'}}": SubstitutionError,
}
"""Text of an argument or condition of a task to what becomes of it."""


@pytest.mark.parametrize(("text", "wanted"), STRICT.items(), ids=list(STRICT))
def test_a_text_of_a_task_is_replaced(text: str, wanted: str | type[Exception]) -> None:
    if isinstance(wanted, str):
        assert replaced(text, VALUES, strict=True) == wanted
        return
    with pytest.raises(wanted):
        replaced(text, VALUES, strict=True)


def test_argo_replaces_them_in_the_same_way() -> None:
    if reason := validator.tools_missing():
        pytest.skip(reason)

    for text, found in zip(STRICT, validator.evaluate(list(STRICT), VALUES), strict=True):
        wanted = STRICT[text]
        assert bool(found.error) == (not isinstance(wanted, str)), text
        assert found.error or found.value == wanted


def test_argo_hands_on_the_same_texts_as_the_double() -> None:
    if reason := validator.tools_missing():
        pytest.skip(reason)

    for text in TEXTS:
        values = {"inputs.parameters.x": json.dumps(text), "inputs.parameters.y": text}
        asked = ["{{inputs.parameters.x}}", "{{=fromJSON(inputs.parameters.x)}}", "{{inputs.parameters.y}}"]
        for tag, found in zip(asked, validator.evaluate(asked, values, strict=False), strict=True):
            try:
                ours: str | None = replaced(tag, values)
            except SubstitutionError:
                ours = None
            assert ours == (None if found.error else found.value), (tag, text)
