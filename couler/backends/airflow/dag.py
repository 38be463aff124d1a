"""The DAG file of a workflow: one task for each step, and tasks around groups, maps and loops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from couler.backends.airflow import attributes, containers, options
from couler.backends.airflow.expressions import EXPRESSIONS, Names, flag, mapping, sequence, task_text
from couler.backends.airflow.names import END, ITEM, ITEMS, START, dag_name, is_newest, round_of, task_names, variable
from couler.backends.airflow.sources import Sources
from couler.core.ir.graph import order, outputs_of_one, references_in, upstream
from couler.core.ir.json import thaw
from couler.core.ir.model import (
    ContainerTask,
    ExitHandler,
    FunctionTask,
    GroupTask,
    ItemRef,
    JobTask,
    Scope,
    ScriptTask,
    Step,
    SuspendTask,
    Workflow,
)
from couler.core.render.code import Code, Items, call, lines
from couler.core.render.literals import literal, text

WIDTH = 110
OF_AIRFLOW_2 = {
    "CronTriggerTimetable": "airflow.timetables.trigger",
    "DAG": "airflow",
    "MultipleCronTriggerTimetable": "airflow.timetables.trigger",
    "Param": "airflow.models.param",
    "TaskGroup": "airflow.utils.task_group",
    "task_group": "airflow.decorators",
}
"""Where Airflow 2 has what Airflow 3 has in ``airflow.sdk``."""


IMPORTED = {
    "Again", "Approval", "Asset", "Container", "CronTriggerTimetable", "DAG", "End", "Function", "Gather",
    "HERE", "Items", "Job", "MultipleCronTriggerTimetable", "Param", "Path", "Pause", "Rounds", "SOURCES",
    "Script", "Start", "TaskGroup", "dag", "datetime", "range", "str", "sys", "task_group", "timedelta",
}  # fmt: skip
"""Names in a DAG file that no task may have, besides those of expressions."""


class DagFile:
    """Writes one file.

    Args:
        workflow: With native features only.
        package: Name of the folder that lies beside the file.
        options: ``containers``, ``store``, ``python`` and ``limit``, see `couler.backends.airflow.backend`.
    """

    def __init__(self, workflow: Workflow, package: str, sources: Sources, options: Mapping[str, Any]) -> None:
        self.workflow = workflow
        self.package = package
        self.sources = sources
        self.options = options
        self.lines: list[str] = []
        self.indent = 1
        self.in_handler = False
        self.used: set[str] = set()
        self.from_sdk = {"DAG"}
        self.taken = {*IMPORTED, *EXPRESSIONS}

    # --- the file --------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The whole file."""
        names = Names(_faces(self.workflow, ""), used=self.used)
        faces = self.scope(self.workflow, names, "", "", None)
        end = self.final(names, faces)
        for handler in self.workflow.exit_handlers:
            self.handler(handler, names, end)
        return "\n".join([*self.head(), *self.lines]) + "\n"

    def head(self) -> list[str]:
        """Imports and the opening of the DAG."""
        workflow = self.workflow
        title = f"{workflow.name}: {workflow.description}" if workflow.description else workflow.name
        arguments = attributes.of_dag(workflow, self.options, self.from_sdk)
        opening = [*lines("with ", call("DAG", text(dag_name(workflow.name)), **arguments), " as dag:", width=WIDTH)]
        whole = "\n".join([*opening, *self.lines])
        times = [name for name in ("datetime", "timedelta") if f"{name}(" in whole or f"{name}.from" in whole]
        return [
            _docstring(title),
            "",
            "import sys",
            *([f"from datetime import {', '.join(times)}"] if times else []),
            "from pathlib import Path",
            "",
            *self.of_airflow(),
            "",
            "HERE = Path(__file__).parent",
            "if str(HERE) not in sys.path:",
            "    sys.path.append(str(HERE))",
            "",
            *self.imports(),
            "",
            *([f'SOURCES = HERE / "{self.package}" / "sources"', ""] if self.sources.files else []),
            *opening,
        ]

    def of_airflow(self) -> list[str]:
        """What the file takes from Airflow."""
        modules: dict[str, list[str]] = {}
        for name in sorted(self.from_sdk):
            module = "airflow.sdk" if is_newest(self.options["version"]) else OF_AIRFLOW_2[name]
            modules.setdefault(module, []).append(name)
        return [f"from {module} import {', '.join(names)}" for module, names in sorted(modules.items())]

    def imports(self) -> list[str]:
        """What the file takes from the modules beside it."""
        found = []
        kinds = self.used - EXPRESSIONS
        places = {kind: containers.module_of(kind, self.options["containers"]) for kind in kinds}
        modules = {
            place: sorted(kind for kind in kinds if places[kind] == place) for place in sorted({*places.values()})
        }
        for module, names in [*modules.items(), ("values", sorted(self.used & EXPRESSIONS))]:
            if names:
                code = Items(f"from {self.package}.{module} import (", tuple(("", name) for name in names), ")")
                whole = f"from {self.package}.{module} import {', '.join(names)}"
                found += [whole] if len(whole) <= WIDTH else [*lines("", code, width=10)]
        return found

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, before: str, code: Code, after: str = "") -> None:
        """Write a statement."""
        self.lines += lines(before, code, after, self.indent, WIDTH)

    @contextmanager
    def inside(self, opening: Code, after: str) -> Iterator[None]:
        """Write what stands inside of a ``with``."""
        self.write("with ", opening, after)
        self.indent += 1
        yield
        self.indent -= 1

    def make(self, name: str, code: Code, after: str = "") -> None:
        """Write a task, or what holds tasks; in an exit handler it changes nothing of the run."""
        self.write(f"{name} = ", code, after)
        if self.in_handler:
            self.write("", f"{name}.as_teardown()")

    def edge(self, before: Sequence[str], task: str) -> None:
        """Write that a task comes after others."""
        names = list(dict.fromkeys(before))
        if names:
            start = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
            code: Code = f"{start} >> {task}"
            if len(names) > 1:
                code = Items("[", tuple(("", name) for name in names), f"] >> {task}")
            self.write("", code)

    # --- scopes ----------------------------------------------------------------------------------------------------

    def scope(self, scope: Scope, names: Names, prefix: str, path: str, start: str | None) -> dict[str, str]:
        """The steps of a scope; name of each to the variable of the task that stands for it."""
        faces: dict[str, str] = {}
        ids = task_names(step.name for step in scope.steps)
        soft = {step.name for step in scope.steps if step.allow_failure}
        for step in order(scope.steps):
            before = [faces[name] for name in upstream(step)]
            given = {
                "trigger_rule": self.rule(step, soft, start is not None, names.mapped),
                "after": sequence([task_text(names.tasks[name]) for name in step.after]),
                "after_status": names.condition(step.after_condition),
            }
            before = [*([start] if start else []), *before]
            faces[step.name] = self.step(step, names, f"{prefix}{ids[step.name]}", f"{path}{step.name}", before, given)
        return faces

    def rule(self, step: Step, soft: set[str], inside: bool, mapped: bool) -> Code:
        """Which ends of others let a task start; what Airflow does not decide, the task does itself.

        In a map Airflow would decide for all items at once before it knows them.
        """
        if mapped or step.after_condition is not None or any(name in soft for name in upstream(step)):
            return text("all_done")
        return text("none_failed_min_one_success" if inside else "none_failed")

    def step(
        self, step: Step, names: Names, task: str, path: str, before: Sequence[str], given: Mapping[str, Code | None]
    ) -> str:
        """A step; the variable of the task that stands for it."""
        if step.foreach is not None:
            return self.map(step, names, task, path, before, given)
        when = names.condition(step.when)
        given = {**given, "when": when}
        return self.body(step, names, task, path, before, given, "")

    def body(
        self,
        step: Step,
        names: Names,
        task: str,
        path: str,
        before: Sequence[str],
        given: Mapping[str, Code | None],
        items_of: str,
    ) -> str:
        """A step without its map."""
        if items_of:
            given = {**given, "items_of": task_text(items_of)}
        if step.loop is not None:
            return self.loop(step, names, task, path, before, given)
        if isinstance(step.task, GroupTask):
            return self.group(step, names, task, path, before, given)
        return self.leaf(step, names, task, path, before, given)

    def open_group(self, step: Step, task: str) -> Items:
        """A task group, which stands in those that are open already."""
        self.from_sdk.add("TaskGroup")
        grouped = isinstance(step.task, GroupTask)
        shown = attributes.told(step.description, step.labels if grouped else {})
        tooltip = text(shown) if shown else None
        defaults = options.of_group(step, self.options["containers"])
        return call("TaskGroup", task_text(task.rpartition(".")[2]), tooltip=tooltip, default_args=defaults)

    def leaf(
        self, step: Step, names: Names, task: str, path: str, before: Sequence[str], given: Mapping[str, Code | None]
    ) -> str:
        """A step that runs something."""
        name = variable(task, self.taken)
        kind, arguments = self.task(step, names, path)
        last = task.rpartition(".")[2]
        identity = {
            "task_id": task_text(last),
            "task_display_name": text(step.name) if last != step.name and "{" not in task else None,
            "step": text(path) if path != task else None,
        }
        self.make(name, call(kind, **{**identity, **arguments, **given}))
        self.edge(before, name)
        return name

    def task(self, step: Step, names: Names, path: str) -> tuple[str, dict[str, Code | None]]:
        """The operator of a step and its arguments."""
        task = step.task
        arguments = attributes.of_step(step, names, self.options["version"])
        match task:
            case FunctionTask():
                kind = "Function"
                arguments |= {
                    "source": f'SOURCES / "{self.sources.python(step.name, task.source)}"',
                    "entry": text(task.entry),
                    "packages": _texts(task.packages),
                }
            case ScriptTask():
                kind = "Script"
                arguments |= {
                    "source": f'SOURCES / "{self.sources.script(step.name, task.source, task.interpreter)}"',
                    "command": _texts(task.interpreter),
                    "args": sequence([names.value(word) for word in task.args]),
                    "packages": _texts(task.packages),
                }
            case ContainerTask():
                kind = "Container"
                arguments |= {
                    "command": sequence([names.value(word) for word in task.command]),
                    "args": sequence([names.value(word) for word in task.args]),
                }
            case SuspendTask(duration=None):
                kind = "Approval"
                arguments |= {"subject": text(task.message or f"Let step '{path}' go on?")}
            case SuspendTask():
                kind = "Pause"
                arguments |= {"seconds": attributes.number(task.duration or 0)}
            case JobTask():
                kind = "Job"
                arguments |= containers.of_job(task)
            case _:
                raise TypeError("groups have tasks of their own")
        self.used.add(kind)
        mode = self.options["containers"]
        arguments |= self.assets(step)
        return kind, arguments | containers.around(step, mode) | options.of_step(step, mode)

    def assets(self, step: Step) -> dict[str, Code | None]:
        """Files outside of the workflow, as what Airflow knows of them: which tasks read and write them."""
        if not is_newest(self.options["version"]):
            return {}
        read, written = attributes.assets(step)
        if read or written:
            self.from_sdk.add("Asset")
        return {
            name: sequence([call("Asset", text(url)) for url in urls])
            for name, urls in (("inlets", read), ("outlets", written))
        }

    def group(
        self, step: Step, names: Names, task: str, path: str, before: Sequence[str], given: Mapping[str, Code | None]
    ) -> str:
        """A nested workflow."""
        assert isinstance(step.task, GroupTask)
        with self.inside(self.open_group(step, task), ":"):
            start = variable(f"{task}_start", self.taken)
            inputs = _bound(step.task, step, names)
            self.used.add("Start")
            self.make(start, call("Start", task_id=text(START), inputs=inputs, **given))
            self.edge(before, start)
            return self.inner(step, step.task, task, path, start, names)

    def inner(self, step: Step, scope: GroupTask, task: str, path: str, start: str, names: Names) -> str:
        """The steps of a group and its end."""
        inner = Names(_faces(scope, f"{task}."), f"{task}.{START}", names.mapped, self.used)
        faces = self.scope(scope, inner, f"{task}.", f"{path}/", start)
        return self.end(f"{task}.{END}", path, inner, scope, [start, *faces.values()], step.allow_failure)

    def end(self, task: str, path: str, names: Names, scope: Scope, before: Sequence[str], allow_failure: bool) -> str:
        """The end of a scope."""
        name = variable(task, self.taken)
        self.used.add("End")
        self.make(
            name,
            call(
                "End",
                task_id=text(END),
                step=text(path) if path else None,
                steps=mapping({one.name: task_text(names.tasks[one.name]) for one in scope.steps}) or "{}",
                outputs=mapping({one.name: names.value(one.value) for one in scope.outputs}) or "{}",
                allow_failure=flag(allow_failure),
            ),
        )
        self.edge(before, name)
        return name

    def final(self, names: Names, faces: Mapping[str, str]) -> str:
        """The end of the workflow."""
        read = {name for step in self.workflow.steps for name in upstream(step)}
        leaves = [face for name, face in faces.items() if name not in read]
        return self.end(END, "", names, self.workflow, leaves, False)

    def handler(self, handler: ExitHandler, names: Names, end: str) -> None:
        """An exit handler: tasks that run whatever came of the others, and change nothing of it."""
        step = handler.step
        status = {"success": "succeeded", "failure": "failed"}.get(handler.on)
        given: dict[str, Code | None] = {"stop": "False"}
        if status:
            given["on"] = text(status)
        task = next(iter(task_names([step.name]).values()))
        faces = {**names.tasks, **_faces_of([step], "")}
        handled = Names(faces, used=self.used)
        self.in_handler = True
        self.step(step, handled, task, step.name, [end], given)
        self.in_handler = False

    # --- maps and loops ------------------------------------------------------------------------------------------

    def map(
        self, step: Step, names: Names, task: str, path: str, before: Sequence[str], given: Mapping[str, Code | None]
    ) -> str:
        """A step once for each item of a list."""
        assert step.foreach is not None
        per_item = step.when is not None and any(isinstance(ref, ItemRef) for ref in references_in(step.when))
        with self.inside(self.open_group(step, task), ":"):
            items = variable(f"{task}_items", self.taken)
            lists = mapping({name: names.value(value) for name, value in step.foreach.lists.items()})
            needs = mapping(
                {
                    one.name: names.value(one.value)
                    for one in step.inputs
                    if not any(isinstance(ref, ItemRef) for ref in references_in(one.value))
                    and any(ref.kind in ("output", "first_of") for ref in references_in(one.value))
                }
            )
            when = None if per_item else names.condition(step.when)
            self.used |= {"Items", "Gather"}
            self.make(
                items,
                call("Items", task_id=text(ITEMS), lists=lists, inputs=needs, **{**given, "when": when}),
            )
            self.edge(before, items)
            each_when = names.condition(step.when) if per_item else None
            each = self.each(step, names, task, path, items, each_when)
            name = variable(f"{task}_end", self.taken)
            self.make(
                name,
                call(
                    "Gather",
                    task_id=text(END),
                    step=text(path),
                    over=task_text(f"{task}.{ITEMS}"),
                    each=task_text(each[1]),
                    names=_texts(outputs_of_one(step)) or "[]",
                    allow_items=flag(step.allow_failure),
                    allow_failure=flag(step.allow_failure),
                ),
            )
            self.edge([items, each[0]], name)
        return name

    def each(self, step: Step, names: Names, task: str, path: str, items: str, when: Code | None) -> tuple[str, str]:
        """What runs for each item; the variable and the id of the task that ends it."""
        assert step.foreach is not None
        most = None if step.foreach.parallelism is None else str(step.foreach.parallelism)
        if not isinstance(step.task, GroupTask) and step.loop is None:
            name = variable(f"{task}_item", self.taken)
            kind, arguments = self.task(step, names, path)
            self.make(
                name,
                call(
                    f"{kind}.partial",
                    task_id=text(ITEM),
                    step=text(path),
                    **{
                        "max_active_tis_per_dagrun": most,
                        "map_index_template": text("{{ task.shown_item }}"),
                        **arguments,
                        "when": when,
                    },
                ),
                f".expand(item={items}.output)",
            )
            return name, f"{task}.{ITEM}"
        self.from_sdk.add("task_group")
        function = variable(f"{task}_each", self.taken)
        inner = f"{task}.{ITEM}"
        self.lines.append("")
        self.write("", f"@task_group(group_id={text(ITEM)})")
        self.write("", f"def {function}(item):")
        self.indent += 1
        start = variable(f"{inner}_start", self.taken)
        self.used.add("Start")
        mapped = replace(names, mapped=True)
        bound = None
        if step.loop is None and isinstance(step.task, GroupTask):
            bound = _bound(step.task, step, names)
        self.make(start, call("Start", task_id=text(START), item="item", at_once=most, inputs=bound, when=when))
        if step.loop is None:
            assert isinstance(step.task, GroupTask)
            self.inner(step, step.task, inner, path, start, mapped)
        else:
            self.rounds(step, mapped, inner, path, [start], {"trigger_rule": text("all_done")}, f"{inner}.{START}")
        self.indent -= 1
        self.lines.append("")
        name = variable(f"{task}_item", self.taken)
        self.write(f"{name} = ", f"{function}.expand(item={items}.output)")
        return name, f"{inner}.{END}"

    def loop(
        self, step: Step, names: Names, task: str, path: str, before: Sequence[str], given: Mapping[str, Code | None]
    ) -> str:
        """A step that runs again while its condition holds."""
        with self.inside(self.open_group(step, task), ":"):
            return self.rounds(step, names, task, path, before, given, "")

    def rounds(
        self,
        step: Step,
        names: Names,
        task: str,
        path: str,
        before: Sequence[str],
        given: Mapping[str, Code | None],
        items_of: str,
    ) -> str:
        """The rounds of a loop and its end."""
        assert step.loop is not None
        loop = step.loop
        once = step.model_copy(update={"loop": None, "when": None})
        again = names.condition(loop.condition)
        carry = mapping({name: text(output) for name, output in loop.carry.items()})
        leaf = not isinstance(step.task, GroupTask)
        number = variable("number", self.taken)
        rounds = variable(f"{task}_rounds", self.taken)
        this = f"{task}.{round_of(f'{{{number}}}')}{'' if leaf else f'.{END}'}"
        previous = f"{task}.{round_of(f'{{{number} - 1}}')}{'' if leaf else f'.{END}'}"
        self.write(f"{rounds} = ", "[]")
        self.write(f"for {number} in range({loop.max_iterations})", ":")
        self.indent += 1
        more = {**given, "number": number, "previous": task_text(previous), "again": again, "carry": carry}
        if not names.mapped:
            more["trigger_rule"] = f'"all_success" if {number} else {given.get("trigger_rule") or text("none_failed")}'
        before_round = f"({rounds}[-1:] or [{', '.join(dict.fromkeys(before))}])" if before else f"{rounds}[-1:]"
        face = self.body(once, names, f"{task}.{round_of(f'{{{number}}}')}", path, [before_round], more, items_of)
        self.write("", f"{rounds}.append({face})")
        self.indent -= 1
        ends = f"[{task_text(this)} for {number} in range({loop.max_iterations})]"
        name = variable(f"{task}_end", self.taken)
        self.used.add("Rounds")
        self.make(
            name,
            call(
                "Rounds",
                task_id=text(END),
                step=text(path),
                rounds=ends,
                names=_texts(outputs_of_one(step)) or "[]",
                again=again,
                allow_failure=flag(step.allow_failure),
            ),
        )
        self.edge([rounds], name)
        return name


def _faces(scope: Scope, prefix: str) -> dict[str, str]:
    return _faces_of(scope.steps, prefix)


def _faces_of(steps: Iterable[Step], prefix: str) -> dict[str, str]:
    """Step to the task that stands for it."""
    steps = list(steps)
    ids = task_names(step.name for step in steps)
    return {step.name: f"{prefix}{ids[step.name]}{f'.{END}' if is_group(step) else ''}" for step in steps}


def is_group(step: Step) -> bool:
    """Whether several tasks stand for a step."""
    return step.foreach is not None or step.loop is not None or isinstance(step.task, GroupTask)


def _bound(task: GroupTask, step: Step, names: Names) -> Code | None:
    """The parameters of a group: the inputs of its step, and defaults for the others."""
    given = {one.name: names.value(one.value) for one in step.inputs}
    for parameter in task.parameters:
        if parameter.default is not None and parameter.name not in given:
            given[parameter.name] = literal(thaw(parameter.default.value))
    return mapping(given)


def _texts(values: Iterable[str]) -> Code | None:
    return sequence([text(value) for value in values])


def _docstring(title: str) -> str:
    shown = title.replace("\\", "\\\\").replace('"""', "'''").strip()
    shown = "".join(one if one.isprintable() or one == "\n" else "?" for one in shown)
    end = "" if shown.endswith((".", "!", "?")) else "."
    return f'"""{shown}{end}\n\nWritten by couler for Airflow; change the workflow, and compile it again.\n"""'
