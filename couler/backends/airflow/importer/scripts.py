"""Scripts of shells with values in them."""

from __future__ import annotations

import re

from couler.backends.airflow.importer.references import References
from couler.backends.airflow.importer.templates import Part, parts_of
from couler.backends.airflow.importer.values import Task
from couler.core.ir import model as ir


def read_script(text: str, task: Task, references: References) -> tuple[ir.ScriptTask, tuple[ir.EnvVar, ...],
                                                                         tuple[ir.SecretUse, ...]]:  # fmt: skip
    """A text for bash as a script, and the variables that it needs.

    Values become variables of the shell where they stand outside of single quotes and here-documents. Elsewhere the
    whole text is handed over as an argument, with the values pasted in as Airflow does.
    """
    parts = parts_of(text, task, references)
    if all(isinstance(part, str) for part in parts):
        return _script("".join(map(str, parts))), (), ()
    if _is_expandable(parts):
        references.report.add("AIRFLOW034", task.line)
        return _with_variables(parts)
    references.report.add("AIRFLOW035", task.line)
    return _pasted(parts, task, references), (), ()


def _script(source: str) -> ir.ScriptTask:
    return ir.ScriptTask(source=source, interpreter=("bash",))


def _pasted(parts: list[Part], task: Task, references: References) -> ir.ScriptTask:
    values: list[ir.Value] = []
    for part in parts:
        if isinstance(part, ir.SecretRef):
            references.report.add("AIRFLOW033", task.line, f"secret {part.key} inside of single quotes")
            values.append(ir.Constant(value=f"${{{part.key}}}"))
        else:
            values.append(ir.Constant(value=part) if isinstance(part, str) else part)
    return pasted(ir.Concat(parts=tuple(values)))


def pasted(text: ir.Value) -> ir.ScriptTask:
    """A script whose whole text is a value."""
    return ir.ScriptTask(source='exec bash -c "$1"', interpreter=("bash",), args=(text,))


def last_line(task: ir.ScriptTask) -> ir.ScriptTask:
    """The script with only the last line of its output as result, as Airflow has it."""
    source = task.source if task.args == () else task.source.removeprefix("exec ")
    return task.model_copy(update={"source": f"set -o pipefail\n(\n{source.rstrip()}\n) | tail -n 1"})


def _is_expandable(parts: list[Part]) -> bool:
    """Whether every value stands where a shell would put a variable in.

    >>> one = ir.RunRef(field="id")
    >>> _is_expandable(["echo ", one, ' "', one, '"']), _is_expandable(["echo '", one, "'"])
    (True, False)
    """
    quote = ""
    for part in parts:
        if not isinstance(part, str):
            if quote in ("'", "?"):
                return False
            continue
        index = 0
        while index < len(part):
            character = part[index]
            if character == "\\" and quote != "'":
                index += 1
            elif character == quote:
                quote = ""
            elif not quote and character in "'\"":
                quote = character
            elif not quote and (part.startswith("<<", index) or part.startswith("$((", index) or character in "`#"):
                quote = "?"
            index += 1
    return True


def _with_variables(parts: list[Part]) -> tuple[ir.ScriptTask, tuple[ir.EnvVar, ...], tuple[ir.SecretUse, ...]]:
    env: dict[str, ir.Value] = {}
    secrets: dict[str, ir.SecretRef] = {}
    source = ""
    for part in parts:
        if isinstance(part, str):
            source += part
            continue
        name = _variable(part, env, secrets)
        if isinstance(part, ir.SecretRef):
            secrets[name] = part
        else:
            env[name] = part
        source += f"${{{name}}}"
    variables = tuple(ir.EnvVar(name=name, value=value) for name, value in env.items())
    uses = tuple(ir.SecretUse(secret=secret, env=name) for name, secret in secrets.items())
    return _script(source), variables, uses


def _variable(part: ir.Value | ir.SecretRef, env: dict[str, ir.Value], secrets: dict[str, ir.SecretRef]) -> str:
    """A name for a value, the same for the same value."""
    match part:
        case ir.SecretRef(key=wish) | ir.ParameterRef(name=wish) | ir.OutputRef(step=wish) | ir.ItemRef(name=wish):
            path = getattr(part, "path", ())
            wish = "_".join(map(str, [wish, *path]))
        case ir.RunRef():
            wish = "run_id"
        case _:
            wish = "value"
    base = variable_name(wish)
    name, number = base, 2
    while {**env, **secrets}.get(name, part) != part:
        name, number = f"{base}_{number}", number + 1
    return name


def variable_name(text: str) -> str:
    """A text as the name of a variable.

    >>> variable_name("load.total")
    'LOAD_TOTAL'
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").upper() or "VALUE"
    return f"VALUE_{name}" if name[0].isdigit() or name in ("PATH", "HOME", "USER", "PWD", "SHELL", "IFS") else name
