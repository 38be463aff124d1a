"""User text through every channel: nothing in it is evaluated, retyped or lost."""

from __future__ import annotations

from typing import Any

import couler
from tests.conformance.case import case, items, succeeded
from tests.conformance.cases.parts import EVALUATED, IMAGE, RETYPED, TEXTS, WRITTEN, collect, give

SHOW_ARGUMENTS = "import json, sys; print(json.dumps(sys.argv[1:]))"
SHOW_VARIABLES = (
    "import json, os; print(json.dumps([os.environ[f'TEXT_{n}'] for n in range(int(os.environ['COUNT']))]))"
)


@couler.step
def parse(text: str) -> Any:
    import json

    return json.loads(text)


@couler.step
def knows_by_heart() -> list[str]:
    name = "x"
    return [
        "{{workflow.name}}",
        f"{{{{={name}}}}}",
        "{{inputs.parameters.x}}",
        "$(params.x)",
        '"""',
        "'''",
        "\\",
        "🙂\t\x07",
    ]


@couler.step
def look(key: str) -> Any:
    return {"{{workflow.name}}": key, "$(params.x)": ["{{=1+1}}", {"y": "1e3"}]}


@case("text-is-data", steps=succeeded("give", "give-2"), result=list(TEXTS))
def text_in_constants() -> Any:
    return give(give(list(TEXTS)))


@case("text-is-data", "container", steps=succeeded("prints", "parse"), result=list(TEXTS))
def text_in_arguments() -> Any:
    return parse(couler.run_container(IMAGE, ["python3", "-c", SHOW_ARGUMENTS], list(TEXTS), step_name="prints"))


@case(
    "text-is-data",
    "container",
    steps=succeeded("give", "prints", "parse"),
    result=list(TEXTS),
)
def text_in_arguments_from_a_step() -> Any:
    made = give(list(TEXTS))
    arguments = [made[index] for index in range(len(TEXTS))]
    return parse(couler.run_container(IMAGE, ["python3", "-c", SHOW_ARGUMENTS], arguments, step_name="prints"))


@case("text-is-data", "env", steps=succeeded("prints", "parse"), result=list(TEXTS))
def text_in_variables() -> Any:
    env: dict[str, Any] = {f"TEXT_{index}": text for index, text in enumerate(TEXTS)}
    env["COUNT"] = len(TEXTS)
    return parse(couler.run_container(IMAGE, ["python3", "-c", SHOW_VARIABLES], step_name="prints", env=env))


@case(
    "text-is-data",
    "env",
    steps=succeeded("give", "prints", "parse"),
    result=list(EVALUATED),
)
def text_in_variables_from_a_step() -> Any:
    made = give(list(EVALUATED))
    env: dict[str, Any] = {f"TEXT_{index}": made[index] for index in range(len(EVALUATED))}
    env["COUNT"] = len(EVALUATED)
    return parse(couler.run_container(IMAGE, ["python3", "-c", SHOW_VARIABLES], step_name="prints", env=env))


@case(
    "text-is-data",
    "parameters",
    steps=succeeded("give", "prints", "parse"),
    outputs={"given": list(TEXTS), "one": "{{=1+1}}", "other": "1e3", "printed": ["{{=1+1}}", "1e3"]},
    parameters={"given": list(TEXTS), "one": "{{=1+1}}"},
)
def text_in_parameters(given: list[str], one: str, other: str = "1e3") -> Any:
    printed = couler.run_container(IMAGE, ["python3", "-c", SHOW_ARGUMENTS], [one, other], step_name="prints")
    return {"given": give(given), "one": one, "other": other, "printed": parse(printed)}


@case("text-is-data", "parameters", steps=succeeded("give"), result=["{{workflow.name}}", "y", "null", "\n", "🙂\x07"])
def text_in_defaults_of_parameters(
    a: str = "{{workflow.name}}", b: str = "y", c: str = "null", d: str = "\n", e: str = "🙂\x07"
) -> Any:
    return give([a, b, c, d, e])


@case(
    "text-is-data",
    "function",
    steps=succeeded("knows_by_heart"),
    result=[
        "{{workflow.name}}",
        "{{=x}}",
        "{{inputs.parameters.x}}",
        "$(params.x)",
        '"""',
        "'''",
        "\\",
        "🙂\t\x07",
    ],
)
def text_in_the_source_of_a_function() -> Any:
    return knows_by_heart()


@case(
    "text-is-data",
    "script",
    steps=succeeded("script"),
    result='{{workflow.name}} {{=1+1}} $(params.x) ü "quoted" \\',
)
def text_in_the_source_of_a_script() -> Any:
    return couler.run_script(
        IMAGE, "print('{{workflow.name}} {{=1+1}} $(params.x) ü \"quoted\" \\\\')", command="python3"
    )


@case("text-is-data", "script", steps=succeeded("script"), result="{{inputs.parameters.x}}|a b|$(id)")
def text_in_a_shell_script() -> Any:
    source = "set -eu\nx='{{inputs.parameters.x}}'\ncat <<'END'\n" + "{{inputs.parameters.x}}|a b|$(id)\nEND\n"
    return couler.run_script(IMAGE, source, command="sh")


@case("text-is-data", "stdout", steps=succeeded("prints", "give"), result="\n".join(EVALUATED))
def text_printed_by_a_container() -> Any:
    printed = couler.run_container(IMAGE, ["printf", "%s\n"], list(EVALUATED), step_name="prints")
    return give(printed)


@case("stdout", steps=succeeded("two", "none", "nothing", "collect"), result=["two\n", "none", ""])
def standard_output_loses_one_newline() -> Any:
    two = couler.run_container(IMAGE, ["printf"], ["%s\n\n", "two"], step_name="two")
    none = couler.run_container(IMAGE, ["printf", "none"], step_name="none")
    nothing = couler.run_container(IMAGE, ["true"], step_name="nothing")
    return collect([two, none, nothing])


@case("stdout", "text-is-data", steps=succeeded("number", "truth", "list", "collect"), result=["5", "true", "[1]"])
def standard_output_is_text() -> Any:
    number = couler.run_container(IMAGE, ["echo", "5"], step_name="number")
    truth = couler.run_container(IMAGE, ["echo", "true"], step_name="truth")
    listed = couler.run_container(IMAGE, ["echo", "[1]"], step_name="list")
    return collect([number, truth, listed])


@case("text-is-data", "value-parts", steps=succeeded("look", "give"), result="{{=1+1}}")
def text_in_keys() -> Any:
    return give(look("x")["$(params.x)"][0])


@case("text-is-data", "map", steps=items("give", len(WRITTEN) + len(EVALUATED)), result=[*WRITTEN, *EVALUATED])
def text_in_items_of_a_map() -> Any:
    return give.map([*WRITTEN, *EVALUATED])


@case("text-is-data", "map-dynamic", steps=succeeded("give") | items("again", len(RETYPED)), result=list(RETYPED))
def text_in_items_known_at_run_time() -> Any:
    return give.map(give(list(RETYPED))).named("again")


@case("text-is-data", "when", steps=succeeded("give", "same") | {"other": "skipped", "number": "skipped"})
def text_in_conditions() -> None:
    text = give('it\'s {{=1+1}} "5"\n\\')
    with couler.when(text == 'it\'s {{=1+1}} "5"\n\\'):
        give(1).named("same")
    with couler.when(text == 'it\'s 2 "5"\n\\'):
        give(1).named("other")
    with couler.when(text.in_([5, "5", "it's"])):
        give(1).named("number")


@case(
    "text-is-data",
    "loop-carry",
    steps=succeeded("again", "again#0", "again#1"),
    result="{{=1+1}}..",
)
def text_carried_by_a_loop() -> Any:
    return couler.loop(
        dot, "{{=1+1}}", until=lambda text: text == "{{=1+1}}..", max_iterations=5, carry={"text": "result"}
    ).named("again")


@couler.step
def dot(text: str) -> str:
    return text + "."


@case("text-is-data", "failure", steps={"fails": "failed"}, status="failed", failing="fails", says=("{{=1+1}} $(x) é",))
def text_in_messages() -> None:
    raises("{{=1+1}} $(x) é").named("fails")


@couler.step
def raises(message: str) -> None:
    raise ValueError(message)
