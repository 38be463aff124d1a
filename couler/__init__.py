"""couler: write an ML workflow once in Python and run it on this machine or on Argo Workflows, with the same result.

>>> import couler
>>> @couler.step
... def add(a: int, b: int) -> int:
...     return a + b
>>> @couler.workflow
... def sums(n: int = 3):
...     return add(n, add(n, 1))
>>> sums.build().parameters[0].name
'n'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from couler.core.dsl import explicit
from couler.core.dsl.annotations import InFile, InFolder, OutFile, OutFolder, out, param
from couler.core.dsl.artifacts import (
    create_gcs_artifact,
    create_git_artifact,
    create_hdfs_artifact,
    create_oss_artifact,
    create_parameter_artifact,
    create_s3_artifact,
    stored_file,
)
from couler.core.dsl.expr import Output, concat, contains, first_of
from couler.core.dsl.flow import (
    concurrent,
    failed_steps,
    loop,
    map,
    on_exit,
    otherwise,
    run_id,
    run_status,
    when,
    workflow_name,
)
from couler.core.dsl.jobs import run_job
from couler.core.dsl.options import retry, secret
from couler.core.dsl.paper import (
    WFStatus,
    bigger,
    bigger_equal,
    dag,
    equal,
    exec_while,
    not_equal,
    set_dependencies,
    set_exit_handler,
    smaller,
    smaller_equal,
)
from couler.core.dsl.scripts import run_container, run_script, suspend
from couler.core.dsl.steps import each, step
from couler.core.dsl.workflows import config_workflow, new_workflow, schedule
from couler.core.errors import CoulerError
from couler.core.ir.model import (
    CachePolicy,
    Resources,
    Retry,
    SecretUse,
    Sidecar,
    Toleration,
    Volume,
    Workflow,
)
from couler.picture import graph
from couler.program import workflow

if TYPE_CHECKING:
    from couler.driver import Run, compile, engines, get_run, list_runs, load_workflow, plan, run, submit, validate

_OF_DRIVER = (
    "Run",
    "compile",
    "engines",
    "get_run",
    "list_runs",
    "load_workflow",
    "plan",
    "run",
    "submit",
    "validate",
)

__all__ = [
    "CachePolicy",
    "CoulerError",
    "InFile",
    "InFolder",
    "OutFile",
    "OutFolder",
    "Output",
    "Resources",
    "Retry",
    "Run",
    "SecretUse",
    "Sidecar",
    "Toleration",
    "Volume",
    "WFStatus",
    "Workflow",
    "bigger",
    "bigger_equal",
    "compile",
    "concat",
    "concurrent",
    "config_workflow",
    "contains",
    "create_gcs_artifact",
    "create_git_artifact",
    "create_hdfs_artifact",
    "create_oss_artifact",
    "create_parameter_artifact",
    "create_s3_artifact",
    "dag",
    "each",
    "engines",
    "equal",
    "exec_while",
    "explicit",
    "failed_steps",
    "first_of",
    "get_run",
    "graph",
    "list_runs",
    "load_workflow",
    "loop",
    "map",
    "new_workflow",
    "not_equal",
    "on_exit",
    "otherwise",
    "out",
    "param",
    "plan",
    "retry",
    "run",
    "run_container",
    "run_id",
    "run_job",
    "run_script",
    "run_status",
    "schedule",
    "secret",
    "set_dependencies",
    "set_exit_handler",
    "smaller",
    "smaller_equal",
    "step",
    "stored_file",
    "submit",
    "suspend",
    "validate",
    "when",
    "workflow",
    "workflow_name",
]


def __getattr__(name: str) -> Any:
    """Load the driver when it is first asked for: building a workflow needs no database and no engine."""
    if name in _OF_DRIVER:
        from couler import driver

        globals().update({key: getattr(driver, key) for key in _OF_DRIVER})
        return globals()[name]
    raise AttributeError(f"module 'couler' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
