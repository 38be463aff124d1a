"""Upstream's settings of a workflow and of all workflows, and its secrets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from couler.core.dsl import workflows
from couler.core.errors import DefinitionError, near
from couler.core.templates.secret import Secret
from couler.core.upstream.differences import notice, refusal
from couler.core.upstream.state import add_argo_options, change_defaults, current_scope, defaults, of_pods

CLUSTER_CONFIG = "couler_cluster_config"
"""The environment variable that named a file for `config_workflow(cluster_config_file=…)`."""


def config_defaults(name_salter: Callable[[str], str] | None = None, service_account: str | None = None) -> None:
    """Settings for all workflows that this thread or task declares from now on.

    Args:
        name_salter: From the name given to `config_workflow` to the name of the workflow.
        service_account: For workflows that name none.
    """
    changes: dict[str, Any] = {}
    if name_salter is not None:
        changes["name_salter"] = name_salter
    if service_account is not None:
        changes["service_account"] = service_account
    change_defaults(**changes)


def config_workflow(
    name: str | None = None,
    user_id: str | None = None,
    timeout: float | None = None,
    time_to_clean: float | None = None,
    cluster_config_file: str | None = None,
    cron_config: Mapping[str, Any] | None = None,
    service_account: str | None = None,
) -> None:
    """Set properties of the workflow.

    Args:
        name: Name of the workflow.
        user_id: Written as the label ``user``.
        timeout: Seconds for the whole run.
        time_to_clean: Seconds after which Argo removes an ended workflow.
        cluster_config_file: Refused.
        cron_config: ``schedule``, and optionally ``timezone``, ``concurrency_policy``, ``suspend``,
            ``starting_deadline_seconds``, ``successful_jobs_history_limit`` and ``failed_jobs_history_limit``.
        service_account: For all pods.

    Raises:
        DefinitionError: A setting is unknown or cannot be kept.
    """
    refuse_cluster_config(cluster_config_file)
    scope = current_scope()
    chosen = defaults()
    account = service_account if service_account is not None else chosen.service_account or None
    salted = chosen.name_salter(name) if name is not None and chosen.name_salter is not None else name
    cron = None if cron_config is None else _cron(cron_config)
    workflows.config_workflow(salted, user_id=user_id, timeout=timeout, service_account=account, cron_config=cron)
    if time_to_clean is not None:
        add_argo_options(scope, {"ttlStrategy": {"secondsAfterCompletion": int(time_to_clean)}})
    if cron_config is not None:
        limits = {argo: cron_config[key] for key, argo in _LIMITS.items() if key in cron_config}
        if limits:
            add_argo_options(scope, {"cronWorkflow": limits})


def refuse_cluster_config(file: str | None = None) -> None:
    """Raise DefinitionError when a cluster configuration file is asked for, by argument or environment."""
    if file or os.environ.get(CLUSTER_CONFIG):
        raise refusal("cluster-config", f"the file {file or os.environ[CLUSTER_CONFIG]}")


_LIMITS = {
    "successful_jobs_history_limit": "successfulJobsHistoryLimit",
    "failed_jobs_history_limit": "failedJobsHistoryLimit",
}
_CRON = ("schedule", "timezone", "concurrency_policy", "suspend", "starting_deadline_seconds", *_LIMITS)


def _cron(given: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(given, Mapping) or "schedule" not in given:
        raise DefinitionError("cron_config has no schedule", 'cron_config={"schedule": "0 3 * * *"}')
    if unknown := [key for key in given if key not in _CRON]:
        raise DefinitionError(f"cron_config: unknown key '{unknown[0]}'", near(unknown[0], _CRON, "keys"))
    if "timezone" not in given:
        notice("cron-timezone", "cron_config")
    return {
        "schedule": given["schedule"],
        "timezone": given.get("timezone", "Asia/Shanghai"),
        "concurrency_policy": given.get("concurrency_policy", "Allow"),
        "suspend": str(given.get("suspend", False)).lower() == "true",
        "starting_deadline": given.get("starting_deadline_seconds", 10),
    }


# --- secrets ----------------------------------------------------------------------------------------------------


def obtain_secret(
    secret_keys: Iterable[str], namespace: str = "default", name: str | None = None, dry_run: bool = False
) -> str:
    """Make keys of a secret of the cluster usable by steps; returns the name for their ``secret=``.

    Raises:
        DefinitionError: There is no name, or no key.
    """
    return create_secret(dict.fromkeys(secret_keys, ""), namespace, name, dry_run, use_existing=True)


def create_secret(
    secret_data: Mapping[str, str],
    namespace: str = "default",
    name: str | None = None,
    dry_run: bool = False,
    use_existing: bool = False,
    artifact_secret: bool = False,
) -> str:
    """As `obtain_secret`; values are refused, and the error says how to create the secret.

    Raises:
        DefinitionError: There is a value, or no name.
    """
    secret = Secret(namespace, secret_data, name, dry_run, use_existing, artifact_secret)
    if namespace != "default":
        notice("secret-namespace", f"secret '{secret.name}' of namespace '{namespace}'")
    of_pods(current_scope()).secrets[secret.name] = secret
    return secret.name


def get_secret(name: str) -> Secret | None:
    """A secret that was obtained, by its name."""
    return of_pods(current_scope()).secrets.get(name)
