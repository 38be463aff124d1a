"""A small workflow for every field of Argo's templates and specs: the words of couler, or the option, that reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from couler.core.ir.model import (
    CachePolicy,
    Constant,
    ContainerTask,
    Escalation,
    ExitHandler,
    ForEach,
    FunctionTask,
    Input,
    ItemRef,
    JobPredicate,
    JobTask,
    Output,
    Parameter,
    Resources,
    Retry,
    Sidecar,
    Step,
    SuspendTask,
    Toleration,
    Volume,
    Workflow,
)

OPTIONS: Final = "options"
IMAGE: Final = "python:3.11-slim"
_AFFINITY: Final = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
    {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "train"}}}]}}  # fmt: skip
_GAUGE: Final = {"name": "seconds", "help": "How long it took"}
_METRICS: Final = {"prometheus": [{**_GAUGE, "gauge": {"realtime": False, "value": "{{duration}}"}}]}
_RUN_METRICS: Final = {"prometheus": [{**_GAUGE, "gauge": {"realtime": False, "value": "{{workflow.duration}}"}}]}
_LOCKS: Final = {"mutexes": [{"name": "one-at-a-time"}]}
_HOSTS: Final = [{"ip": "10.0.0.1", "hostnames": ["registry.local"]}]
_CLAIMS: Final = [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]
_MEMORY: Final = {"limits": {"memory": "1Gi"}}


@dataclass(frozen=True)
class Way:
    """How a field is reached.

    Attributes:
        words: What one writes in couler; ``options`` for an entry of ``engine_options``.
        step: Attributes of the only step, besides its name.
        workflow: Attributes of the workflow.
        kind: Kind of the object.
    """

    words: str
    step: Mapping[str, Any] = field(default_factory=dict)
    workflow: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "Workflow"

    def made(self) -> Workflow:
        """The workflow that has the field."""
        return Workflow(**{"name": "reach", "steps": (_step(**self.step),), **self.workflow})


def _step(**attributes: Any) -> Step:
    return Step(**{"name": "train", "task": ContainerTask(image=IMAGE, command=(_text("true"),)), **attributes})


def _text(text: str) -> Constant:
    return Constant(value=text)


def _option(**fields: Any) -> Way:
    return Way(OPTIONS, step={"engine_options": {"argo": fields}})


def _spec(**fields: Any) -> Way:
    return Way(OPTIONS, workflow={"engine_options": {"argo": fields}})


_PLAIN: Final = FunctionTask(source="def go():\n    pass\n", entry="go")
_FUNCTION: Final = FunctionTask(source="def train(x):\n    return x\n", entry="train")
_POD: Final = {"spec": {"containers": [{"name": "main", "image": IMAGE}], "restartPolicy": "Never"}}
_JOB: Final = JobTask(
    manifest={
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "train-"},
        "spec": {"template": _POD},
    },
    success=(JobPredicate(field="status.succeeded", value=1),),
)

TEMPLATE: Final[Mapping[str, Way]] = {
    "activeDeadlineSeconds": Way("`timeout`", {"timeout": 1.5}),
    "affinity": Way("`resources`: `affinity`", {"resources": Resources(affinity=_AFFINITY)}),
    "annotations": Way("`description`", {"description": "Trains a model"}),
    "archiveLocation": _option(archiveLocation={"archiveLogs": True}),
    "automountServiceAccountToken": _option(automountServiceAccountToken=False),
    "container": Way("`run_container`"),
    "containerSet": _option(
        containerSet={"containers": [{"name": "main", "image": IMAGE, "command": ["true"]}]}
    ),
    "daemon": Way("`daemon`", {"daemon": True}),
    "dag": Way("the workflow, groups, maps and loops"),
    "data": _option(
        data={"source": {"artifactPaths": {"name": "files", "s3": {"bucket": "data", "key": "in/"}}},
              "transformation": [{"expression": "filter(data, {# endsWith '.csv'})"}]}
    ),
    "executor": _option(executor={"serviceAccountName": "executor"}),
    "failFast": Way("`on_failure`", workflow={"steps": tuple(_step(name=name, task=_PLAIN) for name in "ab")}),
    "hostAliases": _option(hostAliases=_HOSTS),
    "http": _option(http={"url": "https://example.org", "method": "GET"}),
    "initContainers": _option(initContainers=[{"name": "prepare", "image": IMAGE, "command": ["true"]}]),
    "inputs": Way(
        "inputs of a step", {"task": _FUNCTION, "inputs": (Input(name="x", value=Constant(value=1)),)}
    ),
    "memoize": Way("`cache`", {"cache": CachePolicy(max_age=3600)}),
    "metadata": Way("`labels`", {"labels": {"team": "vision"}}),
    "metrics": _option(metrics=_METRICS),
    "name": Way("`name`"),
    "nodeSelector": Way("`resources`: `node_selector`", {"resources": Resources(node_selector={"pool": "gpu"})}),
    "outputs": Way("outputs of a step", {"outputs": (Output(name="rate", path="/tmp/rate"),)}),
    "parallelism": Way("`parallelism` of a map", {
        "task": _FUNCTION,
        "inputs": (Input(name="x", value=ItemRef()),),
        "foreach": ForEach(lists={"item": Constant(value=[1, 2])}, parallelism=1),
    }),
    "pendingTimeout": _option(pendingTimeout="5m"),
    "plugin": _option(plugin={"hello": {}}),
    "podResources": _option(podResources=_MEMORY),
    "podSpecPatch": Way("`retry`: `escalation`", {
        "resources": Resources(memory="1Gi"), "retry": Retry(limit=2, escalation=Escalation())
    }),
    "priorityClassName": Way("`resources`: `priority`", {"resources": Resources(priority="high")}),
    "resource": Way("`run_job`", {"task": _JOB}),
    "resourceClaims": _option(resourceClaims=_CLAIMS),
    "retryStrategy": Way("`retry`", {"retry": Retry(limit=2)}),
    "schedulerName": _option(schedulerName="volcano"),
    "script": Way("functions and `run_script`", {"task": _FUNCTION, "inputs": (Input(name="x", value=_text("")),)}),
    "securityContext": _option(securityContext={"runAsNonRoot": True}),
    "serviceAccountName": Way("`service_account`", {"service_account": "trainer"}),
    "sidecars": Way("`sidecars`", {"sidecars": (Sidecar(name="proxy", image=IMAGE, command=("sleep", "9")),)}),
    "steps": _option(steps=[[{"name": "one", "inline": {"suspend": {"duration": "1s"}}}]]),
    "suspend": Way("`suspend`", {"task": SuspendTask(duration=1)}),
    "synchronization": _option(synchronization=_LOCKS),
    "timeout": _option(timeout="10m"),
    "tolerations": Way(
        "`resources`: `tolerations`", {"resources": Resources(tolerations=(Toleration(key="gpu", operator="Exists"),))}
    ),
    "volumes": Way("`volumes`", {"volumes": (Volume(path="/scratch", source="empty"),)}),
}  # fmt: skip
"""Field of a template to how it is reached."""

SPEC: Final[Mapping[str, Way]] = {
    "activeDeadlineSeconds": Way("`timeout`", workflow={"timeout": 60}),
    "affinity": _spec(affinity=_AFFINITY),
    "archiveLogs": _spec(archiveLogs=True),
    "arguments": Way("parameters", workflow={"parameters": (Parameter(name="rate", default=Constant(value=0.1)),)}),
    "artifactGC": _spec(artifactGC={"strategy": "OnWorkflowDeletion"}),
    "artifactRepositoryRef": _spec(artifactRepositoryRef={"configMap": "repositories", "key": "team"}),
    "automountServiceAccountToken": _spec(automountServiceAccountToken=False),
    "dnsConfig": _spec(dnsConfig={"nameservers": ["10.0.0.2"]}),
    "dnsPolicy": _spec(dnsPolicy="None", dnsConfig={"nameservers": ["10.0.0.2"]}),
    "entrypoint": Way("the workflow"),
    "executor": _spec(executor={"serviceAccountName": "executor"}),
    "executorPlugins": _spec(executorPlugins=[
        {"metadata": {"name": "hello"}, "spec": {"sidecar": {"container": {"name": "hello", "image": IMAGE}}}}
    ]),
    "hooks": _spec(
        hooks={"running": {"expression": "workflow.status == 'Running'", "template": "notice"}},
        templates=[{"name": "notice", "suspend": {"duration": "1s"}}],
    ),
    "hostAliases": _spec(hostAliases=_HOSTS),
    "hostNetwork": _spec(hostNetwork=True),
    "imagePullSecrets": _spec(imagePullSecrets=[{"name": "registry"}]),
    "metrics": _spec(metrics=_RUN_METRICS),
    "nodeSelector": _spec(nodeSelector={"pool": "gpu"}),
    "onExit": Way("`on_exit`", workflow={"exit_handlers": (ExitHandler(step=_step(name="tidy")),)}),
    "parallelism": Way("`parallelism`", workflow={"parallelism": 4}),
    "podDisruptionBudget": _spec(podDisruptionBudget={"minAvailable": 1}),
    "podGC": _spec(podGC={"strategy": "OnPodSuccess"}),
    "podMetadata": _spec(podMetadata={"labels": {"team": "vision"}}),
    "podPriorityClassName": _spec(podPriorityClassName="high"),
    "podResources": _spec(podResources=_MEMORY),
    "podSpecPatch": Way("functions", {"task": _FUNCTION, "inputs": (Input(name="x", value=_text("")),)}),
    "priority": _spec(priority=5),
    "resourceClaims": _spec(resourceClaims=_CLAIMS),
    "retryStrategy": _spec(retryStrategy={"limit": "1"}),
    "schedulerName": _spec(schedulerName="volcano"),
    "securityContext": _spec(securityContext={"runAsNonRoot": True}),
    "serviceAccountName": Way("`service_account`", workflow={"service_account": "trainer"}),
    "shutdown": _spec(shutdown="Stop"),
    "suspend": _spec(suspend=True),
    "synchronization": _spec(synchronization=_LOCKS),
    "templateDefaults": _spec(templateDefaults={"archiveLocation": {"archiveLogs": True}}),
    "templates": Way("steps"),
    "tolerations": _spec(tolerations=[{"key": "gpu", "operator": "Exists"}]),
    "ttlStrategy": _spec(ttlStrategy={"secondsAfterCompletion": 3600}),
    "volumeClaimGC": _spec(volumeClaimGC={"strategy": "OnWorkflowCompletion"}),
    "volumeClaimTemplates": Way(
        "`volumes`: `new_claim`", {"volumes": (Volume(path="/data", name="work", source="new_claim", size="1Gi"),)}
    ),
    "volumes": _spec(volumes=[{"name": "shared", "emptyDir": {}}]),
    "workflowMetadata": Way("`labels`, in templates", workflow={"labels": {"team": "vision"}}, kind="WorkflowTemplate"),
    "workflowTemplateRef": _spec(workflowTemplateRef={"name": "training"}),
}  # fmt: skip
"""Field of a spec to how it is reached."""
