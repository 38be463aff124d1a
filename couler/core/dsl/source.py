"""Make a function's source travel: a module that runs in a bare Python, without couler and without the user's files.

The text of the function is kept as it is written; its decorators by couler and the defaults of file outputs are cut
out. Whatever it uses from its module goes along: imports, constants, helper functions and classes, and whole modules
of the user's own. ``from __future__ import annotations`` keeps annotations from being evaluated.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from couler.core.dsl.annotations import describe
from couler.core.dsl.cutting import is_couler, without_couler
from couler.core.dsl.excerpts import closure_of, definition_of, is_decorated, names_taken_by, parsed, source_of
from couler.core.dsl.literals import is_literal, literal
from couler.core.dsl.names import names_in_fields
from couler.core.dsl.origins import Import, Origin, absolute, is_users, user_module
from couler.core.errors import DefinitionError, near

_BUILTINS = frozenset(dir(builtins))
_OF_MODULES = frozenset({"__name__", "__doc__", "__package__", "__spec__", "__loader__", "__builtins__"})
_ENVIRONMENT = frozenset({"environ", "getenv", "getpass", "environb"})
_HEADER = "from __future__ import annotations"
_SERVE = """
def _serve_modules(sources):
    import importlib.abc
    import importlib.util
    import sys

    class ServedModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
        def find_spec(self, name, path=None, target=None):
            if name in sources:
                return importlib.util.spec_from_loader(name, self, origin="<" + name + ">", is_package=sources[name][1])

        def exec_module(self, module):
            text = sources[module.__name__][0]
            exec(compile(text, "<" + module.__name__ + ">", "exec", dont_inherit=True), module.__dict__)

    for name in sources:
        sys.modules.pop(name, None)
    sys.meta_path[:] = [item for item in sys.meta_path if type(item).__name__ != "ServedModules"]
    sys.meta_path.insert(0, ServedModules())
"""


def unwrap(function: Any) -> Any:
    """The user's own function below couler's decorators."""
    while "__couler_function__" in getattr(function, "__dict__", ()):
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
    refuse_shapes(function)
    return _Bundle(function).text()


def refuse_shapes(function: Any) -> None:
    """Raise DefinitionError for what has no source of its own: lambdas, generators, builtins and other objects."""
    core = _core(function)
    if not inspect.isfunction(core):
        raise DefinitionError(f"{function!r} is not a Python function", "decorate a function defined with def")
    what = describe(core, "step")
    if core.__name__ == "<lambda>":
        raise DefinitionError(f"{what}: a lambda has no source of its own", "define it with def")
    if inspect.isgeneratorfunction(core) or inspect.isasyncgenfunction(core):
        raise DefinitionError(f"{what}: a generator has no result", "return a list, or write a file")


def _only_couler_wraps(value: Any) -> bool:
    inner = unwrap(value)
    return inner is not value and inner is _core(value)


def _core(value: Any) -> Any:
    """What stands in the source, below decorators that follow the custom of `functools.wraps`."""
    try:
        return inspect.unwrap(unwrap(value))
    except (ValueError, TypeError):
        return value


@dataclass
class _Bundle:
    """Parts of the module, collected depth first so that each part follows what it needs."""

    entry: Any
    imports: dict[str, None] = field(default_factory=dict)
    modules: dict[str, tuple[str, bool]] = field(default_factory=dict)
    package: str = ""
    parts: list[str] = field(default_factory=list)
    owners: dict[str, object] = field(default_factory=dict)

    def text(self) -> str:
        core = _core(self.entry)
        self.owners[core.__name__] = core
        self._define(core, describe(core, "step"), wrapped=self.entry is core)
        if self.entry.__name__ != core.__name__ and self.entry.__name__.isidentifier():
            self.parts.append(f"{self.entry.__name__} = {core.__name__}")
        head = _HEADER
        if self.package:
            head += f"\n\n__package__ = {self.package!r}"
        if self.modules:
            head += f"\n{_SERVE}\n\n_serve_modules({self.modules!r})"
        return "\n\n".join(part for part in [head, "\n".join(self.imports), *self.parts] if part) + "\n"

    # --- functions and classes of the user

    def _define(self, target: Any, what: str, *, wrapped: bool = False) -> None:
        origin = Origin.of(target)
        source, first_line = source_of(target, origin, what)
        definition = definition_of(parsed(source, what))
        source = without_couler(source, definition, target, origin.scope, wrapped)
        tree = parsed(source, what)
        self._modules_imported_inside(tree, origin, what, first_line)
        closure = closure_of(target)
        for name, line in names_taken_by(tree, what):
            if name == definition.name:
                continue
            where = f"{what}, line {first_line + line - 1}"
            if name in closure:
                self._bring_from_closure(name, closure[name], origin, where)
            else:
                self._bring_global(name, origin, where)
        self._bring_fields(tree, origin, what)
        self.parts.append(source.strip("\n"))

    def _bring_from_closure(self, name: str, value: Any, origin: Origin, where: str) -> None:
        if inspect.isfunction(value) and is_decorated(value):
            raise DefinitionError(
                f"{where}: '{name}' is a function below a decorator that does not use functools.wraps",
                "add @functools.wraps(function) to the function inside the decorator",
            )
        self._own(name, value, origin, where)

    def _bring_global(self, name: str, origin: Origin, where: str) -> None:
        """Bring along what a name means in the module of its user."""
        if name in _OF_MODULES:
            return
        if name == "__file__":
            raise DefinitionError(
                f"{where}: '__file__' names a place on this machine, and the step runs elsewhere",
                "hand files over as inputs: couler.InFile",
            )
        if name not in origin.scope:
            if name in _BUILTINS:
                return
            raise DefinitionError(
                f"{where}: the name '{name}' is not defined in {origin.name}",
                near(name, [*origin.scope, *_BUILTINS])
                or "define or import it at the top of the file, or inside the function",
            )
        self._own(name, origin.scope[name], origin, where)

    def _bring_fields(self, tree: ast.Module, origin: Origin, what: str) -> None:
        """Types of class fields, where they can travel: dataclasses and others look them up by name."""
        for name in names_in_fields(tree):
            if name not in origin.scope or name in self.owners:
                continue
            before = dict(self.imports), dict(self.modules), list(self.parts), dict(self.owners)
            try:
                self._bring_global(name, origin, what)
            except DefinitionError:
                self.imports, self.modules, self.parts, self.owners = before

    def _own(self, name: str, value: Any, origin: Origin, where: str) -> None:
        """Bind a name once; two meanings of one name cannot travel in one module."""
        core = _core(value)
        if name in self.owners:
            known = self.owners[name]
            literals = is_literal(value) and is_literal(known)
            if known is not core and not (literals and literal(known) == literal(value)):
                raise DefinitionError(
                    f"{where}: the name '{name}' means different things in the modules whose code travels with "
                    "the step",
                    "rename one of them",
                )
            return
        self.owners[name] = core
        self._bring(name, value, origin, where)

    # --- what a name stands for

    def _bring(self, name: str, value: Any, origin: Origin, where: str) -> None:
        core = _core(value)
        if isinstance(value, types.ModuleType):
            self._bring_module(name, value, origin, where)
        elif is_literal(value):
            _refuse_environment(name, value, origin, where)
            self.parts.append(f"{name} = {literal(value)}")
        elif is_couler(core):
            raise DefinitionError(
                f"{where}: couler's '{name}' is used inside the step, and couler is not installed where it runs",
                "steps receive values and return values; call other steps from the workflow function",
            )
        elif inspect.isfunction(core) or inspect.isclass(core):
            self._bring_definition(name, value, core, origin, where)
        elif not self._bring_import(name, value, origin, where):
            self._bring_object(name, value, origin, where)

    def _bring_definition(self, name: str, value: Any, core: Any, origin: Origin, where: str) -> None:
        module = sys.modules.get(core.__module__)
        if module is not None and not is_users(module):
            if not self._bring_import(name, value, origin, where):
                self.imports[_importable(core, name, where).statement()] = None
            return
        if core.__name__ == "<lambda>" and not _assigned(name, value, origin):
            raise DefinitionError(f"{where}: '{name}' is a lambda and has no source of its own", "define it with def")
        if "<locals>" in core.__qualname__ and _assigned(name, value, origin):
            self._bring_object(name, value, origin, where)
        elif core.__name__ == name:
            self._define(core, f"{where}, in '{name}'", wrapped=_only_couler_wraps(value))
        elif core.__name__ == "<lambda>":
            self._bring_object(name, value, origin, where)
        else:
            self._own(core.__name__, value, origin, where)
            self.parts.append(f"{name} = {core.__name__}")

    def _bring_import(self, name: str, value: Any, origin: Origin, where: str) -> bool:
        """Repeat the import that binds the name; what comes from the user's modules is taken from there."""
        found = origin.imports(name, value)
        for item in found:
            _refuse_couler(item.module, where)
            if user_module(item.module) is None:
                self.imports[item.statement()] = None
                continue
            source = Origin.of(sys.modules[item.module])
            if item.attribute == name:
                self._bring(name, value, source, where)
            else:
                self._own(item.attribute, value, source, where)
                self.parts.append(f"{name} = {item.attribute}")
        return bool(found)

    def _bring_object(self, name: str, value: Any, origin: Origin, where: str) -> None:
        """Repeat the statement that makes an object, such as ``WORD = re.compile(...)``."""
        found = _assigned(name, value, origin)
        if found is None:
            kind = type(value)
            raise DefinitionError(
                f"{where}: '{name}' is a {kind.__module__}.{kind.__qualname__}, which has no source that can travel "
                "with the step",
                "create it inside the function, or pass it as an input or a file",
            )
        statement, _ = found
        _refuse_environment(name, value, origin, where)
        for inner, _ in names_taken_by(ast.parse(statement), where):
            if inner != name:
                self._bring_global(inner, origin, where)
        self.parts.append(statement)

    # --- modules

    def _bring_module(self, name: str, module: types.ModuleType, origin: Origin, where: str) -> None:
        imports = origin.imports(name, module) or (Import(module.__name__, "", name),)
        for item in imports:
            whole = f"{item.module}.{item.attribute}" if item.attribute else item.module
            _refuse_couler(whole, where)
            self._serve(item.module, where)
            self._serve(whole, where)
            self.imports[item.statement()] = None

    def _modules_imported_inside(self, tree: ast.Module, origin: Origin, what: str, first_line: int) -> None:
        for node, name in _imports_in(tree, origin.package):
            where = f"{what}, line {first_line + node.lineno - 1}"
            _refuse_couler(name, where)
            if isinstance(node, ast.ImportFrom) and node.level:
                self.package = origin.package
            self._serve(name, where)

    def _serve(self, name: str, where: str) -> None:
        """Take along the text of a user's module, of its packages, and of what it imports."""
        found = user_module(name) if name not in self.modules else None
        if found is None:
            return
        if found.source is None:
            raise DefinitionError(
                f"{where}: the module '{name}' is compiled, so its source cannot travel with the step",
                "install it where the step runs, and here: then it is imported there",
            )
        self.modules[name] = (found.source, found.is_package)
        parent = name.rpartition(".")[0]
        if parent:
            self._serve(parent, where)
        package = name if found.is_package else parent
        for node, inner in _imports_in(parsed(found.source, f"{where}: module '{name}'"), package):
            inside = f"{where}: module '{name}', line {node.lineno}"
            _refuse_couler(
                inner,
                inside,
                f"take what the step uses by name, as in `from {name} import function`, or move it "
                "to a module without couler",
            )
            self._serve(inner, inside)


def _refuse_couler(module: str, where: str, hint: str = "use couler outside of steps only") -> None:
    if module.partition(".")[0] == "couler":
        raise DefinitionError(f"{where}: couler is not installed where the step runs", hint)


def _assigned(name: str, value: Any, origin: Origin) -> tuple[str, ast.expr] | None:
    """The statement of the module that made this very value."""
    return origin.assignment(name) if origin.scope.get(name) is value else None


def _refuse_environment(name: str, value: Any, origin: Origin, where: str) -> None:
    """What is read from the environment here may be a secret, and the source is written into the workflow's text."""
    found = _assigned(name, value, origin)
    if found is None:
        return
    used = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(found[1])}
    if used & _ENVIRONMENT:
        raise DefinitionError(
            f"{where}: '{name}' is read from the environment of this machine, and would be written into the workflow",
            f'read it inside the function, and give it with secrets={{"{name}": couler.secret("name", "key")}} or env=',
        )


def _importable(value: Any, name: str, where: str) -> Import:
    if "." in value.__qualname__:
        raise DefinitionError(
            f"{where}: '{name}' is defined inside {value.__module__}.{value.__qualname__.rpartition('.')[0]} "
            "and cannot be imported",
            "import it at the top of the file",
        )
    return Import(value.__module__, value.__qualname__, name)


def _imports_in(tree: ast.AST, package: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    """Imports anywhere in the code, each with the modules that it may name; those for type checkers are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, package)
            yield from ((node, name) for name in [base, *(f"{base}.{alias.name}" for alias in node.names)] if base)
        else:
            yield from _imports_in(node, package)
