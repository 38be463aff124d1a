"""Make a function's source travel: a module that runs in a bare Python, without couler and without the user's files.

The text of the function is kept as it is written; its decorators by couler and the defaults of file outputs are cut
out.
Whatever it uses from its module goes along: imports, constants, helper functions and classes, and whole modules of
the user's own. ``from __future__ import annotations`` keeps annotations from being evaluated.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import inspect
import linecache
import os
import site
import sys
import sysconfig
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from couler.core.dsl.annotations import OutPath, describe
from couler.core.dsl.names import free_names
from couler.core.errors import DefinitionError, near

_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__"}
_HEADER = "from __future__ import annotations\n"
_EMBED = """
def _embed(name, source, package):
    import sys, types
    module = types.ModuleType(name)
    module.__file__ = "<" + name + ">"
    if package:
        module.__path__ = []
    sys.modules[name] = module
    exec(compile(source, module.__file__, "exec"), module.__dict__)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)

"""


def unwrap(function: Any) -> Any:
    """The user's own function below couler's decorators."""
    while hasattr(function, "__couler_function__"):
        function = function.__couler_function__
    return function


def portable_source(function: Callable[..., Any]) -> str:
    """The source of a module in which ``function`` can be called, and which needs nothing but its imports.

    Args:
        function: A function of the user, decorated by couler or not.

    Raises:
        DefinitionError: It is a lambda or a generator, has no source, or uses something that cannot travel; the message
            names it with its line.
    """
    function = unwrap(function)
    _refuse_shapes(function)
    return _Bundle(function).text()


def _refuse_shapes(function: Any) -> None:
    what = describe(function, "step")
    if not inspect.isfunction(function):
        raise DefinitionError(f"{function!r} is not a Python function", "decorate a function defined with def")
    if function.__name__ == "<lambda>":
        raise DefinitionError(f"{what}: a lambda has no source of its own", "define it with def")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(f"{what}: a generator has no result", "return a list, or write a file")


@dataclass
class _Bundle:
    """Parts of the module, collected depth first so that each part follows what it needs."""

    entry: Any
    imports: dict[str, None] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    owners: dict[str, object] = field(default_factory=dict)

    def text(self) -> str:
        self._function(self.entry, describe(self.entry, "step"), is_entry=True)
        embedded = "".join(self.modules.values())
        head = _HEADER + (_EMBED + embedded if embedded else "")
        imports = "\n".join(self.imports)
        return "\n\n".join(part for part in [head.rstrip("\n"), imports, *self.parts] if part) + "\n"

    def _function(self, function: Any, what: str, *, is_entry: bool = False) -> None:
        source, first_line = _source_of(function, what)
        tree = _parse(source, what)
        definition = tree.body[0]
        assert isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        source = _without_couler(source, definition, function)
        closure = _closure(function)
        for name, line in free_names(_parse(source, what)):
            if name == definition.name:
                continue
            if name in closure:
                self._constant(name, closure[name], f"{what}, line {first_line + line - 1}", function)
            else:
                self._name(name, function, f"{what}, line {first_line + line - 1}", first_line + line - 1)
        self.parts.append(source.rstrip("\n"))

    def _name(self, name: str, user: Any, where: str, line: int) -> None:
        """Bring along what ``name`` means in the module of ``user``."""
        scope = _globals_of(user)
        if name not in scope:
            if name in _BUILTINS:
                return
            raise DefinitionError(
                f"{where}: the name '{name}' is not defined in {scope.get('__name__', 'its module')}",
                near(name, [*scope, *_BUILTINS])
                or "define or import it at the top of the file, or inside the function",
            )
        value = scope[name]
        if name in self.owners:
            known = self.owners[name]
            same = known is value or (_is_literal(value) and type(known) is type(value) and known == value)
            if not same:
                raise DefinitionError(
                    f"{where}: the name '{name}' means different things in the modules whose code "
                    "travels with the step",
                    "rename one of them",
                )
            return
        self.owners[name] = value
        self._value(name, value, user, where)

    def _value(self, name: str, value: Any, user: Any, where: str) -> None:
        inner = unwrap(value)
        if isinstance(value, types.ModuleType):
            self._module(value, where)
            dotted = value.__name__
            plain = dotted == name or ("." in dotted and dotted.split(".")[0] == name)
            self.imports[f"import {dotted}" if plain else f"import {dotted} as {name}"] = None
        elif _is_couler(inner):
            raise DefinitionError(
                f"{where}: couler's '{name}' is used inside the step, and couler is not installed where it runs",
                "steps receive values and return values; call other steps from the workflow function",
            )
        elif inspect.isfunction(inner) or inspect.isclass(inner):
            self._definition(name, inner, where)
        else:
            self._constant(name, value, where, user)

    def _definition(self, name: str, value: Any, where: str) -> None:
        module = sys.modules.get(value.__module__)
        if module is not None and not _is_users(module):
            self.imports[_from_import(value.__module__, value.__qualname__, name, where)] = None
            return
        if value.__name__ == "<lambda>":
            raise DefinitionError(f"{where}: '{name}' is a lambda and has no source of its own", "define it with def")
        self._function(value, where)
        if value.__name__ != name:
            self.parts.append(f"{name} = {value.__name__}")

    def _module(self, module: types.ModuleType, where: str) -> None:
        if module.__name__.partition(".")[0] == "couler":
            raise DefinitionError(
                f"{where}: couler is not installed where the step runs", "use couler outside of steps only"
            )
        if not _is_users(module) or module.__name__ in self.modules:
            return
        parent = module.__name__.rpartition(".")[0]
        if parent and parent in sys.modules:
            self._module(sys.modules[parent], where)
        try:
            source = inspect.getsource(module)
        except (OSError, TypeError):
            source = ""
        self.modules[module.__name__] = ""  # against circles; filled below, after what it imports
        for inner in _imported_by(source, module):
            self._module(inner, where)
        del self.modules[module.__name__]
        is_package = hasattr(module, "__path__")
        self.modules[module.__name__] = f"_embed({module.__name__!r}, {source!r}, {is_package})\n"

    def _constant(self, name: str, value: Any, where: str, user: Any) -> None:
        if _is_literal(value):
            self.parts.append(f"{name} = {value!r}")
            return
        statement = _assignment(name, user)
        if statement is None:
            imported = _import_statement(name, user)
            if imported is None:
                raise DefinitionError(
                    f"{where}: '{name}' is a {type(value).__module__}.{type(value).__qualname__}, "
                    "which has no source that can "
                    "travel with the step",
                    "create it inside the function, or pass it as an input or a file",
                )
            self.imports[imported] = None
            return
        for inner, line in free_names(ast.parse(statement)):
            if inner != name:
                self._name(inner, user, where, line)
        self.parts.append(statement)


def _source_of(function: Any, what: str) -> tuple[str, int]:
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        name = getattr(function, "__name__", "?")
        raise DefinitionError(
            f"{what}: the source of '{name}' cannot be found, so it cannot travel to where the step runs",
            "define it in a file or a notebook cell, not in exec() or the interactive prompt",
        ) from None
    return textwrap.dedent("".join(lines)), first


def _parse(source: str, what: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise DefinitionError(
            f"{what}: its source cannot be read by itself: {error.msg}", "define it with def on lines of its own"
        ) from None


def _without_couler(source: str, definition: ast.AST, function: Any) -> str:
    """Cut out decorators that are couler's and defaults such as ``couler.out("model.pkl")``."""
    lines = source.encode().splitlines(keepends=True)
    cuts: list[tuple[int, int, int, int, bytes]] = []
    assert isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    scope = _globals_of(function)
    for decorator in definition.decorator_list:
        if _is_couler(_evaluate(decorator, scope)):
            end = decorator.end_lineno or decorator.lineno
            cuts.append((decorator.lineno, 0, end + 1, 0, b""))
    if not isinstance(definition, ast.ClassDef):
        named = [*definition.args.posonlyargs, *definition.args.args, *definition.args.kwonlyargs]
        defaults = {name: item.default for name, item in inspect.signature(function).parameters.items()}
        nodes = _default_nodes(definition.args)
        for argument in named:
            node = nodes.get(argument.arg)
            if node is not None and isinstance(defaults.get(argument.arg), OutPath):
                cuts.append((node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0, b"None"))
    for first, start, last, stop, replacement in sorted(cuts, reverse=True):
        tail = lines[last - 1][stop:] if last <= len(lines) else b""
        lines[first - 1 : last] = [lines[first - 1][:start] + replacement + tail]
    return b"".join(lines).decode()


def _default_nodes(arguments: ast.arguments) -> dict[str, ast.expr]:
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = list(zip(reversed(positional), reversed(arguments.defaults), strict=False))
    pairs += [(name, node) for name, node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if node]
    return {name.arg: node for name, node in pairs}


def _evaluate(node: ast.expr, scope: dict[str, Any]) -> Any:
    """What a decorator expression refers to, by names and attributes only."""
    if isinstance(node, ast.Call):
        return _evaluate(node.func, scope)
    if isinstance(node, ast.Name):
        return scope.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_evaluate(node.value, scope), node.attr, None)
    return None


def _is_couler(value: Any) -> bool:
    module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    if not isinstance(module, str):
        module = getattr(type(value), "__module__", "")
    return module.partition(".")[0] == "couler" or type(value).__module__.partition(".")[0] == "couler"


def _closure(function: Any) -> dict[str, Any]:
    if not inspect.isfunction(function) or not function.__closure__:
        return {}
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
        try:
            values[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return {name: value for name, value in values.items() if name != "__class__"}


def _globals_of(value: Any) -> dict[str, Any]:
    if inspect.isfunction(value):
        return value.__globals__
    module = sys.modules.get(getattr(value, "__module__", ""))
    return vars(module) if module is not None else {}


def _is_literal(value: Any) -> bool:
    if value is None or isinstance(value, (str, bytes, bool, int, float, complex)):
        return type(value).__module__ == "builtins"
    if type(value) in (list, tuple, set):
        return all(_is_literal(item) for item in value) and not (type(value) is set and not value)
    if type(value) is dict:
        return all(_is_literal(key) and _is_literal(item) for key, item in value.items())
    return False


def _module_tree(user: Any) -> tuple[str, ast.Module] | None:
    """Text and syntax tree of the file, or of the notebook cells, in which ``user`` is defined."""
    code = getattr(user, "__code__", None)
    try:
        file = code.co_filename if code is not None else inspect.getsourcefile(user)
        text = "".join(linecache.getlines(file or ""))
        return text, ast.parse(text)
    except (SyntaxError, TypeError, OSError):
        return None


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    for statement in tree.body:
        yield statement
        if isinstance(statement, (ast.If, ast.Try)):
            yield from (inner for inner in ast.walk(statement) if isinstance(inner, ast.stmt))


def _assignment(name: str, user: Any) -> str | None:
    """The one statement at module level that binds ``name``."""
    found = _module_tree(user)
    if found is None:
        return None
    text, tree = found
    matches = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in statement.targets
        ):
            matches.append(ast.get_source_segment(text, statement))
        elif (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.value is not None
            and statement.target.id == name
        ):
            matches.append(f"{name} = {ast.get_source_segment(text, statement.value)}")
    return matches[0] if len(matches) == 1 else None


def _import_statement(name: str, user: Any) -> str | None:
    """The import at module level that binds ``name``, written alone."""
    found = _module_tree(user)
    for statement in _top_level(found[1]) if found else ():
        if isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            for alias in statement.names:
                if (alias.asname or alias.name) == name:
                    return f"from {statement.module} import {alias.name}" + (f" as {name}" if alias.asname else "")
    return None


def _from_import(module: str, qualified: str, name: str, where: str) -> str:
    if "." in qualified:
        raise DefinitionError(
            f"{where}: '{name}' is defined inside {module}.{qualified.rpartition('.')[0]} and cannot be imported"
        )
    return f"from {module} import {qualified}" + (f" as {name}" if qualified != name else "")


def _imported_by(source: str, module: types.ModuleType) -> Iterator[types.ModuleType]:
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
            base = (
                importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
                if node.level
                else node.module
            )
            names = [base or "", *(f"{base}.{alias.name}" for alias in node.names)]
        yield from (sys.modules[name] for name in names if name in sys.modules)


def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.update(site.getsitepackages() if hasattr(site, "getsitepackages") else ())
    folders.add(site.getusersitepackages())
    return tuple(os.path.realpath(folder) + os.sep for folder in folders)


def _is_users(module: types.ModuleType) -> bool:
    """Whether a module is the user's own code and not installed where steps run."""
    if module.__name__ == "__main__":
        return True
    file = getattr(module, "__file__", None)
    if file is None:
        return bool(getattr(module, "__path__", None)) and not module.__spec__
    if module.__name__.partition(".")[0] in sys.stdlib_module_names:
        return False
    return not os.path.realpath(file).startswith(_library_folders())
