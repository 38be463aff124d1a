"""Hypothesis strategies: valid workflows with every kind of task and with text that no format likes."""

# ruff: noqa: E501
from __future__ import annotations

from hypothesis import strategies as st

from couler.core.ir.model import (
    AllOf,
    AnyOf,
    Backoff,
    CachePolicy,
    Compare,
    Concat,
    Constant,
    ContainerTask,
    EnvVar,
    Escalation,
    ExitHandler,
    FirstOf,
    ForEach,
    FunctionTask,
    GroupOutput,
    GroupTask,
    Input,
    ItemRef,
    JobOutput,
    JobPredicate,
    JobTask,
    ListOf,
    Loop,
    LoopOutputRef,
    Not,
    Output,
    OutputRef,
    Parameter,
    ParameterRef,
    Resources,
    Retry,
    RetryOn,
    RoundRef,
    RunRef,
    Schedule,
    ScriptTask,
    SecretRef,
    SecretUse,
    Sidecar,
    StatusIs,
    Step,
    StepDefaults,
    StoredFile,
    SuspendTask,
    Toleration,
    Volume,
    Workflow,
)
from couler.core.passes.each_step import each_step

NASTY = (
    "", " ", "y", "no", "on", "null", "~", "1e3", "0o14", "08", "1:30", "2001-01-01", "=", "<<", "- a", "a: b", "a #b",
    "{{inputs.parameters.x}}", "$(params.x)", "${x}", "`id`", "%", "@x", "!x", "&x", "*x", "'", '"', "\\", "\\n", "a\nb",
    "a\n", "\na", "a\n\n", " a\nb", "a\n  b\n", "a\n \nb", "a \nb", "a\tb\n\tc", "\t", "\r", "a\r\nb", "\0", "\x1b[0m",
    "\x7f", "\x85", "\u2028", "\u2029", "\ufeff", "\ufffe", "\U0001f600", "日本語", "עברית", "e\u0301", "---", "...", "a\n---\nb",
    "# x\ny", "| x", "> x", "key", "?", ": ", "-", "x" * 300,
)  # fmt: skip
"""Texts that YAML, JSON, shells or template engines take for something else."""

texts = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,6}(-[a-z0-9]{1,3})?", fullmatch=True)
identifiers = st.from_regex(r"arg_[a-z0-9_]{0,5}", fullmatch=True)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
constants = st.builds(Constant, value=json_values)
quantities = st.sampled_from(["512Mi", "2Gi", "1.5G", "4Gi"])
labels = st.dictionaries(texts, texts, max_size=2)
retries = st.builds(
    Retry,
    limit=st.integers(1, 5),
    backoff=st.builds(
        Backoff,
        initial=st.floats(0, 10),
        factor=st.floats(1, 4),
        maximum=st.none() | st.floats(10, 99),
        jitter=st.floats(0, 1),
    ),
    on=st.none()
    | st.builds(RetryOn, exit_codes=st.tuples(st.integers(1, 255)), errors=st.tuples(texts), lost=st.booleans()),
)
memory_retries = st.just(
    Retry(limit=2, on=RetryOn(out_of_memory=True), escalation=Escalation(memory_factor=1.5, memory_maximum="64Gi"))
)
resources = st.builds(
    Resources,
    cpu=st.none() | st.floats(0.1, 64),
    memory=quantities,
    gpu=st.integers(0, 4),
    node_selector=labels,
    tolerations=st.lists(st.builds(Toleration, key=texts, seconds=st.none() | st.integers(0, 9)), max_size=1).map(
        tuple
    ),
    affinity=st.dictionaries(texts, json_values, max_size=1),
    priority=texts,
)
secrets = st.builds(
    SecretUse,
    secret=st.builds(SecretRef, name=names, key=texts),
    env=st.just("FROM_SECRET"),
    path=st.sampled_from(["", "/key"]),
)
volumes = st.builds(
    Volume, path=st.just("/data"), name=names, source=st.sampled_from(["claim", "empty", "host", "secret"])
)
sidecars = st.builds(
    Sidecar, name=names, image=st.just("redis:7"), args=st.lists(texts, max_size=2).map(tuple), env=labels
)
stored_files = st.builds(
    StoredFile, url=texts, options=labels, credentials=st.just({"key": SecretRef(name="s", key="k")})
)

Known = dict[str, tuple[str, ...]]
"""Steps declared before, with the names of their outputs."""


@st.composite
def values(draw: st.DrawFn, known: Known, parameters: tuple[str, ...], *, depth: int = 2) -> object:
    """A value that refers only to what exists."""
    options = [constants, st.just(RunRef(field="id")), stored_files]
    if parameters:
        options.append(st.builds(ParameterRef, name=st.sampled_from(parameters)))
    if outputs := [(step, output) for step, all_of_it in known.items() for output in all_of_it]:
        references = st.builds(
            lambda pair, default: OutputRef(step=pair[0], output=pair[1], default=default),
            st.sampled_from(outputs),
            st.none() | constants,
        )
        options += [
            references,
            st.builds(FirstOf, options=st.tuples(references, references), default=st.none() | constants),
        ]
    if depth:
        inner = values(known, parameters, depth=depth - 1)
        options += [st.builds(Concat, parts=st.tuples(inner, inner)), st.builds(ListOf, items=st.tuples(inner, inner))]
    return draw(st.one_of(options))


@st.composite
def conditions(draw: st.DrawFn, value: st.SearchStrategy[object]) -> object:
    """A condition that compares values with themselves, which always fits, and numbers with numbers."""
    same = draw(value)
    equality = Compare(operator=draw(st.sampled_from(["==", "!="])), left=same, right=same)
    leaf = st.sampled_from([equality, Compare(operator="<", left=_TWO, right=_TWO)])
    return draw(
        st.recursive(
            leaf,
            lambda part: (
                st.builds(Not, part=part)
                | st.builds(AllOf, parts=st.tuples(part, part))
                | st.builds(AnyOf, parts=st.tuples(part))
            ),
            max_leaves=3,
        )
    )


_TWO = Constant(value=2)


@st.composite
def tasks(draw: st.DrawFn, value: st.SearchStrategy[object], parameters: tuple[str, ...], depth: int) -> object:
    """A task of any kind; groups while ``depth`` lasts."""
    arguments = st.lists(value, max_size=2).map(tuple)
    kinds = [
        st.builds(lambda text: FunctionTask(source=f"def f(**inputs):\n    return {text!r}\n", entry="f"), texts),
        st.builds(ScriptTask, source=texts, args=arguments, packages=st.lists(texts, max_size=1).map(tuple)),
        st.builds(ContainerTask, image=st.just("busybox:1"), command=arguments, args=arguments),
        st.builds(
            JobTask,
            manifest=st.dictionaries(texts, json_values, max_size=2).map(
                lambda more: {**more, "apiVersion": "v1", "kind": "Job"}
            ),
            success=st.just(
                (JobPredicate(condition="Complete"), JobPredicate(field="status.done", operator=">", value=3))
            ),
            outputs=st.just((JobOutput(name="pod", field="metadata.name"),)),
        ),
        st.builds(SuspendTask, duration=st.none() | st.floats(0, 99), message=texts),
    ]
    if depth:
        kinds.append(groups(depth - 1))
    return draw(st.one_of(kinds))


@st.composite
def groups(draw: st.DrawFn, depth: int) -> GroupTask:
    """A nested workflow that needs nothing from outside."""
    inner = draw(scopes(("size",), depth, most=3))
    outputs = [GroupOutput(name="size", value=ParameterRef(name="size"))]
    outputs += [GroupOutput(name=f"out-{name}", value=OutputRef(step=name, output=given[0]))
                for name, given in _outputs(inner).items() if given]  # fmt: skip
    return GroupTask(parameters=(Parameter(name="size", default=draw(constants)),), steps=inner, outputs=tuple(outputs))


def _outputs(steps: tuple[Step, ...]) -> Known:
    from couler.core.ir.graph import outputs_of

    return {step.name: tuple(outputs_of(step)) for step in steps}


@st.composite
def scopes(draw: st.DrawFn, parameters: tuple[str, ...], depth: int, most: int) -> tuple[Step, ...]:
    """Steps that each see the ones before."""
    steps: tuple[Step, ...] = ()
    for name in draw(st.lists(names, max_size=most, unique=True)):
        steps = (*steps, draw(one_step(name, _outputs(steps), parameters, depth)))
    return steps


@st.composite
def one_step(
    draw: st.DrawFn, name: str, known: Known, parameters: tuple[str, ...], depth: int, *, handler: bool = False
) -> Step:
    """A step with attributes of every kind that its task may have."""
    value = values(known, parameters)
    task = draw(tasks(value, parameters, depth))
    given: dict[str, object] = {"description": draw(texts), "labels": draw(labels), "location": draw(texts)}
    if draw(st.booleans()):
        given["when"] = draw(conditions(value))
    if known and not handler:
        tested = draw(st.sampled_from(sorted(known)))
        given["after"] = draw(st.sampled_from([(), (tested,)]))
        given["after_condition"] = draw(st.none() | st.sampled_from(["skipped", "ended", "succeeded"]).map(
            lambda status: StatusIs(step=tested, status=status)))  # fmt: skip
    given |= {"inputs": (), "allow_failure": draw(st.booleans()), "timeout": draw(st.none() | st.floats(1, 99))}
    item = draw(_repetition(given, value, task))
    if not isinstance(task, GroupTask):
        inputs = draw(st.lists(identifiers, max_size=2, unique=True))
        given["inputs"] = tuple(Input(name=each, value=draw(value)) for each in inputs) + item
    if isinstance(task, FunctionTask | ScriptTask | ContainerTask):
        given |= draw(surroundings(value))
        given["outputs"] = draw(st.sampled_from([(), (Output(name="model", type="file", path="out/model"),)]))
    return Step(name=name, task=task, **given)  # type: ignore[arg-type]


@st.composite
def _repetition(
    draw: st.DrawFn, given: dict[str, object], value: st.SearchStrategy[object], task: object
) -> tuple[Input, ...]:
    """Puts a foreach, a loop or nothing into ``given``; the inputs that use it."""
    kind = draw(st.sampled_from(["", "map", "loop"]))
    if kind == "map":
        listed = Constant(value=draw(st.lists(json_values, max_size=3)))
        given["foreach"] = ForEach(lists={"item": listed}, parallelism=draw(st.none() | st.integers(1, 9)))
        return (Input(name="the_item", value=ItemRef()),)
    if kind == "loop" and isinstance(task, FunctionTask | ScriptTask):
        again = Compare(operator="==", left=LoopOutputRef(), right=Constant(value="again"))
        given["loop"] = Loop(condition=again, max_iterations=3, carry={"the_last": "result"})
        return (Input(name="the_round", value=RoundRef()), Input(name="the_last", value=Constant()))
    return ()


@st.composite
def surroundings(draw: st.DrawFn, value: st.SearchStrategy[object]) -> dict[str, object]:
    """Attributes of steps that have a process."""
    return {
        "retry": draw(st.none() | retries | memory_retries),
        "resources": draw(resources),
        "cache": draw(st.none() | st.builds(CachePolicy, max_age=st.none() | st.floats(0, 9), salt=texts)),
        "env": draw(st.sampled_from([(), (EnvVar(name="GREETING", value=draw(value)),)])),
        "secrets": draw(st.lists(secrets, max_size=1).map(tuple)),
        "volumes": draw(st.lists(volumes, max_size=1).map(tuple)),
        "sidecars": draw(st.lists(sidecars, max_size=1).map(tuple)),
        "working_dir": draw(texts),
        "service_account": draw(texts),
        "daemon": draw(st.booleans()),
        "engine_options": draw(st.dictionaries(texts, st.dictionaries(texts, json_values, max_size=1), max_size=1)),
    }  # fmt: skip


@st.composite
def workflows(draw: st.DrawFn, *, depth: int = 1, most: int = 5) -> Workflow:
    """A workflow that keeps every rule.

    Args:
        draw: Given by hypothesis.
        depth: How deep groups may nest.
        most: Steps at the top, at most.
    """
    parameters = tuple(
        Parameter(name=name, default=draw(st.none() | constants), help=draw(texts))
        for name in draw(st.lists(names, max_size=2, unique=True))
    )
    parameter_names = tuple(parameter.name for parameter in parameters)
    steps = draw(scopes(parameter_names, depth, most))
    known = _outputs(steps)
    handler = draw(st.none() | one_step("on-exit.handler", known, parameter_names, 0, handler=True))
    outputs = [
        GroupOutput(name=f"of-{name}", value=OutputRef(step=name, output=given[0]))
        for name, given in known.items()
        if given
    ]
    return Workflow(
        name=draw(names),
        description=draw(texts),
        parameters=parameters,
        steps=steps,
        outputs=tuple(outputs),
        exit_handlers=()
        if handler is None
        else (ExitHandler(step=handler, on=draw(st.sampled_from(["always", "failure"]))),),
        defaults=draw(
            st.builds(StepDefaults, image=texts, env=st.just((EnvVar(name="A", value=Constant(value="b")),)))
        ),
        on_failure=draw(st.sampled_from(["stop", "continue"])),
        schedule=draw(st.none() | st.just(Schedule(cron=("*/5 0-6 1,15 * mon-fri",), timezone="Europe/Berlin"))),
        parallelism=draw(st.none() | st.integers(1, 99)),
        timeout=draw(st.none() | st.floats(1, 999)),
        labels=draw(labels),
    )


def without_what_kubernetes_checks(workflow: Workflow) -> Workflow:
    """The workflow without labels and placement, which the strategy fills with any text."""

    def changes(step: Step) -> dict[str, object]:
        return {"labels": {}, "resources": Resources(memory="1Mi") if step.resources else None}

    defaults = workflow.defaults.model_copy(update={"resources": None})
    return each_step(workflow, changes).model_copy(update={"labels": {}, "defaults": defaults})
