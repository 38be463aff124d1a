"""Functions without Airflow's context: what they take from it becomes parameters."""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field

from couler.backends.airflow.importer.pushing import Pushes, pushes_of
from couler.backends.airflow.importer.references import VARIABLES, References
from couler.backends.airflow.importer.scripts import variable_name
from couler.backends.airflow.importer.values import Task
from couler.backends.airflow.importer.vocabulary import CONTEXT
from couler.core.ir import model as ir
from couler.core.render.annotations import type_text_of

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class Rewritten:
    """A function without context.

    Attributes:
        text: Its definition.
        parameters: Its parameters in order, each with whether it must be given.
        bound: What those parameters are that stand for parts of the context.
        secrets: Variables of the environment that it reads, which are Airflow's variables.
        pushes: What it pushes.
    """

    text: str
    node: Definition
    parameters: dict[str, bool]
    bound: dict[str, ir.Value] = field(default_factory=dict)
    secrets: dict[str, ir.SecretRef] = field(default_factory=dict)
    pushes: Pushes | None = None


@dataclass(frozen=True, slots=True)
class _Edit:
    node: ast.expr
    text: str


def rewrite(text: str, task: Task, references: References, given: set[str], typed: bool) -> Rewritten:
    """The definition with parameters instead of parts of the context.

    Raises:
        SyntaxError: It cannot be read by itself.
    """
    node = _definition(text)
    whole = node.args.kwarg.arg if node.args.kwarg is not None else ""
    handed = {name for name in _names(node.args) if name in CONTEXT and name not in given}
    aliases = _aliases(node, whole)
    further = sorted(given - set(_names(node.args))) if whole else []
    named = _named(node, whole, further)
    edits, bound, secrets = _edits(node, whole, handed | aliases, task, references)
    changed = _without_aliases(_applied(text, [*edits, *named]), whole, aliases)
    again = _definition(changed)
    _without_unused(again, handed, whole)
    pushes = pushes_of(again, again.args.kwarg.arg if again.args.kwarg is not None else "", task)
    left = {name for name in handed if name in _names(again.args)} - {pushes.parameter if pushes is not None else ""}
    for name in sorted(left):
        value = _whole(name, references, task)
        if value is None:
            references.report.add("AIRFLOW040", task.line, f"{name} in {node.name}")
        else:
            bound[name] = value
    if again.args.kwarg is not None and whole and pushes is None:
        references.report.add("AIRFLOW040", task.line, f"**{whole} in {node.name}")
    taken_out = {edit.text for edit in named}
    new = [*(name for name in further if name in taken_out), *(name for name in bound if name not in left)]
    _with_parameters(again, new, left - set(bound))
    if not typed:
        _untyped(again, everything=True)
    _untyped(again)
    final = _with_signature(changed, again)
    parameters = _required(_definition(final).args)
    if pushes is not None:
        references.report.add("AIRFLOW045", task.line, ", ".join(sorted(pushes.keys)))
        parameters.pop(pushes.parameter, None)
    return Rewritten(final, _definition(final), parameters, bound, secrets, pushes)


def _definition(text: str) -> Definition:
    node = ast.parse(text).body[0]
    assert isinstance(node, Definition)
    return node


def _names(arguments: ast.arguments) -> list[str]:
    return [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _required(arguments: ast.arguments) -> dict[str, bool]:
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    found = {name: index < len(names) - len(arguments.defaults) for index, name in enumerate(names)}
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return found | {one.arg: default is None for one, default in pairs}


# --- parts of the context -----------------------------------------------------------------------------------


def _edits(
    node: Definition, whole: str, handed: set[str], task: Task, references: References
) -> tuple[list[_Edit], dict[str, ir.Value], dict[str, ir.SecretRef]]:
    edits: list[_Edit] = []
    bound: dict[str, ir.Value] = {}
    secrets: dict[str, ir.SecretRef] = {}
    taken = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} | set(_names(node.args))
    pending: list[ast.AST] = list(node.body)
    while pending:
        one = pending.pop(0)
        if isinstance(one, ast.expr) and (read := _variable(one)) is not None:
            name, text = read
            secrets[name] = ir.SecretRef(name=VARIABLES, key=_key(one))
            references.report.add("AIRFLOW032", task.line, ast.unparse(one))
            edits.append(_Edit(one, text))
            continue
        if isinstance(one, ast.Attribute | ast.Subscript | ast.Call):
            value = _meaning(one, whole, handed, task, references)
            if value is not None and not isinstance(value, ir.SecretRef):
                references.report.add("AIRFLOW043", task.line, ast.unparse(one))
                edits.append(_Edit(one, _parameter(value, one, bound, taken)))
                continue
        pending.extend(ast.iter_child_nodes(one))
    return edits, bound, secrets


def _named(node: Definition, whole: str, further: list[str]) -> list[_Edit]:
    """``kwargs["x"]`` as a parameter ``x``, where the task gives it."""
    found = []
    taken = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    for one in ast.walk(node):
        match one:
            case (
                ast.Subscript(value=ast.Name(id=holder), slice=ast.Constant(value=str(key)), ctx=ast.Load())
                | ast.Call(
                    func=ast.Attribute(value=ast.Name(id=holder), attr="get"), args=[ast.Constant(value=str(key)), *_]
                )
            ) if holder == whole and key in further and key not in taken and key.isidentifier():
                found.append(_Edit(one, key))
    return found


def _aliases(node: Definition, whole: str) -> set[str]:
    """Parts of the context that the function gives their usual names: ``ti = context["ti"]``."""
    return {name for one in node.body if (name := _alias(one, whole))}


def _alias(node: ast.stmt, whole: str) -> str:
    match node:
        case ast.Assign(
            targets=[ast.Name(id=name)], value=ast.Subscript(value=ast.Name(id=holder), slice=ast.Constant(value=key))
        ) if holder == whole and whole and name in CONTEXT and key in (name, "task_instance", "ti"):
            return name
    return ""


def _without_aliases(text: str, whole: str, aliases: set[str]) -> str:
    """The text without such statements whose names nothing uses any more."""
    node = _definition(text)
    kept = [one for one in node.body if _alias(one, whole) not in aliases]
    used = {one.id for statement in kept for one in ast.walk(statement) if isinstance(one, ast.Name)}
    lines = text.splitlines(keepends=True)
    gone = [one for one in node.body if _alias(one, whole) in aliases - used] if kept else []
    for one in reversed(gone):
        del lines[one.lineno - 1 : one.end_lineno]
    return "".join(lines)


def _variable(node: ast.expr) -> tuple[str, str] | None:
    """``Variable.get("x")`` as a variable of the environment."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="Variable"), attr="get"), args=[ast.Constant(value=str(key))]
        ):
            name = variable_name(key)
            if not node.keywords:
                return name, f'os.environ["{name}"]'
            if [one.arg for one in node.keywords] in (["default_var"], ["default"]):
                return name, f'os.environ.get("{name}", {ast.unparse(node.keywords[0].value)})'
    return None


def _key(node: ast.expr) -> str:
    assert isinstance(node, ast.Call)
    assert isinstance(node.args[0], ast.Constant)
    return str(node.args[0].value)


def _meaning(
    node: ast.expr, whole: str, handed: set[str], task: Task, references: References
) -> ir.Value | ir.SecretRef | None:
    plain = _Plain(whole).visit(ast.parse(ast.unparse(node), mode="eval").body)
    names = {one.id for one in ast.walk(plain) if isinstance(one, ast.Name)}
    if len(names) != 1 or not names <= (handed | (CONTEXT if whole else set())) or whole in names:
        return None
    found = references.expression(plain, task)
    return _whole(plain.id, references, task) if found is None and isinstance(plain, ast.Name) else found


class _Plain(ast.NodeTransformer):
    """``context["ti"]`` as ``ti``."""

    def __init__(self, whole: str) -> None:
        self.whole = whole

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))) if name == self.whole:
                return ast.Name(id=key, ctx=ast.Load())
        return self.generic_visit(node)


def _whole(name: str, references: References, task: Task) -> ir.Value | None:
    """A part of the context as it is, where it is a text."""
    if name == "run_id":
        return ir.RunRef(field="id")
    if name in ("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz"):
        return references.missing(name, task.line)
    return None


def _parameter(value: ir.Value, node: ast.expr, bound: dict[str, ir.Value], taken: set[str]) -> str:
    for name, known in bound.items():
        if known == value:
            return name
    match value:
        case ir.OutputRef(step=wish) | ir.ParameterRef(name=wish):
            parts = [wish.rpartition(".")[2], *value.path]
        case ir.RunRef():
            parts = ["run_id"]
        case _:
            parts = re.findall(r"\w+", ast.unparse(node))[-1:]
    base = re.sub(r"\W+", "_", "_".join(map(str, parts))).strip("_") or "value"
    base = f"value_{base}" if base[0].isdigit() or keyword.iskeyword(base) else base
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    taken.add(name)
    bound[name] = value
    return name


def _applied(text: str, edits: list[_Edit]) -> str:
    lines = text.encode().splitlines(keepends=True)
    for edit in sorted(edits, key=lambda one: (one.node.lineno, one.node.col_offset), reverse=True):
        first, last = edit.node.lineno - 1, (edit.node.end_lineno or edit.node.lineno) - 1
        tail = lines[last][edit.node.end_col_offset :]
        lines[first : last + 1] = [lines[first][: edit.node.col_offset] + edit.text.encode() + tail]
    return b"".join(lines).decode()


# --- the signature -------------------------------------------------------------------------------------------


def _without_unused(node: Definition, handed: set[str], whole: str) -> None:
    """Leave parameters out that are of the context and that nothing uses."""
    used = {one.id for statement in node.body for one in ast.walk(statement) if isinstance(one, ast.Name)}
    arguments = node.args
    arguments.args = [*arguments.posonlyargs, *arguments.args]
    arguments.posonlyargs = []
    first = len(arguments.args) - len(arguments.defaults)
    defaults = dict(zip([one.arg for one in arguments.args[first:]], arguments.defaults, strict=True))
    gone = handed - used
    arguments.args = [one for one in arguments.args if one.arg not in gone]
    arguments.defaults = [defaults[one.arg] for one in arguments.args if one.arg in defaults]
    pairs = [pair for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if pair[0].arg not in gone]
    arguments.kwonlyargs, arguments.kw_defaults = [one for one, _ in pairs], [default for _, default in pairs]
    if arguments.kwarg is not None and whole not in used:
        arguments.kwarg = None


def _with_parameters(node: Definition, new: list[str], lost: set[str]) -> None:
    """Add parameters; those of the context that nothing stands for are None."""
    arguments = node.args
    first = len(arguments.args) - len(arguments.defaults)
    defaults: dict[str, ast.expr] = dict(
        zip([one.arg for one in arguments.args[first:]], arguments.defaults, strict=True)
    )
    defaults |= {name: ast.Constant(value=None) for name in lost if name not in defaults}
    every = [*arguments.args, *(ast.arg(arg=name) for name in new)]
    arguments.args = [one for one in every if one.arg not in defaults] + [one for one in every if one.arg in defaults]
    arguments.defaults = [defaults[one.arg] for one in arguments.args if one.arg in defaults]


def _untyped(node: Definition, *, everything: bool = False) -> None:
    """Leave out annotations that say nothing to couler."""
    for one in (*node.args.args, *node.args.kwonlyargs):
        if everything or type_text_of(one.annotation) is None:
            one.annotation = None
    if everything or type_text_of(node.returns) is None:
        node.returns = None


def _with_signature(text: str, wanted: Definition) -> str:
    """The text with the signature of another definition, as long as it differs."""
    node = _definition(text)
    if ast.dump(node.args) == ast.dump(wanted.args) and ast.dump(node.returns or ast.Pass()) == ast.dump(
        wanted.returns or ast.Pass()
    ):
        return text
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returned = f" -> {ast.unparse(wanted.returns)}" if wanted.returns is not None else ""
    return f"{word} {node.name}({ast.unparse(wanted.args)}){returned}:{_after_signature(text)}"


def _after_signature(text: str) -> str:
    depth = 0
    for token in _tokens(text):
        if token.string in ("(", "[", "{"):
            depth += 1
        elif token.string in (")", "]", "}"):
            depth -= 1
        elif token.string == ":" and depth == 0:
            lines = text.splitlines(keepends=True)
            return "".join([lines[token.end[0] - 1][token.end[1] :], *lines[token.end[0] :]])
    return "\n    pass\n"


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    return (token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.OP)
