"""Steps as statements, each by the verb that declares exactly this step, or by its constructor when none does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from couler.core.ir import model as ir
from couler.core.ir.graph import outputs_of
from couler.core.render.code import STEP, WIDTH, Code, Items, call, one_line
from couler.core.render.conditions import condition_code
from couler.core.render.functions import StepFunction, declare_function, fits, read_function
from couler.core.render.groups import has_signature
from couler.core.render.literals import literal, text
from couler.core.render.models import constructed
from couler.core.render.names import Names, is_usable
from couler.core.render.options import step_options
from couler.core.render.scope import Known, Scope, exact
from couler.core.render.tasks import Maker, container, job, script, suspend
from couler.core.render.values import element_type, type_seen, value_code

Body = Callable[[ir.GroupTask, str, Scope, bool], tuple[str, list[str]]]
"""Writes the function of a group, for a map a plain one: its name, and its lines if it was not written before."""


class Statements:
    """The statements of one scope, in the order of the steps."""

    def __init__(self, scope: Scope, body: Body, alone: frozenset[str], needed: frozenset[str]) -> None:
        """Take what the statements need.

        Args:
            scope: Where they stand.
            body: Writes the function of a group.
            alone: Sources of functions that one step only uses.
            needed: Names of steps whose output is used, so that it gets a variable.
        """
        self.scope = scope
        self._body = body
        self._alone = alone
        self._needed = needed
        self._before_blocks: list[str] = []
        self._blocks = 0

    def write(self, steps: tuple[ir.Step, ...]) -> Iterator[str]:
        """The lines; steps under the same condition stand in one block."""
        before: ir.Condition | None = None
        for condition, members in _by_condition(steps):
            if condition is None:
                for step in members:
                    yield from self._statement(step)
            else:
                yield from self._branch(condition, members, before)
            before = condition

    def _branch(self, condition: ir.Condition, members: list[ir.Step], before: ir.Condition | None) -> Iterator[str]:
        if isinstance(condition, ir.Not) and exact(condition.part) == exact(before) and not isinstance(before, ir.Not):
            head = ["with couler.otherwise():"]
        else:
            self.scope.label = "condition"
            head = list(self.scope.lines("with ", call("couler.when", condition_code(condition, self.scope)), ":"))
        inside = [step.model_copy(update={"when": None}) for step in members]
        yield from self.block(head, lambda: (line for step in inside for line in self._statement(step)))

    def block(self, head: Iterable[str], body: Callable[[], Iterator[str]]) -> Iterator[str]:
        """Statements inside of a ``with``; functions that they need stand before the outermost one."""
        before = [] if self._blocks == 0 else self._before_blocks
        self._before_blocks, self._blocks, self.scope.depth = before, self._blocks + 1, self.scope.depth + 1
        lines = [*indented(body())]
        self._blocks, self.scope.depth = self._blocks - 1, self.scope.depth - 1
        yield from before if self._blocks == 0 else ()
        yield from head
        yield from lines

    def _around_blocks(self) -> Scope:
        """The scope where functions stand."""
        return replace(self.scope, depth=self.scope.depth - self._blocks) if self._blocks else self.scope

    # --- one step

    def _statement(self, step: ir.Step) -> Iterator[str]:
        self.scope.label = step.name
        said = self._said(step)
        if said is None:
            yield from self._explicit(step)
            return
        first, code, extras, outputs, head = said
        variable = self.scope.names.new(step.name, f"{step.name}_output")
        after = self._after(step)
        extras = [*extras, after] if after is not None else extras
        if self._blocks:
            self._before_blocks += head
        else:
            yield from head
        yield from _assignment(self.scope, variable, code, extras, step.name in self._needed)
        types = {name: list_of_seen(type_) if step.foreach else type_ for name, type_ in outputs.items()}
        self.scope.steps[step.name] = Known(variable, first, types)

    def _explicit(self, step: ir.Step) -> Iterator[str]:
        outputs = {name: output.type for name, output in outputs_of(step).items()}
        variable = self.scope.names.new(step.name, f"{step.name}_output")
        code = call("couler.explicit.step", constructed(step.model_copy(update={"location": ""})))
        yield from _assignment(self.scope, variable, code, [], step.name in self._needed)
        self.scope.steps[step.name] = Known(variable, next(iter(outputs), "result"), outputs)

    def _after(self, step: ir.Step) -> Items | None:
        parts: list[tuple[str, Code]] = []
        for name in step.after:
            known = self.scope.steps.get(name)
            if known is not None:
                self.scope.used.add(name)
            parts.append(("", text(name) if known is None else known.variable))
        if step.after_condition is not None:
            parts.append(("", condition_code(step.after_condition, self.scope)))
        return Items(".after(", tuple(parts), ")") if parts else None

    def _said(self, step: ir.Step) -> Said | None:
        if not _is_plain(step):
            return None
        match step.task:
            case ir.FunctionTask():
                return self._function(step, step.task)
            case ir.GroupTask():
                return self._group(step, step.task)
            case ir.JobTask() if not step.inputs and not step.outputs:
                return self._around(step, job(step, step.task), {each.name: "any" for each in step.task.outputs})
            case ir.SuspendTask() if not step.inputs and not step.outputs:
                return self._around(step, suspend(step, step.task), {})
            case ir.ScriptTask() | ir.ContainerTask():
                return self._printing(step)
            case _:
                return None

    def _around(self, step: ir.Step, maker: Maker, outputs: dict[str, str]) -> Said | None:
        """A call, put into a map or a loop where the step has one."""
        first = next(iter(outputs), "result")
        if step.foreach is None and step.loop is None:
            code = maker(self.scope)
            return None if code is None else (first, code, [], outputs, [])
        if step.foreach is not None:
            return self._mapped(step, step.foreach, maker, outputs, first)
        assert step.loop is not None
        return self._looped(step, step.loop, maker, outputs, first)

    def _mapped(
        self, step: ir.Step, foreach: ir.ForEach, maker: Maker, outputs: dict[str, str],
        first: str,
    ) -> Said | None:  # fmt: skip
        lists = [self._list(name, values) for name, values in foreach.lists.items()]
        bound = [("parallelism=", str(foreach.parallelism))] if foreach.parallelism is not None else []
        names = list(foreach.lists)
        if not all(is_usable(name) and not name.startswith("_") for name in names) or not names:
            code = maker(self.scope)
            if code is None:
                return None
            return first, self._for_each(code, foreach), [], outputs, []
        inner = self._inside(Names(self.scope.names))
        for name in names:
            inner.names.take(name)
        inner.items = {name: name for name in names}
        inner.item_types = {name: element_type(type_seen(values, self.scope)) for name, values in foreach.lists.items()}
        code = maker(inner)
        if code is None:
            return None
        function = self.scope.names.new(f"one_{step.name}")
        head = [f"def {function}({', '.join(names)}):", *self._around_blocks().lines("return ", code, indent=1), ""]
        parts = [("", function), *[("", one) for one in lists], *bound]
        return first, Items("couler.map(", tuple(parts), ")"), [], outputs, ["", *head]

    def _looped(self, step: ir.Step, loop: ir.Loop, maker: Maker, outputs: dict[str, str], first: str) -> Said | None:
        inner = self._inside(Names(self.scope.names))
        code = maker(inner)
        if code is None:
            return None
        function = self.scope.names.new(f"one_{step.name}")
        head = ["", f"def {function}():", *self._around_blocks().lines("return ", code, indent=1), ""]
        parts = (("", function), *self._rounds(loop, first))
        return first, Items("couler.loop(", parts, ")"), [], outputs, head

    def _inside(self, names: Names) -> Scope:
        return replace(self.scope, names=names)

    def _list(self, name: str, values: ir.Value) -> Code:
        self.scope.label = f"{self.scope.label}_{name}"
        return value_code(values, self.scope)

    def _for_each(self, code: Code, foreach: ir.ForEach) -> Items:
        lists = Items("{", tuple((f"{text(name)}: ", value_code(values, self.scope)) for name, values in
                                 foreach.lists.items()), "}")  # fmt: skip
        bound = None if foreach.parallelism is None else str(foreach.parallelism)
        return call("couler.explicit.for_each", code, lists, parallelism=bound)

    def _rounds(self, loop: ir.Loop, first: str, *, explicit: bool = False) -> list[tuple[str, Code]]:
        """The arguments that say how long a loop goes on."""
        condition, word = loop.condition, "while_"
        if isinstance(condition, ir.Not) and not isinstance(condition.part, ir.Not) and not explicit:
            condition, word = condition.part, "until"
        asking = replace(self.scope, round_output=first)
        parts: list[tuple[str, Code]] = [(f"{word}=", f"lambda out: {one_line(condition_code(condition, asking))}")]
        parts.append(("max_iterations=", str(loop.max_iterations)))
        if loop.carry:
            parts.append(("carry=", literal(loop.carry)))
        return parts

    # --- functions

    def _function(self, step: ir.Step, task: ir.FunctionTask) -> Said | None:
        function = read_function(task)
        if function is None or not fits(function, step):
            return None
        alone = task.source in self._alone and not step.env
        options = step_options(step, self.scope)
        if not declare_function(function, step, options if alone else [], self.scope.module):
            return None
        named = f".named({text(step.name)})" if step.name != task.entry else ""
        extras = [] if alone or not options else [Items(".with_(", tuple(options), ")")]
        outputs = {output.name: output.type for output in step.outputs}
        first = next(iter(outputs))
        code = self._call(step, task, function, named, first)
        return None if code is None else (first, code, extras, outputs, [])

    def _call(
        self, step: ir.Step, task: ir.FunctionTask, function: StepFunction, named: str, first: str
    ) -> Items | None:
        if step.foreach is not None:
            return self._call_each(step, step.foreach, function, f"{task.entry}.map(", named)
        wanted = list(function.inputs)
        parts: list[tuple[str, Code]] = []
        for index, item in enumerate(step.inputs):
            in_order = item.name == wanted[index] and all(not before for before, _ in parts)
            parts.append(("" if in_order else f"{item.name}=", _argument(item, self.scope)))
        if step.loop is not None:
            rounds = self._rounds(step.loop, first)
            return Items("couler.loop(", (("", task.entry), *parts, *rounds), f"){named}")
        return Items(f"{task.entry}(", tuple(parts), f"){named}")

    def _call_each(
        self, step: ir.Step, foreach: ir.ForEach, function: StepFunction, start: str, named: str
    ) -> Items | None:
        mapped = [item.name for item in step.inputs if item.value == ir.ItemRef(name=item.name)]
        if mapped != list(foreach.lists):
            return None
        parts: list[tuple[str, Code]] = []
        for item in step.inputs:
            if item.name not in mapped:
                parts.append((f"{item.name}=", _argument(item, self.scope)))
                continue
            listed_ = value_code(foreach.lists[item.name], self.scope)
            if not parts and len(mapped) == 1 and item.name == next(iter(function.inputs)):
                parts.append(("", listed_))
            else:
                parts.append((f"{item.name}=", call("couler.each", listed_)))
        if foreach.parallelism is not None:
            parts.append(("parallelism=", str(foreach.parallelism)))
        return Items(start, tuple(parts), f"){named}")

    # --- groups

    def _group(self, step: ir.Step, task: ir.GroupTask) -> Said | None:
        types = {parameter.name: parameter.type for parameter in task.parameters}
        fitting = all(types.get(item.name) == item.type and not item.path for item in step.inputs)
        if step.outputs or not fitting or not has_signature(task.parameters) or _clashes(task.parameters, self.scope):
            return None
        is_map = step.foreach is not None and _is_map(step, step.foreach, task, self.scope)
        function, head = self._body(task, step.name, self._around_blocks(), is_map)
        options = step_options(step, self.scope)
        extras: list[Items] = [Items(".with_(", tuple(options), ")")] if options else []
        named = f".named({text(step.name)})" if step.name != function else ""
        outputs = {output.name: output.type for output in task.outputs}
        first = next(iter(outputs), "result")
        parts = tuple((f"{item.name}=", value_code(item.value, self.scope)) for item in step.inputs)
        if step.foreach is not None and is_map:
            lists = [("", value_code(values, self.scope)) for values in step.foreach.lists.values()]
            bound = [("parallelism=", str(step.foreach.parallelism))] if step.foreach.parallelism is not None else []
            return first, Items("couler.map(", (("", function), *lists, *bound), f"){named}"), extras, outputs, head
        code: Items = Items(f"{function}(", parts, f"){named}")
        if step.foreach is not None:
            return first, self._for_each(code, step.foreach), extras, outputs, head
        if step.loop is not None:
            rounds = self._rounds(step.loop, first, explicit=True)
            looped = Items("couler.explicit.repeat(", (("", code), *rounds), ")")
            return first, looped, extras, outputs, head
        return first, code, extras, outputs, head

    # --- scripts and containers

    def _printing(self, step: ir.Step) -> Said | None:
        task = step.task
        assert isinstance(task, (ir.ScriptTask, ir.ContainerTask))
        if "result" not in [output.name for output in step.outputs]:
            return None
        outputs = {output.name: output.type for output in step.outputs}
        maker = script(step, task) if isinstance(task, ir.ScriptTask) else container(step, task)
        return self._around(step, maker, outputs)


Said = tuple[str, Code, list[Items], dict[str, str], list[str]]
"""First output, the call, what is added to its result, types of the outputs, and lines that stand before."""


def _assignment(scope: Scope, variable: str, code: Code, extras: list[Items], needed: bool) -> Iterator[str]:
    """The call, with what is added to its result on the same line if it fits, or else in statements of their own."""
    before = f"{variable} = " if needed else ""
    whole = one_line(code) + "".join(one_line(extra) for extra in extras)
    if len(before) + len(whole) + len(STEP) * scope.depth <= WIDTH:
        yield before + whole
        return
    yield from scope.lines(f"{variable} = " if extras else before, code)
    for extra in extras:
        yield from scope.lines(variable, extra)


def indented(written: Iterator[str] | list[str]) -> Iterator[str]:
    """Lines moved to the right; blank ones stay blank."""
    return (f"{STEP}{line}" if line else line for line in written)


def _by_condition(steps: tuple[ir.Step, ...]) -> Iterator[tuple[ir.Condition | None, list[ir.Step]]]:
    """Runs of steps that follow each other under the same condition."""
    members: list[ir.Step] = []
    for step in steps:
        if members and exact(members[0].when) != exact(step.when):
            yield members[0].when, members
            members = []
        members.append(step)
    if members:
        yield members[0].when, members


def _is_plain(step: ir.Step) -> bool:
    """Whether the step has nothing that no verb declares."""
    names = [item.name for item in step.inputs]
    variables = [one.name for one in step.env]
    repeated = len(set(names)) < len(names) or len(set(variables)) < len(variables)
    both = step.foreach is not None and step.loop is not None
    return not repeated and not both and len(set(step.after)) == len(step.after) and bool(step.name.strip())


def _argument(item: ir.Input, scope: Scope) -> Code:
    """An argument of a function; a text for a file would be taken for its address."""
    holds_files = "file" in item.type or "folder" in item.type
    if holds_files and isinstance(item.value, (ir.Constant, ir.ListOf)):
        return call("couler.explicit.value", constructed(item.value), text(item.type))
    return value_code(item.value, scope)


def _is_map(step: ir.Step, foreach: ir.ForEach, task: ir.GroupTask, scope: Scope) -> bool:
    """Whether `couler.map` over a plain function declares just this group."""
    items = tuple(
        ir.Parameter(name=name, type=element_type(type_seen(values, scope))) for name, values in foreach.lists.items()
    )
    given = tuple(ir.Input(name=one.name, value=ir.ItemRef(name=one.name), type=one.type) for one in items)
    return task.parameters == items and step.inputs == given and not _merges(task)


def _merges(task: ir.GroupTask) -> bool:
    """Whether the builder would put the group's only step in place of the group."""
    if len(task.steps) != 1:
        return False
    [inner] = task.steps
    around = (inner.foreach, inner.loop, inner.when, inner.after_condition)
    if isinstance(inner.task, ir.GroupTask) or inner.after or any(one is not None for one in around):
        return False
    first = next((output.name for output in inner.outputs), "result")
    value = ir.OutputRef(step=inner.name, output=first)
    return not task.outputs or [(one.name, one.value) for one in task.outputs] == [("result", value)]


def _clashes(parameters: tuple[ir.Parameter, ...], scope: Scope) -> bool:
    """Whether a parameter would hide a function of the file."""
    return any(parameter.name in scope.module.parts for parameter in parameters)


def list_of_seen(type_: str) -> str:
    """The type that the builder gives to an output of a mapped step."""
    return f"list[{type_}]"
