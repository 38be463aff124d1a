"""Where a name of the user's module comes from: an assignment, an import, or a cell of a notebook."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import linecache
import os
import site
import sys
import sysconfig
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.machinery import ModuleSpec
from typing import Any

_SEARCHED = (ast.If, ast.Try, ast.With)


@dataclass(frozen=True, slots=True)
class Import:
    """One import that binds a name.

    Attributes:
        module: Absolute name of the module.
        attribute: What is taken from it; empty for ``import module``.
        name: The name that is bound.
    """

    module: str
    attribute: str
    name: str

    def statement(self) -> str:
        """The import, written alone."""
        if self.attribute:
            renamed = f" as {self.name}" if self.name != self.attribute else ""
            return f"from {self.module} import {self.attribute}{renamed}"
        return f"import {self.module}" + ("" if self.name == self.module.partition(".")[0] else f" as {self.name}")


@dataclass(frozen=True, slots=True)
class Origin:
    """The module, or the notebook, in which something of the user is defined.

    Attributes:
        scope: Its global names.
        file: Its file; empty when it has none.
    """

    scope: Mapping[str, Any]
    file: str

    @staticmethod
    def of(value: Any) -> Origin:
        """The origin of a function, a class or a module."""
        if isinstance(value, types.ModuleType):
            return Origin(vars(value), getattr(value, "__file__", None) or "")
        if inspect.isfunction(value):
            return Origin(value.__globals__, value.__code__.co_filename)
        module = sys.modules.get(getattr(value, "__module__", ""))
        return Origin(vars(module), getattr(module, "__file__", None) or "") if module is not None else Origin({}, "")

    @property
    def name(self) -> str:
        """Name of the module, for messages."""
        return str(self.scope.get("__name__", "its module"))

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        spec = self.scope.get("__spec__")
        return str(self.scope.get("__package__") or (spec.parent if isinstance(spec, ModuleSpec) else "") or "")

    def texts(self) -> list[str]:
        """The text of the file, or of the cells of the notebook, the latest first."""
        cells = _cells(self.scope)
        return cells if cells else ["".join(linecache.getlines(self.file))] if self.file else []

    def assignment(self, name: str) -> tuple[str, ast.expr] | None:
        """The one statement that binds a name to a value, written alone, and its value."""
        for text in self.texts():
            matches = [found for statement in _statements(text) if (found := _bound(text, statement, name))]
            if len(matches) == 1:
                return matches[0]
            if matches:
                return None
        return None

    def imports(self, name: str, value: Any) -> tuple[Import, ...]:
        """The imports that bind a name to this very value; several for ``import a.b`` and ``import a.c``."""
        for text in self.texts():
            found = tuple(dict.fromkeys(
                item for statement in _statements(text) for item in self._imported(statement, name)
                if _gives(item, value)
            ))  # fmt: skip
            if found:
                return found
        return ()

    def _imported(self, statement: ast.stmt, name: str) -> Iterator[Import]:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                if (alias.asname or alias.name.partition(".")[0]) == name:
                    yield Import(alias.name, "", name)
        elif isinstance(statement, ast.ImportFrom):
            module = absolute(statement, self.package)
            for alias in statement.names:
                if alias.name == "*":
                    yield Import(module, name, name)
                elif (alias.asname or alias.name) == name:
                    yield Import(module, alias.name, name)

    def class_text(self, name: str) -> str | None:
        """The text of a class that is defined in a cell of a notebook."""
        for text in self.texts():
            for statement in _statements(text):
                if isinstance(statement, ast.ClassDef) and statement.name == name:
                    first = min([statement.lineno, *(item.lineno for item in statement.decorator_list)])
                    lines = text.splitlines(keepends=True)
                    return "".join(lines[first - 1 : statement.end_lineno])
        return None


def absolute(statement: ast.ImportFrom, package: str) -> str:
    """The absolute name of the module that ``from … import`` takes from."""
    if not statement.level:
        return statement.module or ""
    try:
        return importlib.util.resolve_name("." * statement.level + (statement.module or ""), package or None)
    except ImportError:
        return statement.module or ""


def _gives(item: Import, value: Any) -> bool:
    module = sys.modules.get(item.module)
    if not item.attribute:
        if "." in item.module and item.name == item.module.partition(".")[0]:
            module = sys.modules.get(item.name)
        return module is value
    return getattr(module, item.attribute, _gives) is value or sys.modules.get(
        f"{item.module}.{item.attribute}", _gives
    ) is value  # fmt: skip


@lru_cache(maxsize=64)
def _statements(text: str) -> tuple[ast.stmt, ...]:
    """Statements that run when the module is imported, those inside of if, try and with too."""
    try:
        return tuple(_flat(ast.parse(text).body))
    except SyntaxError:
        return ()


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, _SEARCHED):
            for part in ("body", "orelse", "finalbody"):
                yield from _flat(getattr(statement, part, []))
            for handler in getattr(statement, "handlers", []):
                yield from _flat(handler.body)


def _bound(text: str, statement: ast.stmt, name: str) -> tuple[str, ast.expr] | None:
    if isinstance(statement, ast.Assign):
        if any(isinstance(target, ast.Name) and target.id == name for target in statement.targets):
            return ast.get_source_segment(text, statement) or "", statement.value
    elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        target, value = statement.target, statement.value
        if isinstance(target, ast.Name) and target.id == name and value is not None:
            operator = "=" if isinstance(statement, ast.AnnAssign) else "+="
            return f"{name} {operator} ({ast.get_source_segment(text, value)})", value
    return None


def _cells(scope: Mapping[str, Any]) -> list[str]:
    """The cells that a notebook has executed, the latest first; empty outside of one."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    if shell is None or shell.user_ns.get("__name__") != scope.get("__name__"):
        return []
    return [str(text) for text in reversed(shell.history_manager.input_hist_parsed) if text]


# --- which code is the user's ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UserModule:
    """A module of the user's own, as text."""

    name: str
    source: str | None
    is_package: bool


def user_module(name: str) -> UserModule | None:
    """The module of that name when it is the user's own code; None when it is installed or does not exist.

    ``source`` is None when it has none, as for compiled modules.
    """
    root = name.partition(".")[0]
    if not root or root in sys.stdlib_module_names or not _is_users_root(root):
        return None
    spec = _spec(name)
    if spec is None:
        return None
    is_package = spec.submodule_search_locations is not None
    if spec.origin is None:
        return UserModule(name, "", is_package)
    loader = spec.loader
    source = loader.get_source(name) if loader is not None and hasattr(loader, "get_source") else None
    return UserModule(name, source, is_package)


def _is_users_root(root: str) -> bool:
    module = sys.modules.get(root)
    if module is not None:
        return is_users(module)
    spec = _spec(root)
    return spec is not None and _is_outside(spec.origin, spec.submodule_search_locations)


def _spec(name: str) -> ModuleSpec | None:
    module = sys.modules.get(name)
    if module is not None and isinstance(spec := getattr(module, "__spec__", None), ModuleSpec):
        return spec
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None


def is_users(module: types.ModuleType) -> bool:
    """Whether a module is the user's own code and not installed where steps run."""
    if module.__name__ == "__main__":
        return True
    if module.__name__.partition(".")[0] in sys.stdlib_module_names:
        return False
    return _is_outside(getattr(module, "__file__", None), getattr(module, "__path__", None))


def _is_outside(file: str | None, folders: Any) -> bool:
    places = [file] if file else list(folders or ())
    return bool(places) and not any(os.path.realpath(place).startswith(_library_folders()) for place in places)


@cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.update(site.getsitepackages() if hasattr(site, "getsitepackages") else ())
    folders.add(site.getusersitepackages())
    return tuple(os.path.realpath(folder) + os.sep for folder in folders)
