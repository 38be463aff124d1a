"""Preflight finds what breaks Argo's limits and traps; of each finding it is known who else sees it."""

from __future__ import annotations

import copy
import json
from datetime import date
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from couler.backends.argo.preflight import RULES, Finding, preflight
from couler.backends.argo.preflight.reading import Document, json_bytes
from tests.engines.argo import schema, validator
from tests.engines.argo.documents import (
    around,
    cron,
    dag,
    leaf,
    parameters,
    steps,
    task,
    template_object,
    workflow,
)  # fmt: skip

BOTH, SCHEMA, LINT, NOBODY = {"schema", "lint"}, {"schema"}, {"lint"}, set[str]()


class Case(NamedTuple):
    """A document that breaks a rule.

    Attributes:
        seen: Who else refuses it: the strict schema, Argo's linter.
    """

    rule: str
    name: str
    document: dict[str, Any]
    seen: set[str]
    what: str
    version: str = ""


def retried(**strategy: Any) -> dict[str, Any]:
    return around(leaf(retryStrategy=strategy))


def memoized(**fields: Any) -> dict[str, Any]:
    whole = {"key": "k", "cache": {"configMap": {"name": "c"}}, "maxAge": "1h"}
    return around(leaf(memoize={key: value for key, value in {**whole, **fields}.items() if value is not None}))


def with_container(**fields: Any) -> dict[str, Any]:
    made = leaf()
    return {**made, "container": {**made["container"], **fields}}


def near_nodes(required: dict[str, Any]) -> dict[str, Any]:
    return leaf(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}})


def producing(**value_from: Any) -> dict[str, Any]:
    return leaf("producer", outputs={"parameters": [{"name": "o", "valueFrom": {"path": "/o", **value_from}}]})


TAKEN = parameters(p="{{tasks.a.outputs.parameters.o}}")
RESULT = parameters(p="{{tasks.a.outputs.result}}")
TAKER = leaf("taker", inputs=parameters("p"))
WHEN = "{{=inputs.parameters.x == 'y'}}"


def branch(consumer: dict[str, Any], producer: dict[str, Any] | None = None, **first: Any) -> dict[str, Any]:
    """A task ``a`` with attributes of its own, and a consumer of what it makes."""
    inner = dag(task("a", "producer", **first), consumer, name="group", inputs=parameters("x"))
    caller = dag(task("g", "group", arguments=parameters(x="1")))
    return workflow(caller, inner, producer or producing(), TAKER)


def big(characters: int, **fields: Any) -> dict[str, Any]:
    halves = [leaf("one"), leaf("two")]
    for half in halves:
        half["container"]["args"] = ["x" * 100_000] * (characters // 200_000)
    return {**workflow(dag(task("a", "one"), task("b", "two")), *halves), **fields}


def chain(length: int) -> dict[str, Any]:
    groups = [dag(task(template=f"t{number + 1}"), name=f"t{number}") for number in range(length)]
    return workflow(*groups, leaf(f"t{length}"), entrypoint="t0")


CASES = [
    Case("name-length", "a name of 64", workflow(dag(task()), leaf(), metadata={"name": "n" * 64}), LINT, "64"),
    Case("name-length", "a cron name of 53", cron("n" * 53, around(leaf())), LINT, "may have 52"),
    Case("name-characters", "capitals", workflow(dag(task()), leaf(), metadata={"name": "Big"}), SCHEMA, "'Big'"),
    Case(
        "name-characters", "a generated name",
        workflow(dag(task()), leaf(), metadata={"generateName": "a_"}), SCHEMA, "'a_'",
    ),
    Case("field-names", "an underscore", around(leaf("a_b")), BOTH, "'a_b'"),
    Case("field-names", "a task of 129", workflow(dag(task("a" * 129)), leaf()), BOTH, "129"),
    Case("uppercase-template", "a pod named in capitals", around(leaf("Leaf")), NOBODY, "'Leaf'"),
    Case("keyword-task", "depends", workflow(dag(task("in"), task("b", depends="in")), leaf()), NOBODY, "'in'"),
    Case(
        "keyword-task", "dependencies",
        workflow(dag(task("not"), task("b", dependencies=["not"])), leaf()), NOBODY, "'not'",
    ),
    Case("leading-digit", "depends", workflow(dag(task("a"), task("1b", depends="a")), leaf()), BOTH, "'1b'"),
    Case("leading-digit", "the one before", workflow(dag(task("1a"), task("b", depends="1a")), leaf()), LINT, "'1a'"),
    Case("value-names", "a dot", around(leaf(), arguments=parameters(**{"a.b": "1"})), BOTH, "'a.b'"),
    Case("repeated-names", "templates", workflow(dag(task()), leaf(), leaf()), LINT, "2 templates"),
    Case("repeated-names", "tasks", workflow(dag(task(), task()), leaf()), LINT, "2 tasks"),
    Case("repeated-names", "parameters", around(leaf(inputs={"parameters": [{"name": "p", "default": "1"}] * 2})),
         LINT, "2 parameters"),
    Case("reserved-container", "wait", around(leaf(sidecars=[{"name": "wait", "image": "x", "command": ["x"]}])),
         NOBODY, "'wait'"),
    Case(
        "main-container", "outputs of nobody",
        around({"name": "leaf", "outputs": {"parameters": [{"name": "o", "valueFrom": {"path": "/o"}}]},
                "containerSet": {"containers": [{"name": "one", "image": "x", "command": ["x"]}]}}),
        LINT, "none is called 'main'",
    ),
    Case("labels", "a name with a space", around(leaf(metadata={"labels": {"a b": "c"}})), NOBODY, "'a b'"),
    Case("labels", "a value with a space", workflow(dag(task()), leaf(), metadata={
        "name": "w", "labels": {"a": "b c"}}), SCHEMA, "'b c'"),
    Case("labels", "of a node", around(leaf(nodeSelector={"zone": "a b"})), NOBODY, "'zone' has the value 'a b'"),
    Case("object-names", "a service account", around(leaf(serviceAccountName="My Account")), NOBODY,
         "the service account 'My Account', and such names have small letters"),
    Case("object-names", "a priority class", around(leaf(priorityClassName="high_priority")), NOBODY,
         "the priority class 'high_priority'"),
    Case("object-names", "a namespace", workflow(dag(task()), leaf(), metadata={"name": "w", "namespace": "a.b"}),
         NOBODY, "the namespace 'a.b', and such names have small letters, digits and '-'"),
    Case("object-names", "a long namespace", workflow(dag(task()), leaf(), metadata={
        "name": "w", "namespace": "n" * 64}), NOBODY, "it has 64 characters, of which 63 are allowed"),
    Case("object-names", "a secret of a variable", around(with_container(env=[{
        "name": "T", "valueFrom": {"secretKeyRef": {"name": "Token", "key": "t"}}}])), NOBODY, "the secret 'Token'"),
    Case("object-names", "a key of a secret", around(with_container(env=[{
        "name": "T", "valueFrom": {"secretKeyRef": {"name": "token", "key": "a/b"}}}])), NOBODY,
         "the key of a secret 'a/b'"),
    Case("object-names", "volumes", around(leaf(volumes=[
        {"name": "a", "configMap": {"name": "-a"}}, {"name": "b", "persistentVolumeClaim": {"claimName": "b"}}])),
         NOBODY, "the config map '-a'"),
    Case("object-names", "of a store", around(leaf(outputs={"artifacts": [{"name": "o", "path": "/o", "s3": {
        "bucket": "b", "key": "k", "accessKeySecret": {"name": "s_3", "key": "k"}}}]})), NOBODY, "the secret 's_3'"),
    Case("affinity", "an unknown field", around(leaf(affinity={"nodeAfinity": {}})), BOTH,
         "affinity.nodeAfinity: unknown field; did you mean 'nodeAffinity'?"),
    Case("affinity", "no terms", around(near_nodes({})), SCHEMA, "has no 'nodeSelectorTerms'"),
    Case("affinity", "an operator", around(near_nodes({"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "zone", "operator": "Is", "values": ["a"]}]}]})), NOBODY,
         "has the operator 'Is', which is none of In, NotIn"),
    Case("affinity", "no values", around(near_nodes({"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "zone", "operator": "In"}]}]})), NOBODY, "the operator 'In' and no 'values'"),
    Case("affinity", "no topology", around(leaf(affinity={"podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}}]}})), SCHEMA, "no 'topologyKey'"),
    Case("broken-tag", "a step", workflow(dag(task(arguments=parameters(p="{{steps.x.outputs.result}}"))), leaf(
        inputs={"parameters": [{"name": "p"}]})), LINT, "'steps.x', which this template does not have"),
    Case("broken-tag", "an input", around(with_container(args=["{{inputs.parameters.x}}"])), LINT, "the input 'x'"),
    Case("broken-tag", "a parameter", around(with_container(args=["{{workflow.parameters.x}}"])), LINT,
         "the parameter 'x', which the workflow does not have"),
    Case("template-count", "201", workflow(dag(task()), leaf(), *[leaf(f"t{n}") for n in range(199)]), SCHEMA, "201"),
    Case("task-count", "201", workflow(dag(*[task(f"t{n}") for n in range(201)]), leaf()), SCHEMA, "201"),
    Case("task-count", "none", workflow(dag()), BOTH, "no tasks"),
    Case("input-count", "501", around(leaf(inputs={"parameters": [
        {"name": f"p{n}", "default": ""} for n in range(501)]})), SCHEMA, "501"),
    Case("metric-count", "101", around(leaf(metrics={"prometheus": [
        {"name": f"m{n}", "help": "h", "counter": {"value": "1"}} for n in range(101)]})), SCHEMA, "101"),
    Case("object-size", "1.6 MB", big(1_600_000), NOBODY, "1,572,864"),
    Case("workflow-size", "1.2 MB", big(1_200_000), NOBODY, "1,048,576"),
    Case("room-for-status", "0.8 MB", big(800_000), NOBODY, "the state of its steps"),
    Case("annotation-size", "of pods", around(
        leaf(metadata={"annotations": {"a": "x" * 262_144}})), NOBODY, "262,145"),
    Case("annotation-size", "of the object", workflow(dag(task()), leaf(), metadata={
        "name": "w", "annotations": {"a": "x" * 262_144}}), SCHEMA, "262,145"),
    Case("argument-size", "an argument", around({"name": "leaf", "container": {
        "image": "x", "command": ["x"], "args": ["x" * 131_072]}}), NOBODY, "args[0]"),
    Case("argument-size", "a variable", around({"name": "leaf", "container": {
        "image": "x", "command": ["x"], "env": [{"name": "V", "value": "x" * 131_070}]}}), NOBODY, "variable V"),
    Case("template-size", "before 3.7", around({"name": "leaf", "script": {
        "image": "x", "command": ["python"], "source": "#" * 131_072}}), NOBODY, "before 3.7", "3.6"),
    Case("apply-size", "300 kB", template_object("w", big(400_000)), NOBODY, "kubectl apply"),
    Case("call-depth", "100 templates", chain(99), NOBODY, "100 templates"),
    Case("endless-calls", "a template calls itself", workflow(dag(task(template="main"))), NOBODY, "calls itself"),
    Case("endless-calls", "two call each other", workflow(
        dag(task(template="two")), steps([task(template="main")], name="two")), NOBODY, "calls itself"),
    Case("newer-fields", "the longest wait", retried(limit="1", backoff={"duration": "1s", "cap": "9s"}),
         NOBODY, "spec.templates[1].retryStrategy.backoff.cap", "3.6"),
    Case("endless-retries", "a template", retried(retryPolicy="Always"), NOBODY, "no limit"),
    Case("endless-retries", "the workflow", around(
        leaf(), retryStrategy={"retryPolicy": "Always"}), NOBODY, "no limit"),
    Case("backoff-factor", "one and a half", retried(limit="1", backoff={"duration": "1s", "factor": "1.5"}),
         NOBODY, "'1.5'"),
    Case("no-command", "a container", around({"name": "leaf", "container": {"image": "x"}}), NOBODY, "no command"),
    Case("limits-on-parents", "timeout", workflow(dag(task(), timeout="10s"), leaf()), BOTH, "timeout stands on a DAG"),
    Case("limits-on-parents", "a deadline", workflow(
        steps([task()], activeDeadlineSeconds="10"), leaf()), BOTH, "steps"),
    Case("parallelism-on-leaves", "a container", around(leaf(parallelism=2)), LINT, "calls no others"),
    Case("durations", "a bare number", around(leaf(timeout="10")), LINT, "'10'"),
    Case("template-kind", "two kinds", around(leaf(suspend={})), BOTH, "container and suspend"),
    Case("template-kind", "none", around({"name": "leaf"}), LINT, "neither"),
    Case("mixed-dependencies", "both ways", workflow(
        dag(task("a"), task("b", depends="a"), task("c", dependencies=["a"])), leaf()), LINT, "dependencies"),
    Case("mixed-dependencies", "continueOn", workflow(
        dag(task("a", continueOn={"failed": True}), task("b", depends="a")), leaf()), LINT, "continueOn"),
    Case("loops", "count and end", workflow(dag(task(withSequence={"count": "1", "end": "2"})), leaf()), BOTH, "end"),
    Case("loops", "two loops", workflow(dag(task(withItems=[1], withParam="[]")), leaf()), LINT, "withItems and with"),
    Case("hooks", "of a task", workflow(dag(task(hooks={"on": {"template": "leaf"}})), leaf()), NOBODY, "'on'"),
    Case("hooks", "of a step", workflow(steps([task(hooks={"on": {"template": "leaf"}})]), leaf()), LINT, "'on'"),
    Case("cache", "no key", memoized(key=None), SCHEMA, "no key"),
    Case("cache", "no age", memoized(maxAge=None), SCHEMA, "no maxAge"),
    Case("cache", "an underscore", memoized(key="a_b"), NOBODY, "'a_b'"),
    Case("cache", "a long key", memoized(key="a" * 254), NOBODY, "254"),
    Case("cache", "an age in days", memoized(maxAge="1d"), NOBODY, "'1d'"),
    Case("argument-without-value", "a workflow", around(leaf(), arguments=parameters("p")), NOBODY, "'p'"),
    Case("schedule-without-value", "a schedule", cron("c", around(leaf(), arguments=parameters("p"))), LINT, "'p'"),
    Case("broken-calls", "a task", workflow(dag(task(template="other")), leaf()), LINT, "'other'"),
    Case("broken-calls", "no entrypoint", workflow(leaf(), entrypoint=""), LINT, "no entrypoint"),
    Case("broken-calls", "an exit handler", around(leaf(), onExit="other"), LINT, "onExit is 'other'"),
    Case("broken-calls", "nothing", workflow(dag({"name": "a"}), leaf()), LINT, "calls no template"),
    Case("missing-result", "of a condition", branch(task("b", "taker", depends="a", arguments=RESULT), when=WHEN),
         NOBODY, "the result of 'a'"),
    Case("empty-list", "all outputs", branch(
        task("b", "taker", depends="a", arguments=parameters(p="{{tasks.a.outputs.parameters}}")),
        withParam="{{inputs.parameters.x}}"), NOBODY, "all outputs of 'a'"),
    Case("empty-list", "one output", branch(
        task("b", "taker", depends="a", arguments=TAKEN), withParam="{{inputs.parameters.x}}"), NOBODY, "'o' of 'a'"),
    Case("missing-output", "of a condition", branch(task("b", "taker", depends="a", arguments=TAKEN), when=WHEN),
         NOBODY, "'o' of 'a'"),
    Case("missing-output", "in an expression", branch(task("b", "taker", depends="a", arguments=parameters(
        p="{{=tasks['a'].outputs.parameters['o'] + '!'}}")), when=WHEN), NOBODY, "'o' of 'a'"),
    Case("missing-output", "of one left out", branch(
        task("b", "taker", depends="a || a.Omitted", arguments=TAKEN), depends="z.Failed"), LINT, "'o' of 'a'"),
    Case("missing-output", "in an output", workflow(
        dag(task("a", "producer", when="{{workflow.name}} == x"),
            outputs={"parameters": [{"name": "q", "valueFrom": {"parameter": "{{tasks.a.outputs.parameters.o}}"}}]}),
        producing()), NOBODY, "the output 'q'"),
    Case("output-of-failure", "continueOn", branch(
        task("b", "taker", dependencies=["a"], arguments=TAKEN), continueOn={"failed": True}), NOBODY, "have failed"),
    Case("value-not-text", "a number", around(leaf(), arguments=parameters(p=1)), SCHEMA, "is 1"),
    Case("value-not-text", "a flag given", workflow(
        dag(task(template="taker", arguments=parameters(p=True))), TAKER), SCHEMA, "is True"),
    Case("evaluated-value", "a tag", around(leaf(), arguments=parameters(p="{{workflow.name}}")), NOBODY, "evaluates"),
    Case("evaluated-value", "an expression", workflow(dag(task(withItems=["{{=1}}"])), leaf()), NOBODY, "item 0"),
    Case("unprintable-value", "ESC", around(leaf(), arguments=parameters(p="\x1b[0m")), NOBODY, "U+001B"),
    Case("unprintable-value", "beyond the plane", workflow(
        dag(task(template="taker", arguments=parameters(p="\U000f0000"))), TAKER), NOBODY, "U+F0000"),
    Case("torn-expression", "in a literal", workflow(
        dag(task(when="{{='}}' == inputs.parameters.x}}"), inputs={"parameters": [{"name": "x", "default": "1"}]}),
        leaf()), NOBODY, "when"),
    Case("torn-expression", "of two maps", workflow(
        dag(task(template="taker", arguments=parameters(p="{{=toJson({'a': {'b': 1}})}}"))), TAKER), NOBODY, "'p'"),
]  # fmt: skip
IDS = [f"{case.rule}: {case.name}" for case in CASES]


def found_in(document: dict[str, Any], version: str = "") -> tuple[Finding, ...]:
    return preflight([document], version)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_what_breaks_a_rule_is_found_by_it(case: Case) -> None:
    found = [finding for finding in found_in(case.document, case.version) if finding.rule == case.rule]
    assert any(case.what in finding.message for finding in found), found_in(case.document, case.version)


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == {rule.name for rule in RULES}
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_it_is_known_of_each_case_whether_the_schema_sees_it() -> None:
    seen = {name: bool(schema.problems(case.document)) for name, case in zip(IDS, CASES, strict=True)}
    assert seen == {name: "schema" in case.seen for name, case in zip(IDS, CASES, strict=True)}


@pytest.mark.skipif(bool(validator.tools_missing()), reason=validator.tools_missing())
def test_it_is_known_of_each_case_whether_the_linter_of_argo_sees_it() -> None:
    groups = {name: {name: json.dumps(case.document)} for name, case in zip(IDS, CASES, strict=True)}
    errors = {name: found[name] for name, found in validator.validate_groups(groups).items()}
    assert {name: bool(error) for name, error in errors.items()} == {
        name: "lint" in case.seen for name, case in zip(IDS, CASES, strict=True)
    }, errors


SOUND = {
    "recursion with a condition": workflow(dag(task("a"), task("b", "main", depends="a", when="{{=false}}")), leaf()),
    "a default at the producer": branch(
        task("b", "taker", depends="a", arguments=TAKEN), producing(default="null"), when=WHEN
    ),
    "an output called result": branch(
        task("b", "taker", depends="a", arguments=parameters(p="{{tasks.a.outputs.parameters.result}}")),
        leaf("producer", outputs={"parameters": [{"name": "result", "valueFrom": {"path": "/o", "default": "null"}}]}),
        when=WHEN,
    ),
    "a default at the consumer": branch(
        task("b", "with-default", depends="a", arguments=TAKEN), when=WHEN
    ),
    "a default in the expression": branch(
        task("b", "taker", depends="a", arguments=parameters(p="{{=tasks.a.outputs.parameters.o ?? 'd'}}")), when=WHEN
    ),
    "one condition for both": branch(task("b", "taker", depends="a", arguments=RESULT, when=WHEN), when=WHEN),
    "a condition on the status": branch(
        task("b", "taker", depends="a", arguments=TAKEN, when="{{=tasks['a'].status != 'Skipped'}}"), when=WHEN
    ),
    "a choice by status": branch(
        task("b", "taker", depends="a", arguments=parameters(
            p="{{=tasks.a.status == 'Skipped' ? 'none' : tasks.a.outputs.parameters.o}}")), when=WHEN
    ),
    "only after success": branch(task("b", "taker", depends="a.Succeeded", arguments=RESULT), when=WHEN),
    "a failure with a default": branch(
        task("b", "taker", dependencies=["a"], arguments=TAKEN), producing(default="null"), continueOn={"failed": True}
    ),
    "a list that is not empty": branch(task("b", "taker", depends="a", arguments=RESULT), withParam='["x"]'),
    "a condition on items": branch(
        task("b", "taker", depends="a", arguments=RESULT), withItems=[1, 2], when="{{item}} > 1"
    ),
    "a choice between outputs": workflow(
        dag(
            task("a", "producer", when="{{workflow.name}} == x"),
            outputs={"parameters": [{"name": "q", "valueFrom": {
                "expression": "tasks.a.status == 'Skipped' ? '' : tasks.a.outputs.parameters.o"}}]},
        ),
        producing(),
    ),
    "99 templates deep": chain(98),
    "braces of another language": around(leaf(), arguments=parameters(p="{{ user.name }} {% x %}")),
    "the text of a list": around(leaf(), arguments=parameters(p='["\\u001b", "\\u007b{workflow.name}}"]')),
    "inline templates": workflow(dag({"name": "a", "inline": {"container": {"image": "x", "command": ["x"]}}})),
    "a command by default": workflow(
        dag(task()), {"name": "leaf", "container": {"image": "x"}}, templateDefaults={"container": {"command": ["x"]}}
    ),
    "a cache": memoized(key="{{workflow.name}}-1", maxAge="1h30m"),
    "a cron workflow": cron("c" * 52, around(leaf(), arguments=parameters(p="1"))),
    "a template with an open argument": template_object("t", around(leaf(), arguments=parameters("p"))),
    "a large source": around(
        {"name": "leaf", "script": {"image": "x", "command": ["python"], "source": "#" * 200_000}}
    ),
    "whole expressions": workflow(
        dag(task(template="taker", arguments=parameters(p="{{=toJson({'a': [1, '}'], 'b': \"it's\"})}}"))), TAKER
    ),
}  # fmt: skip
SOUND["a default at the consumer"]["spec"]["templates"].append(
    leaf("with-default", inputs={"parameters": [{"name": "p", "default": "null"}]})
)


@pytest.mark.parametrize("document", SOUND.values(), ids=list(SOUND))
def test_sound_documents_are_left_in_peace(document: dict[str, Any]) -> None:
    assert [finding.message for finding in found_in(document)] == []


def test_a_finding_says_where_what_why_and_what_to_do() -> None:
    [finding] = found_in(around(leaf(), arguments=parameters("p")))
    assert (finding.severity, finding.document, finding.where) == ("warning", "Workflow w-", "arguments")
    assert finding.message == (
        "Workflow w-, arguments: the parameter 'p' has no value; "
        "the linter lets it pass, and a run that is started without one fails (workflow/validate)"
    )
    assert finding.do == "give the parameter a value when the run is started, or a default"


def test_errors_come_first_and_other_kinds_are_passed_over() -> None:
    document = workflow(dag(task()), {"name": "leaf", "container": {"image": "x"}, "timeout": "5"})
    found = preflight([{"kind": "ConfigMap"}, document])
    assert [(finding.rule, finding.severity) for finding in found] == [
        ("durations", "error"),
        ("no-command", "warning"),
    ]


def test_all_documents_are_looked_at() -> None:
    first, second = around(leaf("A")), cron("c", around(leaf("B")))
    assert [finding.document for finding in preflight([first, second])] == ["Workflow w-", "CronWorkflow c"]


def test_sizes_are_those_that_go_writes() -> None:
    assert json_bytes({"a": "<é😀&\u2028", "b": [1, True, None]}) == len(
        '{"a":"\\u003cé😀\\u0026\\u2028","b":[1,true,null]}'.encode()
    )


def test_what_is_no_json_has_a_size_and_no_text() -> None:
    read = Document.of(workflow(leaf("A"), days=date(2024, 1, 1)), "4.1")
    assert read is not None
    assert read.size > 0
    with pytest.raises(TypeError, match="date is not JSON"):
        assert read.text


def test_the_size_that_counts_is_the_one_of_the_object_that_the_controller_keeps() -> None:
    mixed = workflow(
        dag(task("a", arguments=parameters(x="<&é"))),
        steps([task("b")], name="s"),
        {"name": "t", "script": {"image": "x", "command": ["x"], "source": "1"}, "inputs": parameters("x")},
    )
    kept = [Document.of(document, "4.1") for document in (around(leaf()), mixed)]
    assert [document.kept_size for document in kept if document] == [471, 654]  # written by Argo 4.0.7


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path] * bool(path) + [found for key, child in children for found in paths(child, (*path, key))]


TEMPLATES = [case.document for case in CASES if json_bytes(case.document) < 3000] + list(SOUND.values())


@given(document=st.sampled_from(TEMPLATES), data=st.data(), junk=JSON)
def test_no_document_makes_preflight_fail_itself(document: dict[str, Any], data: st.DataObject, junk: Any) -> None:
    broken = copy.deepcopy(document)
    *way, last = data.draw(st.sampled_from(paths(broken)))
    place = broken
    for key in way:
        place = place[key]
    place[last] = junk
    assert all(finding.message and finding.do for finding in preflight([broken, junk], "3.6"))
