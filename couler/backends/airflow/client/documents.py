"""The files of a workflow as a submission needs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couler.backends.airflow.backend import AirflowBackend
from couler.core.errors import ConfigError
from couler.core.ir.features import features_of
from couler.core.ir.model import Workflow


def documents_of(workflow: Workflow, options: Mapping[str, Any]) -> Mapping[str, str]:
    """The DAG file and what lies beside it; it runs when it is triggered, whatever its schedule.

    Raises:
        EngineError: It cannot be compiled, or Airflow could not finish it.
        ConfigError: It has files, and there is no place for them.
    """
    store = store_of(options)
    if not store and "files" in features_of(workflow):
        raise ConfigError(
            f"workflow '{workflow.name}' has files, and there is no place where all workers reach them",
            "couler config set artifacts s3://BUCKET/FOLDER, or a folder that they share",
        )
    unscheduled = workflow.model_copy(update={"schedule": None})
    return (
        AirflowBackend().compile(unscheduled, options.get("version") or "", {**options, "artifacts": store}).documents
    )


def store_of(options: Mapping[str, Any]) -> str:
    """URL of the folder for files between steps; empty when there is none."""
    artifacts = str(options.get("artifacts") or "")
    if artifacts:
        return artifacts if "://" in artifacts else Path(artifacts).absolute().as_uri()
    return (Path(options["dags"]).parent / "couler-files").as_uri() if options.get("dags") else ""
