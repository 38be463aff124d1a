"""The files of a workflow as a submission needs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couler.backends.airflow.backend import AirflowBackend
from couler.backends.airflow.containers import KUBERNETES, chosen, files_in
from couler.backends.airflow.names import is_newest
from couler.core.errors import ConfigError, EngineError, EngineLimitError
from couler.core.ir.features import features_of
from couler.core.ir.model import Workflow


def documents_of(workflow: Workflow, options: Mapping[str, Any]) -> Mapping[str, str]:
    """The DAG file and what lies beside it; it runs when it is triggered, whatever its schedule.

    Raises:
        EngineError: It cannot be compiled, or Airflow could not finish it.
        ConfigError: It has files, and there is no place for them.
    """
    version = str(options.get("version") or "")
    if version and not is_newest(version):
        raise EngineError(
            f"couler starts runs on Airflow 3, and not on {version}",
            f"`couler compile --engine airflow@{version} --output DAGS_FOLDER` writes the files",
        )
    artifacts = _artifacts(options)
    if not artifacts and "files" in features_of(workflow):
        raise ConfigError(
            f"workflow '{workflow.name}' has files, and there is no place where all workers reach them",
            "couler config set artifacts s3://BUCKET/FOLDER, or a folder that they share",
        )
    unscheduled = workflow.model_copy(update={"schedule": None})
    made = AirflowBackend().compile(unscheduled, version, {**options, "artifacts": artifacts})
    if made.problems:
        raise EngineLimitError(workflow.name, "airflow", made.problems)
    return made.documents


def store_of(options: Mapping[str, Any]) -> str:
    """URL of the folder for files between steps, as workers see it; empty when there is none.

    >>> store_of({"dags": "/srv/dags"}), store_of({"artifacts": "s3://bucket/files"})
    ('file:///srv/couler-files', 's3://bucket/files')
    """
    return files_in({"artifacts": _artifacts(options)})[0]


def _artifacts(options: Mapping[str, Any]) -> str:
    """The setting; without it a folder beside the DAGs folder, which processes of workers reach and pods do not."""
    if options.get("artifacts") or not options.get("dags") or chosen(options) == KUBERNETES:
        return str(options.get("artifacts") or "")
    return (Path(options["dags"]).parent / "couler-files").as_uri()
