"""Workflows as the text of a Python file: functions and long texts first, then a workflow function for each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from couler.core.ir import model as ir
from couler.core.ir.graph import walk
from couler.core.render.code import Code, Items, call, lines, one_line
from couler.core.render.functions import read_function, reserve_names
from couler.core.render.groups import as_docstring, has_signature, signature
from couler.core.render.literals import literal, text
from couler.core.render.names import Names
from couler.core.render.options import settings
from couler.core.render.scope import Module, Scope, exact
from couler.core.render.steps import Statements, indented
from couler.core.render.values import explicit_value, type_seen, value_code


class Writer:
    """Writes workflows into one file; equal groups and functions are written once."""

    def __init__(self, workflows: tuple[ir.Workflow, ...], named: Iterable[tuple[ir.GroupTask, str]] = ()) -> None:
        self._named = {exact(task): name for task, name in named}
        self._module = Module()
        self._module.names.take("building")
        self._workflows = workflows
        sources = Counter(
            step.task.source for one in workflows for _, step in walk(one) if isinstance(step.task, ir.FunctionTask)
        )
        self._alone = frozenset(source for source, count in sources.items() if count == 1)
        for one in workflows:
            self._reserve(one)

    def _reserve(self, workflow: ir.Workflow) -> None:
        """Names that are fixed: those of parameters first, then those of functions that travel."""
        names = self._module.names
        for parameter in workflow.parameters:
            names.take(parameter.name)
        steps = [step for _, step in walk(workflow)]
        for step in steps:
            if isinstance(step.task, ir.GroupTask):
                for parameter in step.task.parameters:
                    names.take(parameter.name)
            for name in step.foreach.lists if step.foreach is not None else ():
                names.take(name)
        for step in steps:
            if isinstance(step.task, ir.FunctionTask) and (found := read_function(step.task)) is not None:
                reserve_names(found, step.task.entry, self._module)

    def text(self) -> str:
        """The file."""
        bodies = ["\n".join(self._workflow(workflow)) for workflow in self._workflows]
        module = self._module
        everything = "\n".join([*module.parts.values(), *bodies])
        imports = [*module.imports, "import couler"]
        if re.search(r"\bir\.[A-Z]", everything):
            imports.append("from couler.core.ir import model as ir")
        head = "\n".join(_sorted_imports(imports))
        blocks = "\n\n".join(module.blocks_text())
        parts = [*module.parts.values(), *map(_spaced, bodies)]
        return "\n\n".join(part for part in (head, blocks) if part) + "".join(f"\n\n\n{part}" for part in parts) + "\n"

    # --- a workflow

    def _workflow(self, workflow: ir.Workflow) -> list[str]:
        names = Names(self._module.names)
        function = names.new(workflow.name, f"{workflow.name}_workflow")
        self._module.names.take(function)
        if has_signature(workflow.parameters):
            return self._as_function(workflow, function)
        return self._as_block(workflow, function)

    def _as_function(self, workflow: ir.Workflow, function: str) -> list[str]:
        around = Scope(self._module, self._module.names, label=workflow.name)
        docstring = as_docstring(workflow.description)
        given = settings(workflow, around, described=bool(docstring))
        if function != workflow.name:
            given.insert(0, ("name=", text(workflow.name)))
        body = self._settled(workflow, lambda: self._scope_of(workflow, Names(self._module.names)))
        if docstring:
            body = [docstring, *([""] if body and body[0].startswith(("def ", "@")) else []), *body]
        head = list(lines("@", Items("couler.workflow(", tuple(given), ")"))) if given else ["@couler.workflow"]
        return [*head, *lines("", signature(function, workflow.parameters), ":"), *indented(body or ["pass"])]

    def _as_block(self, workflow: ir.Workflow, variable: str) -> list[str]:
        around = Scope(self._module, self._module.names, label=workflow.name)
        given = (("", text(workflow.name)), *settings(workflow, around, described=False))
        holder = "building" if any(isinstance(step.task, ir.GroupTask) for _, step in walk(workflow)) else variable
        head: list[str] = []

        def scope() -> Scope:
            made = Scope(self._module, Names(self._module.names), depth=2 if holder != variable else 1)
            head.clear()
            for parameter in workflow.parameters:
                name = made.names.new(parameter.name)
                made.parameters[parameter.name] = name
                made.types[parameter.name] = parameter.type
                head.extend(made.lines(f"{name} = ", _declared(parameter, holder)))
            return made

        body = self._settled(workflow, scope, outputs_of=holder)
        has_functions = holder != variable
        gap = [""] if body and body[0].startswith(("@", "def ")) and head else []
        inner = [*head, *gap, *body] or ["pass"]
        block = [*lines("with ", Items("couler.new_workflow(", given, ")"), f" as {holder}:"), *indented(inner)]
        if not has_functions:
            return block
        built = self._module.names.new(f"build_{variable}")  # keeps the nested workflow functions out of the module
        return [f"def {built}():", *indented([*block, "return building"]), "\n", f"{variable} = {built}()"]

    def _scope_of(self, holder: ir.Scope, names: Names) -> Scope:
        for parameter in holder.parameters:
            names.take(parameter.name)
        return Scope(
            self._module,
            names,
            parameters={parameter.name: parameter.name for parameter in holder.parameters},
            types={parameter.name: parameter.type for parameter in holder.parameters},
        )

    def _settled(self, holder: ir.Scope, new_scope: Callable[[], Scope], outputs_of: str = "") -> list[str]:
        """The body, written twice: what is used by others is known only at the end."""
        needed: frozenset[str] = frozenset()
        for _ in range(2):
            scope = new_scope()
            body = list(self._body(holder, scope, needed, outputs_of))
            needed = frozenset(scope.used)
        return _returned_at_once(_without_blanks_at_start(body))

    def _body(self, holder: ir.Scope, scope: Scope, needed: frozenset[str], outputs_of: str) -> Iterator[str]:
        statements = Statements(scope, self._group, self._alone, needed)
        yield from statements.write(holder.steps)
        handlers = holder.exit_handlers if isinstance(holder, ir.Workflow) else ()
        for handler in handlers:
            event = "" if handler.on == "always" else text(handler.on)
            yield from statements.block([f"with couler.on_exit({event}):"], _writing(statements, handler))
        if holder.outputs:
            returned = _returned(holder.outputs, scope)
            if outputs_of:
                yield from scope.lines("", call(f"{outputs_of}.set_outputs", returned))
            else:
                yield from scope.lines("return ", returned)

    # --- groups

    def _group(self, task: ir.GroupTask, wish: str, scope: Scope, plain: bool) -> tuple[str, list[str]]:
        """The nested function of a group, written where it is first needed."""
        key = (exact(task), plain)
        if key in scope.functions:
            return scope.functions[key], []
        wanted = self._named.get(key[0], "")
        wanted = wanted or (task.steps[0].name if len(task.steps) == 1 else wish)
        name = scope.names.new(wanted, f"{wanted}_workflow")
        functions = dict(scope.functions)

        def inner() -> Scope:
            return replace(self._scope_of(task, Names(scope.names)), functions=dict(functions), depth=scope.depth + 1)

        body = self._settled(task, inner)
        scope.functions[key] = name
        decorator = [] if plain else ["@couler.workflow"]
        parameters = tuple(ir.Parameter(name=one.name) for one in task.parameters) if plain else task.parameters
        head = ["", *decorator, *scope.lines("", signature(name, parameters), ":")]
        return name, [*head, *indented(body or ["pass"]), ""]


def _writing(statements: Statements, handler: ir.ExitHandler) -> Callable[[], Iterator[str]]:
    return lambda: statements.write((handler.step,))


def _declared(parameter: ir.Parameter, variable: str) -> Code:
    arguments: list[Code] = [text(parameter.name)]
    default = None if parameter.default is None else literal(parameter.default.value)
    return call(
        f"{variable}.parameter",
        *arguments,
        type=None if parameter.type == "any" else text(parameter.type),
        default=default,
        help=text(parameter.help) if parameter.help else None,
        choices=literal(parameter.choices) if parameter.choices else None,
    )


def _returned(outputs: tuple[ir.GroupOutput, ...], scope: Scope) -> Code:
    """What a workflow function returns: one value, or a dict with at least one reference in it."""
    values: list[tuple[str, Code]] = []
    for output in outputs:
        scope.label = output.name
        open_ = not isinstance(output.value, (ir.Constant, ir.StoredFile, ir.ListOf))
        if open_ or (isinstance(output.value, ir.ListOf) and len(outputs) > 1 and values):
            code = value_code(output.value, scope, wanted=output.type)
        elif isinstance(output.value, ir.ListOf) and type_seen(output.value, scope) == output.type:
            code = value_code(output.value, scope)
        else:
            code = explicit_value(output.value, output.type)
        values.append((output.name, code))
    if len(values) == 1 and values[0][0] == "result":
        return values[0][1]
    has_reference = any(not one_line(code).startswith("[") for _, code in values)
    if not has_reference:
        values[0] = (outputs[0].name, explicit_value(outputs[0].value, outputs[0].type))
    return Items("{", tuple((f"{text(name)}: ", code) for name, code in values), "}")


def _sorted_imports(imports: list[str]) -> list[str]:
    plain = sorted(one for one in imports if one.startswith("import "))
    return [*plain, *sorted(one for one in imports if not one.startswith("import "))]


def _without_blanks_at_start(body: list[str]) -> list[str]:
    while body and not body[0]:
        body = body[1:]
    return body


def _returned_at_once(body: list[str]) -> list[str]:
    """The last call is returned as it is when its variable is used for nothing else."""
    variable = body[-1].removeprefix("return ") if body else ""
    starts = [index for index, line in enumerate(body) if line.startswith(f"{variable} = ")]
    if not variable.isidentifier() or len(starts) != 1 or body[-1] != f"return {variable}":
        return body
    start = starts[0]
    call = [f"return {body[start].removeprefix(f'{variable} = ')}", *body[start + 1 : -1]]
    is_one_call = all(line.startswith((" ", ")", "]", "}")) for line in call[1:])
    return [*body[:start], *call] if is_one_call and len(call[0]) <= len(body[start]) else body


def _spaced(piece: str) -> str:
    """Never more than one blank line inside of a function or block."""
    return re.sub(r"\n{3,}(?=[ @d])", "\n\n", piece).rstrip("\n")
