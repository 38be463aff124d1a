"""Apache Airflow as couler knows it: what it can do, and its DAG files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from couler.backends.airflow.dag import DagFile
from couler.backends.airflow.names import dag_name
from couler.backends.airflow.sources import Sources
from couler.backends.base import Declaration, Emitted
from couler.core.errors import EngineError
from couler.core.ir.features import FEATURES
from couler.core.ir.model import Workflow

if TYPE_CHECKING:
    from couler.backends.base import Engine

VERSIONS = ("3.3",)

_LOWERED = {
    "cache": "drop_cache",
    "placement": "drop_placement",
    "service_account": "drop_service_accounts",
}

_REFUSED = {
    "job": "Airflow's tasks run on its workers here; create the object in a function",
    "job_conditions": "Airflow's tasks run on its workers here; wait for the object in a function",
    "map_in_map": "Airflow cannot map inside a map; map over one list of pairs",
    "suspend_timeout": "leave the limit out, or set one for the whole workflow",
    "group_timeout": "Airflow limits the time of tasks and of whole runs; set the limit on the steps inside",
    "sidecars": "workers run one process for each step",
    "daemon": "workers run one process for each step, which must end",
    "volumes": "steps run as processes of a worker; use paths of the worker",
    "gpu": "steps run as processes of a worker; choose the worker by a queue",
    "retry_escalation": "steps run as processes of a worker, which have no memory of their own",
    "stored_files": "read from the URL in the step itself",
    "stored_outputs": "write to the URL in the step itself",
    "engine_options": "options for Airflow are not taken yet",
}

SHIPPED = ("__init__.py", "files.py", "processes.py", "steps.py", "values.py")
LIMIT = 1 << 20


class AirflowBackend:
    """Compiles workflows to DAG files."""

    name = "airflow"
    versions = VERSIONS

    def declaration(self, version: str = "", options: Mapping[str, Any] = {}) -> Declaration:
        """What Airflow can do."""
        native = frozenset(feature for feature in FEATURES if feature not in _REFUSED and feature not in _LOWERED)
        limit = options.get("max_value") or LIMIT
        return Declaration("airflow", version or VERSIONS[0], native, _LOWERED, _REFUSED, limit)

    def compile(self, workflow: Workflow, version: str = "", options: Mapping[str, Any] = {}) -> Emitted:
        """The DAG file, and the folder that must lie beside it.

        Args:
            workflow: The workflow, with native features only.
            version: Version of Airflow; the newest when empty.
            options: ``store`` (URL of the folder for files between steps), ``python`` (interpreter of functions; that
                of the worker when empty) and ``max_value`` (bytes of JSON that one value may have).
        """
        sources = Sources()
        name = dag_name(workflow.name)
        package = f"{name.replace('-', '_')}_parts"
        if package[0].isdigit():
            package = f"_{package}"
        given = {"store": options.get("store"), "python": options.get("python"), "limit": options.get("max_value")}
        written = DagFile(workflow, package, sources, given).text()
        documents = {f"{name}.py": written}
        documents |= {f"{package}/{file}": text for file, text in shipped().items()}
        documents |= {f"{package}/sources/{file}": text for file, text in sources.files.items()}
        documents[f"{package}/.airflowignore"] = "*\n"
        return Emitted(documents)

    def engine(self, options: Mapping[str, Any]) -> Engine:
        """Not to be had yet: put the files where Airflow reads them.

        Raises:
            EngineError: Always.
        """
        raise EngineError("couler starts no runs on Airflow yet", "compile, and put the files into the DAGs folder")


def shipped() -> dict[str, str]:
    """The modules that a DAG file needs, which then know nothing of couler."""
    folder = files("couler.backends.airflow.shipped")
    found = {name: (folder / name).read_text(encoding="utf-8") for name in SHIPPED}
    found = {name: text.replace("from couler.runner.", "from .") for name, text in found.items()}
    for name in ("function.py", "value_types.py"):
        found[name] = (files("couler.runner") / name).read_text(encoding="utf-8")
    return found
