"""Find the workflow in what a user hands over: a function, a file of Python, or a document."""

from __future__ import annotations

import contextvars
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from couler.core.dsl.workflows import Building, WorkflowFunction, implicit_exists, take_implicit
from couler.core.errors import CoulerError, DefinitionError, NotFoundError, TextFormError, near
from couler.core.ir.model import Workflow

_loading: ContextVar[bool] = ContextVar("couler_loading", default=False)


class _Captured(BaseException):
    """Ends the execution of a file at its ``couler.run``, since the command that loads it decides what happens."""

    def __init__(self, workflow: Workflow) -> None:
        super().__init__()
        self.workflow = workflow


def capture_while_loading(workflow: Workflow) -> None:
    """Hand a workflow to the command that loads the file, if one does."""
    if _loading.get():
        raise _Captured(workflow)


def as_workflow(source: Any = None) -> Workflow:
    """The workflow of the IR behind what users pass: None means what the statements so far have declared.

    Raises:
        DefinitionError: It is no workflow.
    """
    if source is None:
        return take_implicit()
    if isinstance(source, Workflow):
        return source
    if hasattr(source, "build"):
        built = source.build()
        if isinstance(built, Workflow):
            return built
    raise DefinitionError(f"{source!r} is not a workflow", "pass a function decorated with @couler.workflow")


def load_workflow(path: str | Path, name: str | None = None) -> Workflow:
    """Read a workflow from a file.

    Args:
        path: Python with ``@couler.workflow`` functions or with statements in the paper's style, or JSON, or YAML.
        name: Which workflow, when the file has several.

    Raises:
        NotFoundError: There is no such file, or no such workflow in it.
        DefinitionError: The file declares several workflows and ``name`` does not say which.
        TextFormError: A document is not a workflow.
    """
    file = Path(path)
    if not file.is_file():
        raise NotFoundError(f"there is no file {file}", _near_file(file))
    if file.suffix in (".json", ".yaml", ".yml"):
        return _read(file)
    found = _executed(file, _module_name(file)) or _executed(file, "__main__")
    if not found:
        raise NotFoundError(
            f"{file} declares no workflow", "decorate a function with @couler.workflow, or declare steps"
        )
    chosen = _chosen(found, name, file)
    try:
        return as_workflow(chosen)
    except CoulerError:
        raise
    except Exception as error:  # a line of the user's workflow function
        raise _broken(file, error) from error


def _read(file: Path) -> Workflow:
    from couler.core.ir.text import from_text

    try:
        return from_text(_text(file))
    except TextFormError as error:
        raise TextFormError(f"{file}: {error.message}", error.hint) from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TextFormError(f"this is not UTF-8 text: {error.reason} at byte {error.start}") from None


def _module_name(file: Path) -> str:
    """The file's name, or one that hides no module of the same name that exists already."""
    known = sys.modules.get(file.stem)
    is_other = known is not None and getattr(known, "__file__", None) != str(file.resolve())
    return f"_{file.stem}" if is_other or file.stem in sys.stdlib_module_names else file.stem


def _near_file(file: Path) -> str:
    try:
        return near(file.name, (item.name for item in file.parent.iterdir()))
    except OSError:
        return ""


def _executed(file: Path, module_name: str) -> dict[str, Any]:
    """Workflows that the file declares, by name; in a context of its own, so that nothing of ours mixes with them."""
    module = _module(file, module_name)
    captured = contextvars.Context().run(_captured, file, module, module_name)
    if captured:
        return {workflow.name: workflow for workflow in captured}
    found = {
        key: item for key, item in vars(module).items() if isinstance(item, (WorkflowFunction, Building, Workflow))
    }
    own = {key: item for key, item in found.items() if getattr(item, "__module__", "") in (module_name, *_STATEMENTS)}
    return {item.name if isinstance(item, WorkflowFunction) else key: item for key, item in (own or found).items()}


def _captured(file: Path, module: ModuleType, module_name: str) -> list[Workflow]:
    """Execute the file; workflows that it runs or declares by statements."""
    captured: list[Workflow] = []
    with _environment(file, module, module_name):
        try:
            _execute(module)
        except _Captured as end:
            captured.append(end.workflow)
        except CoulerError:
            raise
        except SystemExit as error:
            raise DefinitionError(
                f"{file} ended Python by itself (exit {error.code}) before it declared a workflow",
                "declare the workflow before anything calls sys.exit, or put that under `if __name__ == ...`",
            ) from error
        except Exception as error:
            raise _broken(file, error) from error
        if implicit_exists():
            captured.append(take_implicit())
    return captured


_STATEMENTS = (Workflow.__module__, Building.__module__)


def _execute(module: ModuleType) -> None:
    assert module.__spec__ is not None
    assert module.__spec__.loader is not None
    module.__spec__.loader.exec_module(module)


def _module(file: Path, module_name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(module_name, file.resolve())
    if spec is None:
        raise NotFoundError(f"{file} is neither Python, JSON nor YAML", "use a file that ends in .py, .json or .yaml")
    return importlib.util.module_from_spec(spec)


@contextmanager
def _environment(file: Path, module: ModuleType, module_name: str) -> Iterator[None]:
    """As if Python ran the file: its folder is searched first, and its module is known by name."""
    folder = str(file.resolve().parent)
    before = sys.modules.get(module_name)
    sys.modules[module_name] = module
    if folder not in sys.path:
        sys.path.insert(0, folder)
    token = _loading.set(True)
    try:
        yield
    finally:
        _loading.reset(token)
        if module_name == "__main__" and before is not None:
            sys.modules[module_name] = before  # functions of the file keep their own globals


def _broken(file: Path, error: Exception) -> DefinitionError:
    line, file_name = "", str(file.resolve())
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file_name:
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == file_name:
        line = f":{error.lineno}"
    return DefinitionError(
        f"{file}{line}: {type(error).__name__}: {error}", "fix that line; --debug shows the traceback"
    )


def _chosen(found: dict[str, Any], name: str | None, file: Path) -> Any:
    if name is not None:
        if name not in found:
            raise NotFoundError(f"{file} declares no workflow '{name}'", near(name, found, "workflows"))
        return found[name]
    if len(found) > 1:
        _ask(found, file)
    return next(iter(found.values()))


def _ask(found: dict[str, Any], file: Path) -> NoReturn:
    raise DefinitionError(
        f"{file} declares {len(found)} workflows: {', '.join(found)}", f"add --workflow {next(iter(found))}"
    )
