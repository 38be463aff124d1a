"""What programs of upstream Couler meet here that is different: one table, from which errors, notices and docs come."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Literal

from couler.core.dsl.location import caller_frame
from couler.core.errors import DefinitionError

Kind = Literal["refused", "notice", "different", "no effect"]


class UpstreamNotice(UserWarning):
    """Something that upstream Couler took has less effect here, or another one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One row of the table.

    Attributes:
        construct: As it stands in a program.
        kind: ``refused`` is an error when the program runs, ``notice`` a warning; the others change nothing in it.
        here: What happens here, and why.
        instead: What to write instead; an error fills words in braces.
    """

    construct: str
    kind: Kind
    here: str
    instead: str = ""

    def told(self, what: str) -> str:
        """The row as a message about one place in a program."""
        return f"{what}: {self.construct}: {self.here}".replace("`", "")


DIFFERENCES: dict[str, Difference] = {
    "secret-values": Difference(
        "`create_secret({key: value})`, `Secret(data=…)`",
        "refused",
        "values of secrets must not stand in a program: they end up in version control, logs and the cluster's objects",
        "kubectl create secret generic {name} {literals}, and then obtain_secret({keys}, name='{name}')",
    ),
    "secret-name": Difference(
        "`obtain_secret(keys)` without `name`",
        "refused",
        "upstream made a name from a hash of the values, and here no value is known",
        "obtain_secret({keys}, name='the name of the secret in the cluster')",
    ),
    "unknown-secret": Difference(
        "`secret=` with a name that was not obtained before",
        "refused",
        "upstream ran the step without the secret",
        "name = couler.obtain_secret(['key'], name='{name}') before the step",
    ),
    "secret-namespace": Difference(
        "`namespace=` of a secret",
        "notice",
        "pods read only secrets of the namespace in which the workflow runs",
        "keep the secret in the namespace of the submitter",
    ),
    "artifact-keys": Difference(
        "`accesskey_id` and `accesskey_secret` as texts",
        "refused",
        "keys of a store are secrets, and a value would be written into the workflow's text",
        '{argument}=couler.secret("name-of-the-secret", "{argument}")',
    ),
    "artifact-address": Difference(
        "`create_s3_artifact` or `create_oss_artifact` without `bucket` or `key`",
        "refused",
        "a file outside the workflow has an address, and without both there is none",
        "give bucket= and key=, or use create_local_artifact for the engine's own store",
    ),
    "local-artifact-input": Difference(
        "`create_local_artifact` as `input`",
        "refused",
        "it says where a file is written, and not where one comes from",
        "pass what the step that writes it returned",
    ),
    "input-value": Difference(
        "a parameter as `input`",
        "refused",
        "upstream dropped it: inputs are files",
        "pass values with args=",
    ),
    "cluster-config": Difference(
        "`config_workflow(cluster_config_file=…)`, the variable `couler_cluster_config`",
        "refused",
        "such a file rewrites Argo's own templates, which exist only after the compiler has run",
        'couler.config_workflow(defaults={…}) of the package couler for all steps, or engine_options={"argo": {…}}',
    ),
    "canned-step": Difference(
        "`run_canned_step`",
        "refused",
        "upstream wrote it into a protobuf file for its Go program, and into no workflow",
        "run_script or run_container",
    ),
    "client-configuration": Difference(
        "`client_configuration=` of `ArgoSubmitter` and `delete`",
        "refused",
        "runs are followed by later processes too, and an object in memory does not reach them",
        "config_file= and context= of a kubeconfig",
    ),
    "job-env-output": Difference(
        "an output of a step in `env` of `run_job`",
        "refused",
        "a manifest is sent to the cluster as it is written",
        "write the value to a ConfigMap in a step before, or run the work with run_container",
    ),
    "job-inferred-outputs": Difference(
        "`run_job(env=…)` in `set_dependencies` after steps with outputs",
        "notice",
        "upstream wrote them into the manifest as couler.inferred_outputs.N; a manifest is sent as it is written",
        "run the work with run_container, which gets them as arguments",
    ),
    "job-action": Difference(
        '`run_job(action="replace")`',
        "refused",
        "upstream took any action and always created the object; here the action is kept, and this one does not exist",
        "create, apply, patch, delete or get",
    ),
    "resource": Difference(
        "`resources` with other keys than cpu, memory, ephemeral-storage and a GPU",
        "refused",
        "nothing else means the same on every engine",
        'engine_options={"argo": {…}} of the package couler',
    ),
    "env-secrets": Difference(
        '`env={"secrets": […]}` with entries that are no `secretKeyRef`',
        "refused",
        "only references to secrets mean the same on every engine",
        '[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "store", "key": "token"}}}]',
    ),
    "same-name": Difference(
        "two different steps of one `step_name` in a DAG",
        "refused",
        "a name is one step of the DAG, and upstream lost the second one",
        "give one of them another step_name",
    ),
    "access-modes": Difference(
        "`VolumeClaimTemplate` with several access modes",
        "refused",
        "a claim of a workflow has one access mode",
        'access_modes=["{first}"]',
    ),
    "map-lengths": Difference(
        "`map` over lists of different lengths",
        "refused",
        "upstream left out what was too much, or failed with an IndexError",
        "lists of one length",
    ),
    "argo-tags": Difference(
        "tags for Argo in texts, such as `{{inputs.parameters.x}}` or `{{workflow.creationTimestamp}}`",
        "refused",
        "texts of a program are data and arrive as they are written; only the step's own "
        "`{{inputs.parameters.para-…}}`, `{{workflow.name}}` and `{{workflow.uid}}` have a meaning on every engine, "
        "and not in source text",
        "pass values with args=",
    ),
    "retry": Difference(
        "`retry=` with anything but a number",
        "refused",
        "it is the number of further attempts, as upstream had it",
        "retry=3",
    ),
    "pool": Difference(
        "`pool=`, `enable_ulogfs=False`",
        "notice",
        "without a cluster configuration file they had no effect in upstream either",
        "node_selector= chooses nodes",
    ),
    "leaf-parallelism": Difference(
        "`run_container(parallelism=…)`",
        "notice",
        "one container has nothing to bound; Argo ignores it there, too",
        "parallelism of couler.config_workflow or couler.map of the package couler",
    ),
    "error-handler": Difference(
        "`set_exit_handler` for both `Failed` and `Error`",
        "notice",
        "engines do not tell the two apart in the same way, so both handlers run when the workflow has failed",
        "register one of them",
    ),
    "cron-timezone": Difference(
        "`cron_config` without `timezone`",
        "notice",
        "the schedule is kept in Asia/Shanghai, which upstream took without saying so",
        '"timezone": "UTC" or another one in cron_config',
    ),
    "toleration": Difference(
        "`Toleration` with an operator or effect that Kubernetes does not know",
        "notice",
        "it goes to Argo as it is written, which may refuse it",
        "operators are Exists and Equal; effects are NoSchedule, PreferNoSchedule and NoExecute",
    ),
    "step-names": Difference(
        "names of steps without `step_name`",
        "different",
        "the function around the call, without the number of its line; two calls are `job` and `job-2`. "
        "In upstream a loop of calls made an invalid workflow",
    ),
    "same-template": Difference(
        "a function that declares a step, called again with another image, command or setting",
        "different",
        "every step keeps what it was given; upstream silently took the first call's for all",
    ),
    "before-dag": Difference(
        "steps before the first `dag` or `set_dependencies`, and `map` in a DAG",
        "different",
        "they stay; upstream lost them. Plain statements run one after the other, as before",
    ),
    "implicit-arguments": Difference(
        "outputs that `set_dependencies` hands over by itself",
        "different",
        "each is handed over once; upstream gave it twice when it was also among `args`",
    ),
    "container-output": Difference(
        "the value of a container without `output=`",
        "different",
        "its standard output; upstream referred to an output that did not exist",
    ),
    "numbers": Difference(
        "an output compared with a number",
        "different",
        "the output is then a number of the workflow: a step that prints something else fails",
    ),
    "loops": Difference(
        "`exec_while`",
        "different",
        "ends with an error after 100 rounds, or after `max_iterations=`; upstream's had no bound, and Argo's is about "
        "99 levels",
    ),
    "cache": Difference(
        "`Cache(name, key, max_age)`",
        "different",
        "on Argo the key alone decides, as before; on other engines the name and the key are part of one that also "
        "covers the step's code and inputs, so a changed step is run again",
    ),
    "status-failures": Difference(
        '`set_dependencies(…, "A || B")` when A fails',
        "different",
        "what can still start does, as in upstream, and so do branches that have nothing to do with A; "
        "a failure that no expression asks for (`A.Failed`) fails the run in the end",
    ),
    "mapped-names": Difference(
        "`map` over a function that needs the items while the workflow is built",
        "different",
        "it is called once per item, and the steps stand side by side; upstream took the first item's text for all",
    ),
    "workflow-names": Difference(
        "the salt of workflow names",
        "different",
        "a name stays as it is given, and each run gets an identity of its own; "
        "`config_defaults(name_salter=…)` is still called",
    ),
    "submit-result": Difference(
        "what `run` returns",
        "different",
        '`result["metadata"]["name"]` as before, and `result.run` is the handle of the run',
    ),
    "own-submitters": Difference(
        "own submitters",
        "different",
        "`submit` gets the workflow as a value (`couler.Workflow`) and no secrets; any object with `submit` will do",
    ),
    "go": Difference(
        "`SUBMITTER_IMPLEMENTATION=Go`",
        "no effect",
        "there is one way to submit, and no `submit.so`",
    ),
    "create-secret-options": Difference(
        "`dry_run`, `use_existing`, `artifact_secret` of secrets; `persist_config` of submitters",
        "no effect",
        "couler creates no secret and writes no client configuration",
    ),
    "global-outputs": Difference(
        "`is_global=True` of outputs",
        "no effect",
        "every output can be used everywhere in its workflow, also in exit handlers",
    ),
    "yaml-dump": Difference(
        "`init_yaml_dump`, the YAML printed at exit",
        "no effect",
        "`couler compile program.py --engine argo` writes the YAML; nothing is printed by itself",
    ),
    "threads": Difference(
        "two threads that declare workflows",
        "different",
        "each declares its own, with its own default submitter and defaults; upstream mixed them into one",
    ),
    "internals": Difference(
        "names inside `couler.core` beyond those that programs need: `states._…`, `workflow.templates`, `to_dict`, "
        "`proto_repr`",
        "different",
        "are not there; `couler.workflow_yaml()` gives Argo's object",
    ),
    "errors": Difference(
        "errors in programs",
        "different",
        "all are of the class `couler.CoulerError` and say what to write instead; upstream's were `SyntaxError`, "
        "`TypeError` and `ValueError`",
    ),
    "import-couler": Difference(
        "`import couler` for upstream's names",
        "different",
        "`import couler.argo as couler` has upstream's signatures; `import couler` alone has those of this package",
    ),
}
"""Short name to row; every row is in ``docs/moving-from-upstream.md``."""


def refusal(row_name: str, what: str, /, **fields: str) -> DefinitionError:
    """The error of a row that is refused.

    Args:
        row_name: Name of the row.
        what: The place in the program, such as ``step 'train'``.
        fields: For the braces in the row's hint.

    >>> refusal("retry", "step 'train'").hint
    'retry=3'
    """
    row = DIFFERENCES[row_name]
    hint = row.instead
    for name, value in fields.items():
        hint = hint.replace(f"{{{name}}}", value)
    return DefinitionError(row.told(what), hint)


def notice(name: str, what: str) -> None:
    """Warn about a row, at the user's line."""
    row = DIFFERENCES[name]
    text = row.told(what) + (f"; instead: {row.instead}" if row.instead else "")
    frame = caller_frame()
    if frame is None:
        warnings.warn(text, UpstreamNotice, stacklevel=2)
    else:
        warnings.warn_explicit(text, UpstreamNotice, frame.f_code.co_filename, frame.f_lineno)


def as_markdown() -> str:
    """The table for the documentation."""
    lines = ["| in a program | here | what happens | instead |", "| --- | --- | --- | --- |"]
    for row in DIFFERENCES.values():
        instead = re.sub(r"\{(\w+)\}", lambda match: match[1].upper(), row.instead)
        cells = (row.construct, row.kind, row.here, instead)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
