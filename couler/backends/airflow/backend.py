"""Apache Airflow as couler knows it: what it can do, and its DAG files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from couler.backends.airflow.containers import KUBERNETES, MODULES, PROCESS, chosen, files_in, notes, of_run
from couler.backends.airflow.containers import problems as of_containers
from couler.backends.airflow.dag import DagFile
from couler.backends.airflow.names import VERSIONS, dag_name, is_newest
from couler.backends.airflow.options import check_options, of_dag
from couler.backends.airflow.preflight import problems
from couler.backends.airflow.sources import Sources
from couler.backends.base import Declaration, Emitted
from couler.backends.local.stored import declared
from couler.backends.notes import on_other_options
from couler.core.ir.features import FEATURES
from couler.core.ir.model import Workflow
from couler.runner.container import shipped as runner

if TYPE_CHECKING:
    from couler.backends.base import Engine

_LOWERED = {"cache": "drop_cache"}
_ON_ONE_MACHINE = {"placement": "drop_placement", "service_account": "drop_service_accounts"}

_REFUSED = {
    "schedule_replace": "Airflow ends no run because the next is due; forbid runs side by side (concurrency='forbid')",
    "schedule_deadline": "Airflow starts what is due, however late; leave starting_deadline out",
    "map_in_map": "Airflow cannot map inside a map; map over one list of pairs",
    "group_timeout": "Airflow limits the time of tasks and of whole runs; set the limit on the steps inside",
    "daemon": "Airflow waits for each task to end",
}
_OF_AIRFLOW_3 = {
    "suspend_approval": "Airflow has approvals from version 3.1 on; use airflow@3.3",
    "retry_escalation": "tasks remember nothing of earlier attempts before Airflow 3.3; use airflow@3.3",
}
_IN_PODS = "set airflow_containers to kubernetes"
_NEEDS_PODS = {
    "job": f"Airflow needs a cluster for that; {_IN_PODS}, or create the object in a function",
    "job_conditions": f"Airflow needs a cluster for that; {_IN_PODS}, or wait for the object in a function",
    "sidecars": f"only pods have containers beside the task; {_IN_PODS}",
    "retry_escalation": f"only pods have memory of their own; {_IN_PODS}",
}
_NEEDS_CONTAINERS = {
    "volumes": "processes of a worker have its paths; set airflow_containers to kubernetes or docker",
    "gpu": "processes of a worker have what it has; set airflow_containers to kubernetes or docker",
}
_NEEDS_FILES = "pods have no folder in common with workers; name a claim that workers mount too: set artifacts to claim://NAME/PATH"

SHIPPED = (
    *(
        "__init__.py",
        "again.py",
        "files.py",
        "groups.py",
        "outside.py",
        "processes.py",
        "step.py",
        "steps.py",
        "values.py",
    ),
    "version.py",
)
LIMIT = 1 << 20
LIMIT_OF_PODS = 256 * 1024
"""Bytes of a value: what a pod is given and gives travels through the cluster's own objects."""


class AirflowBackend:
    """Compiles workflows to DAG files."""

    name = "airflow"
    versions = VERSIONS

    def declaration(self, version: str = "", options: Mapping[str, Any] = {}) -> Declaration:
        """What Airflow can do."""
        mode = chosen(options)
        refused = dict(_REFUSED)
        if mode != KUBERNETES:
            refused |= _NEEDS_PODS
        if mode == PROCESS:
            refused |= _NEEDS_CONTAINERS
        if mode == KUBERNETES and not files_in(options)[1]:
            refused |= dict.fromkeys(("files", "folders", "stored_files", "stored_outputs"), _NEEDS_FILES)
        version = version or VERSIONS[0]
        if not is_newest(version):
            refused |= _OF_AIRFLOW_3
        lowered = _LOWERED if mode == KUBERNETES else {**_LOWERED, **_ON_ONE_MACHINE}
        native = frozenset(feature for feature in FEATURES if feature not in refused and feature not in lowered)
        return Declaration("airflow", version, native, lowered, refused, _limit(options))

    def compile(self, workflow: Workflow, version: str = "", options: Mapping[str, Any] = {}) -> Emitted:
        """The DAG file, and the folder that must lie beside it.

        Args:
            workflow: The workflow, with native features only.
            version: Version of Airflow; the newest when empty.
            options: ``airflow_containers`` (what steps run in: ``process``, a process of the worker; ``kubernetes``,
                a pod; or ``docker``, a container), ``artifacts`` (URL of the folder for files between steps; pods
                need ``claim://NAME/PATH``, a claim that workers mount at the path),
                ``python`` (interpreter of functions in processes; that of the worker when empty), ``max_value`` (bytes
                of JSON that one value may have), ``image`` (for functions and scripts that name none), ``namespace``
                and ``service_account`` (of pods).

        Raises:
            InvalidWorkflowError: Options for Airflow are none that Airflow has.
            EngineError: Airflow cannot say what the workflow says.
        """
        mode, version = chosen(options), version or VERSIONS[0]
        check_options(workflow, mode)
        sources = Sources()
        name = dag_name(workflow.name)
        package = f"{name.replace('-', '_')}_parts"
        if package[0].isdigit():
            package = f"_{package}"
        given = {
            "version": version,
            "containers": mode,
            "defaults": of_run(workflow, mode, options),
            "of_dag": of_dag(workflow, mode)[0],
            "of_tasks": of_dag(workflow, mode)[1],
            "store": files_in(options)[0],
            "python": options.get("python"),
            "limit": _limit(options) if _limit(options) != LIMIT else None,
        }
        written = DagFile(workflow, package, sources, given).text()
        documents = {f"{name}.py": written}
        documents |= {f"{package}/{file}": text for file, text in shipped(mode, version).items()}
        if any(url.startswith("git+") for url in declared(workflow)):
            documents[f"{package}/git.py"] = _git()
        documents |= {f"{package}/sources/{file}": text for file, text in sources.files.items()}
        documents[f"{package}/.airflowignore"] = "*\n"
        said = (*on_other_options(workflow, self.name), *notes(workflow, mode))
        return Emitted(documents, said, (*problems(workflow, version), *of_containers(workflow, mode)))

    def engine(self, options: Mapping[str, Any]) -> Engine:
        """The engine, with its server."""
        from couler.backends.airflow.client.engine import AirflowEngine

        return AirflowEngine(**options)


def _limit(options: Mapping[str, Any]) -> int:
    """Bytes of JSON that one value may have."""
    usual = LIMIT_OF_PODS if chosen(options) == KUBERNETES else LIMIT
    return min(options.get("max_value") or usual, usual)


def _git() -> str:
    """The module that checks repositories out, which then knows nothing of couler."""
    text = files("couler.backends.local").joinpath("git.py").read_text(encoding="utf-8")
    text = text.replace("from couler.artifacts.place import shown\n", "")
    return text.replace("from couler.core.errors import ArtifactError", "from .outside import ArtifactError, shown")


def shipped(mode: str = PROCESS, version: str = VERSIONS[0]) -> dict[str, str]:
    """The modules that a DAG file needs, which then know nothing of couler."""
    folder = files("couler.backends.airflow.shipped")
    found = {name: (folder / name).read_text(encoding="utf-8") for name in (*SHIPPED, *MODULES[mode])}
    if not is_newest(version):
        found["version.py"] = (folder / "version_2.py").read_text(encoding="utf-8")
    ran = ("function.py", "value_types.py", *(["container.py"] if mode != PROCESS else []))
    found |= {name: (files("couler.runner") / name).read_text(encoding="utf-8") for name in ran}
    found = {name: text.replace("from couler.runner.", "from .") for name, text in found.items()}
    if mode != PROCESS:
        found["runner.txt"] = runner() + "\n"
    return found
