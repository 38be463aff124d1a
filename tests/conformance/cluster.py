"""Runs cases with Argo on a real cluster of this machine, through the engine that users have."""

from __future__ import annotations

import base64
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import couler
from couler.backends import registry
from couler.core.ir.model import ContainerTask, FunctionTask, ScriptTask, Step, Workflow
from couler.core.ir.parameters import complete
from couler.core.passes.each_step import each_step
from couler.driver.prepare import prepare
from couler.runs import open_store
from tests.conformance.case import LEDGER, Case
from tests.conformance.local import Decisions, outcome_of
from tests.conformance.outcome import Outcome
from tests.engines.argo import cluster, installation
from tests.engines.kubernetes import records
from tests.engines.kubernetes.api import Api

NAMESPACE = "conformance"
ACCOUNTS = ("couler-steps", "couler-step")
HOST_FOLDER = "/tmp/couler-conformance-ledgers"
MOUNTED = "/ledger"


class OnCluster:
    """Runs cases in one namespace; several at a time, from threads."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._api = Api(kubeconfig)

    def prepare(self) -> None:
        """Make the accounts that cases name, with the rights of steps."""
        for name in ACCOUNTS:
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
            self._api.apply(account, NAMESPACE)
            for role in (installation.STEP_RIGHTS["metadata"]["name"], "edit"):
                self._api.apply(_binding(role, name), NAMESPACE)

    def __call__(self, case: Case, root: Path) -> Outcome:
        """Run a case and tell what came of it."""
        self._keep_secrets(case)
        folder = root / "cluster" / case.name
        folder.mkdir(parents=True)
        ledger = f"{HOST_FOLDER}/{uuid.uuid4().hex}"
        workflow = with_ledger(case.workflow(), ledger) if case.uses_ledger else case.workflow()
        given = {**case.parameters, **({LEDGER: MOUNTED} if case.uses_ledger else {})}
        store = open_store(None, folder)
        options = {"root": folder, "store": store, "kubeconfig": str(self._kubeconfig), "namespace": NAMESPACE}
        engine = registry.backend("argo")[0].engine(options)
        run_id = engine.start(prepare(workflow, "argo", {}).workflow, complete(workflow, given))
        engine.execute(run_id, "new", Decisions(case, engine))
        return outcome_of(couler.get_run(run_id, root=folder, kubeconfig=str(self._kubeconfig), namespace=NAMESPACE))

    def _keep_secrets(self, case: Case) -> None:
        by_name: dict[str, dict[str, str]] = {}
        for (name, key), value in case.secrets.items():
            by_name.setdefault(name, {})[key] = base64.b64encode(value.encode()).decode()
        for name, data in by_name.items():
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
            self._api.apply(secret, NAMESPACE)


def _binding(role: str, account: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{role}-{account}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
    }


def with_ledger(workflow: Workflow, folder: str) -> Workflow:
    """The workflow with a folder of the node mounted into every step that runs something."""
    volume = {"name": "ledger", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}}
    mount = {"name": "ledger", "mountPath": MOUNTED}
    options = {"argo": {"volumes": [volume], "container": {"volumeMounts": [mount]}}}

    def change(step: Step) -> dict[str, Any]:
        runs = isinstance(step.task, (FunctionTask, ScriptTask, ContainerTask))
        return {"engine_options": options} if runs else {}

    return each_step(workflow, change)


@contextmanager
def opened() -> Iterator[OnCluster]:
    """The cluster that ``COULER_CONFORMANCE_CLUSTER`` names (a kubeconfig of one that runs), or one of its own."""
    named = os.environ.get("COULER_CONFORMANCE_CLUSTER")
    if named:
        record = next(one for one in records.found() if str(one.kubeconfig) == named)
        place = OnCluster(Path(record.kubeconfig))
        place.prepare()
        yield place
        return
    with cluster.running() as made:
        made.prepare_namespace(NAMESPACE)
        place = OnCluster(made.kubeconfig)
        place.prepare()
        yield place
