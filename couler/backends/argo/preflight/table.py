"""The rules: what is looked for, why, where the limit comes from, and what to do."""

from __future__ import annotations

from typing import Final

from couler.backends.argo.preflight import flow, names, objects, shapes, sizes, tags, values
from couler.backends.argo.preflight.findings import Rule

SCHEMA: Final = "the API server checks it (Argo's CRDs, manifests/base/crds/full)"
LINT: Final = "Argo refuses it (workflow/validate)"
SPLIT: Final = "split the workflow: steps into groups of steps, repeated ones into a map"

RULES: Final = (
    Rule(
        "name-length", "error", names.length,
        "the name becomes a label of at most 63 characters, after a time of 11 in a CronWorkflow (workflow/validate)",
        "give the workflow a shorter name",
    ),
    Rule(
        "name-characters", "error", names.characters,
        "Kubernetes takes small letters, digits, '-' and '.', with letters or digits around them (RFC 1123)",
        "rename the workflow",
    ),
    Rule("field-names", "error", names.templates_and_tasks, SCHEMA, "rename the step"),
    Rule(
        "uppercase-template", "error", names.uppercase,
        "its name is part of the pod's, which Kubernetes refuses with capital letters (argo-workflows 9670)",
        "write the name in small letters",
    ),
    Rule(
        "keyword-task", "error", names.keywords,
        "it is a word of the language of `depends`, which then cannot be read (expr-lang)",
        "rename the step",
    ),
    Rule("leading-digit", "error", names.leading_digits, f"names with dependencies do not; {LINT}", "rename the step"),
    Rule("value-names", "error", names.values_and_files, SCHEMA, "rename the input or output"),
    Rule("repeated-names", "error", names.twice, LINT, "give each a name of its own"),
    Rule(
        "reserved-container", "error", names.containers,
        "Argo runs containers of its own under this name (workflow/common)",
        "rename the container",
    ),
    Rule(
        "main-container", "error", names.main_container,
        "outputs and input files are those of the container 'main' (workflow/validate)",
        "call one container 'main'",
    ),
    Rule(
        "labels", "error", names.labels,
        "Kubernetes takes 63 letters, digits, '-', '_' and '.', with letters or digits around them",
        "rename the label, or keep the text in the description",
    ),
    Rule(
        "object-names", "error", objects.names,
        "nothing can have that name, so that Kubernetes refuses the pod, or lets it wait for ever",
        "write the name that the object has in the cluster",
    ),
    Rule(
        "affinity", "error", objects.affinities,
        "Kubernetes refuses the pod (Affinity of core/v1)",
        "correct the affinity of the step",
    ),
    Rule("template-count", "error", sizes.templates, SCHEMA, SPLIT),
    Rule("task-count", "error", sizes.tasks, SCHEMA, SPLIT),
    Rule("input-count", "error", sizes.inputs, SCHEMA, "pass several values as one object"),
    Rule("metric-count", "error", sizes.metrics, SCHEMA, "declare fewer metrics"),
    Rule(
        "object-size", "error", sizes.too_big_to_send,
        "etcd takes requests of 1.5 MiB (--max-request-bytes)",
        f"{SPLIT}, or make large constants files",
    ),
    Rule(
        "workflow-size", "error", sizes.too_big_to_run,
        "the controller gives up above 1 MiB (MAX_WORKFLOW_SIZE, workflow/packer)",
        f"{SPLIT}, or make large constants files",
    ),
    Rule(
        "room-for-status", "warning", sizes.nearly_too_big,
        "the state of all steps is kept in the same object (MAX_WORKFLOW_SIZE, workflow/packer)",
        f"{SPLIT}, make large constants files, or let the controller offload the state of nodes",
    ),
    Rule(
        "annotation-size", "error", sizes.annotation_bytes,
        "Kubernetes takes 256 KiB of annotations per object (TotalAnnotationSizeLimitB)",
        "keep long texts elsewhere",
    ),
    Rule(
        "argument-size", "error", sizes.arguments,
        "Linux takes 128 KiB per argument or variable (MAX_ARG_STRLEN, execve(2)); Argo then hands on a file's path",
        "hand the value over as a file",
    ),
    Rule(
        "template-size", "error", sizes.carried,
        "before 3.7 it travels in a variable of 128 KiB (MaxEnvVarLen, workflow/common)",
        "use Argo 3.7 or later, or move source text and constants into files",
    ),
    Rule(
        "apply-size", "warning", sizes.applied,
        "it keeps a copy in an annotation, of which there are 256 KiB (TotalAnnotationSizeLimitB)",
        "use `kubectl create`, `kubectl replace`, or `kubectl apply --server-side`",
    ),
    Rule(
        "call-depth", "error", sizes.depth,
        "the controller stops at the hundredth (maxAllowedStackDepth, workflow/controller)",
        "nest fewer groups in each other",
    ),
    Rule(
        "endless-calls", "error", flow.endless_calls,
        "the controller ends it at the hundredth call (maxAllowedStackDepth, workflow/controller)",
        "give the call a `when`",
    ),
    Rule(
        "newer-fields", "error", shapes.newer_fields,
        "an older one drops the field without a word (Argo's CRDs of each version)",
        "compile for the newer version, or leave out what the field does",
    ),
    Rule(
        "endless-retries", "warning", shapes.endless_retries,
        "without one Argo tries for ever and ignores the backoff (workflow/controller)",
        "set retryStrategy.limit",
    ),
    Rule(
        "backoff-factor", "error", shapes.broken_factors,
        "Argo takes whole numbers only (workflow/controller)",
        "write a whole number",
    ),
    Rule(
        "no-command", "warning", shapes.without_command,
        "Argo then asks the image's registry for it, and fails when it cannot (workflow/controller/entrypoint)",
        "write the command",
    ),
    Rule("limits-on-parents", "error", shapes.limits_on_parents, SCHEMA, "set it on the steps that run containers"),
    Rule(
        "parallelism-on-leaves", "error", shapes.parallelism_on_leaves, LINT,
        "set it on the DAG that calls the template",
    ),
    Rule("durations", "error", shapes.durations, f"it is a duration such as '10s' or '1h30m'; {LINT}", "add the unit"),
    Rule("template-kind", "error", shapes.kinds_of_templates, SCHEMA, "make it one of them"),
    Rule("mixed-dependencies", "error", shapes.mixed_dependencies, SCHEMA, "say it with depends alone"),
    Rule("loops", "error", shapes.sequences, SCHEMA, "leave one of them"),
    Rule(
        "hooks", "error", shapes.hooks, "the run ends in an error (workflow/controller/hooks.go)",
        "say when it runs in `expression`, or call the hook 'exit'",
    ),
    Rule(
        "cache", "error", shapes.caches,
        "Argo takes no other caches (workflow/controller/cache; the key is a key of a ConfigMap)",
        "use a hash of the inputs in hexadecimal digits, a ConfigMap, and an age such as '24h'",
    ),
    Rule(
        "argument-without-value", "warning", shapes.arguments_without_value,
        "the linter lets it pass, and a run that is started without one fails (workflow/validate)",
        "give the parameter a value when the run is started, or a default",
    ),
    Rule(
        "schedule-without-value", "error", shapes.schedules_without_value,
        "a schedule starts runs without giving values, and such a run fails (workflow/validate)",
        "give the parameter a default",
    ),
    Rule("broken-calls", "error", shapes.broken_calls, LINT, "name a template of the document"),
    Rule(
        "missing-result", "error", flow.missing_results,
        "Argo waits for it for ever (argo-workflows 16793)",
        "take a named output with a default, or give the consumer the same condition",
    ),
    Rule(
        "missing-output", "error", flow.missing_parameters,
        "without a default the run ends in an error, and in some versions waits for ever (argo-workflows 15837)",
        "give the output `valueFrom.default`, or the consumer's input a default",
    ),
    Rule(
        "empty-list", "warning", flow.results_of_lists,
        "for an empty list the task is skipped, and Argo waits for its values for ever (argo-workflows 16793)",
        "take a named output, and give it or the consumer's input the default '[]'",
    ),
    Rule(
        "output-of-failure", "warning", flow.outputs_of_failures,
        "what a failed step has not written is waited for, for ever (argo-workflows 16982)",
        "give the output `valueFrom.default`",
    ),
    Rule(
        "value-not-text", "error", values.not_text,
        "the schema wants text, and YAML readers change numbers on the way (1e3 becomes 1000)",
        "write it in quotes, as JSON",
    ),
    Rule(
        "evaluated-value", "warning", values.evaluated,
        "Argo replaces braces in every value, several times over (util/template)",
        "escape the brace, as \\u007b in JSON, or pass the text encoded",
    ),
    Rule(
        "unprintable-value", "error", values.unprintable,
        "Argo's replacement fails on it: the result is invalid JSON (argo-workflows 15512)",
        "pass it as JSON with the character escaped, or as a file",
    ),
    Rule(
        "broken-tag", "error", tags.broken, f"there is nothing that it could stand for; {LINT}",
        "name what is there; the tags of an imported document are kept by `couler import --to argo` only",
    ),
    Rule(
        "torn-expression", "error", values.torn_expressions,
        "the first }} ends a tag, wherever it stands (util/template)",
        "part the braces by a blank, or write '}' + '}'",
    ),
)  # fmt: skip
"""Every rule, in the order in which findings of one severity are listed."""
