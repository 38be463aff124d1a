"""Writes the committed list of Argo's fields, from the full CRDs: ``python -m tests.engines.argo.write_fields``.

Equal objects become one type; a type is called after the field where it is first met, unless it has a name below.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from couler.backends.argo import schema as product
from tests.engines.argo import schema as crds

NAMES = {
    "templateDefaults": "Template",
    "tasks[]": "DAGTask",
    "steps[]": "WorkflowStep",
    "artifacts[]": "Artifact",
    "parameters[]": "Parameter",
    "dag": "DAGTemplate",
    "resource": "ResourceTemplate",
    "script": "ScriptTemplate",
    "container": "Container",
    "initContainers[]": "UserContainer",
    "containerSet": "ContainerSetTemplate",
    "containers[]": "ContainerNode",
    "suspend": "SuspendTemplate",
    "http": "HTTPArtifact",
    "mutexes[]": "Mutex",
    "sources[]": "VolumeProjection",
    "hostAliases[]": "HostAlias",
    "prometheus[]": "Prometheus",
    "data": "Data",
    "hooks{}": "LifecycleHook",
    "volumes[]": "Volume",
    "env[]": "EnvVar",
    "resources": "ResourceRequirements",
    "memoize": "Memoize",
}
"""Where a type is met to its name in Argo's or Kubernetes' documentation."""

SINCE = {
    "4.1": {
        "WorkflowSpec": "executorPlugins podResources resourceClaims",
        "Template": "pendingTimeout podResources resourceClaims",
        "Container": "restartPolicyRules",
        "UserContainer": "restartPolicyRules",
        "ContainerNode": "restartPolicyRules",
        "ScriptTemplate": "restartPolicyRules",
        "S3": "addressingStyle",
        "HTTPArtifact": "saveStreamViaFile",
        "ValueFrom2": "fileKeyRef",
        "VolumeProjection": "podCertificate",
    },
    "4.0": {"Artifact": "plugin", "ArchiveLocation": "plugin"},
    "3.7": {"Template": "annotations", "Backoff": "cap", "Lifecycle": "stopSignal", "Mutex": "database"},
}
"""Fields that older versions of Argo do not have: the full CRDs of 3.6.15, 3.7.18, 4.0.7 and 4.1.2 compared."""

TEXTS = "{string}"
METADATA = {
    "annotations": TEXTS,
    "finalizers": "[string]",
    "generateName": "string",
    "labels": TEXTS,
    "name": "string",
    "namespace": "string",
    "ownerReferences": "[object]",
}
POD = {
    "activeDeadlineSeconds": "integer", "affinity": "Affinity", "automountServiceAccountToken": "boolean",
    "containers": "[UserContainer]", "dnsConfig": "DnsConfig", "dnsPolicy": "string", "enableServiceLinks": "boolean",
    "ephemeralContainers": "[object]", "hostAliases": "[HostAlias]", "hostIPC": "boolean", "hostNetwork": "boolean",
    "hostPID": "boolean", "hostUsers": "boolean", "hostname": "string", "hostnameOverride": "string",
    "imagePullSecrets": "[ImagePullSecret]", "initContainers": "[UserContainer]", "nodeName": "string",
    "nodeSelector": TEXTS, "os": "object", "overhead": "{int-or-string}", "preemptionPolicy": "string",
    "priority": "integer", "priorityClassName": "string", "readinessGates": "[object]", "resourceClaims": "[object]",
    "resources": "ResourceRequirements", "restartPolicy": "string", "runtimeClassName": "string",
    "schedulerName": "string", "schedulingGates": "[object]", "securityContext": "PodSecurityContext",
    "serviceAccount": "string", "serviceAccountName": "string", "setHostnameAsFQDN": "boolean",
    "shareProcessNamespace": "boolean", "subdomain": "string", "terminationGracePeriodSeconds": "integer",
    "tolerations": "[Toleration]", "topologySpreadConstraints": "[object]", "volumes": "[Volume]",
}  # fmt: skip
"""A pod's specification (Kubernetes 1.34), which Argo only knows as a patch in text."""


class Types:
    """Types found so far: name to fields, and the name of each set of fields."""

    def __init__(self) -> None:
        self.fields: dict[str, dict[str, str]] = {}
        self._names: dict[str, str] = {}

    def of(self, schema: dict[str, Any], place: str) -> str:
        """The type of a schema, and of all below it."""
        if place == "inline":
            return "Template"
        if place == "withItems":
            return "[any]"
        if schema.get("x-kubernetes-int-or-string"):
            return "int-or-string"
        match schema.get("type"):
            case "array":
                return f"[{self.of(schema['items'], f'{place}[]')}]"
            case "object":
                return self._object(schema, place)
            case "string" if "enum" in schema:
                return "=" + "|".join(schema["enum"])
            case None:
                return "any"
            case plain:
                return str(plain)

    def _object(self, schema: dict[str, Any], place: str) -> str:
        if "additionalProperties" in schema:
            return f"{{{self.of(schema['additionalProperties'], f'{place}{{}}')}}}"
        if "properties" not in schema:
            return "object" if schema.get("x-kubernetes-preserve-unknown-fields") or place == "metadata" else "empty"
        fields = {name: self.of(child, name) for name, child in sorted(schema["properties"].items())}
        identity = json.dumps(fields)
        if identity not in self._names:
            self._names[identity] = self._new_name(place)
            self.fields[self._names[identity]] = fields
        return self._names[identity]

    def _new_name(self, place: str) -> str:
        plain = place.replace("[]", "").replace("{}", "")
        single = plain.removesuffix("s") if place.endswith("[]") else plain
        for name in (NAMES.get(place.replace("[][]", "[]")), single[0].upper() + single[1:]):
            if name and name not in self.fields:
                return name
        return next(f"{name}{number}" for number in range(2, 99) if f"{name}{number}" not in self.fields)


def fields() -> dict[str, dict[str, str]]:
    """Every type by name: field to its type, with ``@`` and a version where older ones do not have it."""
    types = Types()
    spec = types.of(crds.schema("Workflow")["properties"]["spec"], "workflowSpec")
    cron = types.of(crds.schema("CronWorkflow")["properties"]["spec"], "cronWorkflowSpec")
    pod_security = types.fields[spec]["securityContext"]
    found = types.fields | {"ObjectMeta": METADATA, "PodSpec": POD | {"securityContext": pod_security}}
    for kind, of in (("Workflow", spec), ("CronWorkflow", cron)):
        found[kind] = {"apiVersion": "string", "kind": "string", "metadata": "ObjectMeta", "spec": of}
    found["WorkflowTemplate"] = found["ClusterWorkflowTemplate"] = found["Workflow"]
    for version, owners in SINCE.items():
        for owner, names in owners.items():
            found[owner] = found[owner] | {name: f"{found[owner][name]}@{version}" for name in names.split()}
    return dict(sorted(found.items()))


def text() -> str:
    """The file: one type a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(found, sort_keys=True)}" for name, found in fields().items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    Path(product.__file__).with_name("fields.json").write_text(text())
