"""How a couler workflow reaches each argument of Airflow's DAGs and operators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from couler.backends.airflow.options import TAKEN, arguments_of
from couler.core.ir.model import (
    Backoff,
    Compare,
    Constant,
    ContainerTask,
    EnvVar,
    ExitHandler,
    ForEach,
    FunctionTask,
    GroupTask,
    Input,
    Output,
    OutputRef,
    Parameter,
    ParameterRef,
    Resources,
    Retry,
    Schedule,
    SecretRef,
    SecretUse,
    Sidecar,
    StatusIs,
    Step,
    StoredFile,
    Toleration,
    Volume,
    Workflow,
)

By = Literal["words", "option", "not"]
TITLES: Final = {
    "dag": "`DAG`",
    "operator": "Every operator (`BaseOperator`)",
    "python": "`PythonOperator`, `@task`",
    "pod": "`KubernetesPodOperator`",
    "docker": "`DockerOperator`",
}

MODES: Final = {"dag": "process", "operator": "process", "python": "process", "pod": "kubernetes", "docker": "docker"}
"""Kind to what steps run in where it is looked for."""

WORDS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "dag": {
        "catchup": ("`schedule`, which has no past", "catchup=False"),
        "dag_display_name": ("the workflow's name, where Airflow takes it not as an id", 'dag_display_name="größe"'),
        "dag_id": ("the workflow's name", '"workflow": "größe"'),
        "dagrun_timeout": ("`timeout` of the workflow", "dagrun_timeout=timedelta(seconds=600)"),
        "default_args": ("defaults for all steps", "default_args={"),
        "description": ("`description`", 'description="All of it."'),
        "doc_md": ("labels that are longer than a tag", "doc_md="),
        "fail_fast": ("`on_failure`", '"stop": False'),
        "is_paused_upon_creation": ("`schedule(suspended=True)`", "is_paused_upon_creation=True"),
        "max_active_runs": ('`schedule(concurrency="forbid")`', "max_active_runs=1"),
        "max_active_tasks": ("`parallelism`", "max_active_tasks=4"),
        "on_failure_callback": ("`on_exit` on failure: a task", 'on="failed"'),
        "on_success_callback": ("`on_exit` on success: a task", 'on="succeeded"'),
        "params": ("parameters, with type, default, help and choices", '"n": Param(3, type="integer"'),
        "schedule": ("`schedule(cron, timezone)`", 'CronTriggerTimetable("0 3 * * *", timezone="Europe/Paris")'),
        "tags": ("labels of the workflow", '"team=x"'),
        "task_group": ("groups, maps and loops", "with TaskGroup("),
    },
    "operator": {
        "dag": ("the workflow", "as dag:"),
        "default_args": ("defaults for all steps", "default_args={"),
        "do_xcom_push": ("outputs", "Output("),
        "doc_md": ("`description` and labels of a step", 'doc_md="Shows it.'),
        "execution_timeout": ("`timeout` of a step", "execution_timeout=timedelta(seconds=60)"),
        "inlets": ("`stored(URL)` as an input", 'inlets=[Asset("s3://data/in.csv")]'),
        "map_index_template": ("the item of a map, which Airflow shows", "map_index_template="),
        "max_active_tis_per_dagrun": ("`map(parallelism=…)`", "max_active_tis_per_dagrun=2"),
        "max_retry_delay": ("`retry(backoff maximum)`", "maximum=9"),
        "multiple_outputs": ("several named outputs", '{"name": "n", "type": "int", "path": "n.json"}'),
        "on_failure_callback": ("a step after `step.failed`", 'after_status=Status("show", "failed")'),
        "on_skipped_callback": ("a step after `step.skipped`", 'after_status=Status("show", "skipped")'),
        "on_success_callback": ("a step after `step.succeeded`", 'after_status=Status("show", "succeeded")'),
        "outlets": ("`store` of an output", 'outlets=[Asset("s3://data/out.csv")]'),
        "params": ("parameters of a group", "Given("),
        "pre_execute": ("`when`", "when=Compare("),
        "resources": ("`cpu`, `memory`, `ephemeral_storage`", "resources={"),
        "retries": ("`retry`", "retries=2"),
        "retry_delay": ("`retry(backoff initial)`", "initial=1.5"),
        "retry_exponential_backoff": ("`retry(backoff factor)`", "factor=3"),
        "retry_policy": ("`retry(on=…)`", "retry_policy=Again("),
        "task_display_name": ("the step's name, where Airflow takes it not as an id", 'task_display_name="maß"'),
        "task_group": ("groups, maps and loops", "with TaskGroup("),
        "task_id": ("the step's name", 'task_id="show"'),
        "trigger_rule": ("`after`, `when`, `allow_failure`", "trigger_rule="),
    },
    "python": {
        "op_args": ("arguments of a function", "inputs={"),
        "op_kwargs": ("arguments of a function", "inputs={"),
        "python_callable": ("a function", 'entry="make"'),
        "show_return_value_in_logs": ("outputs are shown by `couler show`", "Output("),
    },
    "pod": {
        "active_deadline_seconds": ("`timeout` of a step", "execution_timeout=timedelta(seconds=60)"),
        "affinity": ("`affinity`", "affinity={"),
        "arguments": ("`args`", "self.arguments = "),
        "cmds": ("`command`", "self.cmds = "),
        "configmaps": ('`volumes(source="config_map")`', '"configMap": {"name": "settings"}'),
        "container_resources": ("`cpu`, `memory`, `gpu`, `ephemeral_storage`", "container_resources={"),
        "do_xcom_push": ("outputs", "do_xcom_push=True"),
        "env_vars": ("`env`", "self.env_vars = "),
        "full_pod_spec": ("`sidecars`", "sidecars=["),
        "image": ("`image`", 'image="alpine:3.20"'),
        "image_pull_policy": ("`pull_policy`", 'image_pull_policy="Always"'),
        "labels": ("labels of a step", 'labels={"team": "x"}'),
        "name": ("the step's name", 'task_id="show"'),
        "namespace": ("the setting `namespace`", '"namespace": "jobs"'),
        "node_selector": ("`node_selector`", "node_selector={"),
        "pod_template_dict": ("`sidecars`, `volumes`", "self.pod_template_dict = "),
        "priority_class_name": ("`priority`", 'priority_class_name="high"'),
        "secrets": ("`secrets`", 'secrets={"PW": ("db", "pw")}'),
        "service_account_name": ("`service_account`", 'service_account_name="writer"'),
        "skip_on_exit_code": ("`when` over a result of the step before", "when=Compare("),
        "tolerations": ("`tolerations`", "tolerations=["),
        "volume_mounts": ("`volumes`", "volume_mounts=["),
        "volumes": ("`volumes`", "volumes=["),
    },
    "docker": {
        "auto_remove": ("containers are removed when outputs are fetched", 'auto_remove="never"'),
        "command": ("`args`", "self.command = "),
        "cpus": ("`cpu`", "cpus=0.5"),
        "device_requests": ("`gpu`", "gpus=1"),
        "entrypoint": ("`command`", "self.entrypoint = "),
        "environment": ("`env`", "env={"),
        "force_pull": ("`pull_policy`", "force_pull=True"),
        "host_tmp_dir": ("the folder of a step", "Mount(WORK"),
        "image": ("`image`", 'image="alpine:3.20"'),
        "labels": ("labels of a step", 'labels={"team": "x"}'),
        "mem_limit": ("`memory`", "mem_limit=1073741824"),
        "mount_tmp_dir": ("the folder of a step", "Mount(WORK"),
        "mounts": ("`volumes`", "volumes=[("),
        "private_environment": ("`secrets`", "self._private_environment = "),
        "retrieve_output": ("outputs", "retrieve_output=True"),
        "retrieve_output_path": ("`path` of outputs", "def _written("),
        "skip_on_exit_code": ("`when` over a result of the step before", "when=Compare("),
        "tmp_dir": ("the folder of a step", "Mount(WORK"),
        "working_dir": ("`working_dir`", "self.working_dir = "),
        "xcom_all": ("the result of a container: all of its standard output", "stdout=True, stderr=False"),
    },
}
"""Argument to what one writes in couler, and a piece of what is written then."""

WORKINGS: Final[Mapping[str, frozenset[str]]] = {
    "dag": frozenset([
        "auto_register", "disable_bundle_versioning", "jinja_environment_kwargs",
        "render_template_as_native_obj", "rerun_with_latest_version", "sla_miss_callback",
        "template_searchpath", "template_undefined", "user_defined_filters", "user_defined_macros",
    ]),
    "operator": frozenset([
        "allow_nested_operators", "doc", "doc_json", "doc_rst", "doc_yaml", "email", "email_on_failure",
        "email_on_retry", "logger_name", "render_template_as_native_obj", "sla",
    ]),
    "python": frozenset(["templates_dict", "templates_exts"]),
    "pod": frozenset([
        "base_container_name", "base_container_status_polling_interval", "callbacks", "cluster_context",
        "config_file", "container_logs", "container_name_log_prefix_enabled", "deferrable", "durable",
        "get_logs", "in_cluster", "init_container_logs", "is_delete_operator_pod", "kubernetes_conn_id",
        "log_events_on_failure", "log_events_on_startup", "log_formatter", "log_pod_spec_on_failure",
        "logging_interval", "on_finish_action", "on_kill_action", "pod_template_file", "poll_interval",
        "progress_callback", "random_name_suffix", "reattach_on_restart", "startup_check_interval_seconds",
        "startup_timeout_seconds", "schedule_timeout_seconds", "termination_message_policy", "trigger_kwargs",
        "xcom_sidecar_container_security_context",
    ]),
    "docker": frozenset([
        "api_version", "docker_conn_id", "docker_url", "log_opts_max_file", "log_opts_max_size", "timeout",
        "tls_ca_cert", "tls_client_cert", "tls_client_key", "tls_hostname", "tls_ssl_version", "tls_verify",
        "tty",
    ]),
}  # fmt: skip
"""Arguments that say how Airflow does its work (connections, polling, logs, templates) or that it has deprecated."""


@dataclass(frozen=True)
class Row:
    """How one argument is reached.

    Attributes:
        by: ``words`` of couler, an ``option``, or ``not`` at all.
        words: What one writes, or why there is nothing to write.
        workings: Whether it is no construct but one of Airflow's own workings.
    """

    kind: str
    name: str
    by: By
    words: str
    workings: bool


def rows() -> Iterator[Row]:
    """Every argument of every kind."""
    for kind in TITLES:
        for name, what in arguments_of(kind).items():
            workings = name in WORKINGS[kind]
            if name in WORDS[kind]:
                yield Row(kind, name, "words", WORDS[kind][name][0], workings)
            elif taken := TAKEN.get(kind, {}).get(name):
                yield Row(kind, name, "not", taken, workings)
            elif what == "code" and kind == "pod":
                yield Row(kind, name, "option", "option `pod_template_dict`", workings)
            elif what == "code":
                yield Row(kind, name, "not", "takes Python objects: change the written file", workings)
            else:
                yield Row(kind, name, "option", "option", workings)


def shares(found: list[Row]) -> dict[str, float]:
    """The shares of constructs that are reached by words, by options, and not."""
    constructs = [row for row in found if not row.workings]
    return {by: sum(row.by == by for row in constructs) / len(constructs) for by in ("words", "option", "not")}


# --- a workflow with everything --------------------------------------------------------------------------------------


def _value(of: object) -> Constant:
    return Constant(value=of)


def everything(mode: str) -> Workflow:
    """A workflow in which all words of couler are, that there are for where steps run."""
    numbers = (Output(name="result", type="int"), Output(name="n", type="int", path="n.json"))
    command = tuple(map(_value, ("sh", "-c", "echo 5")))
    shown = OutputRef(step="show", output="result")
    show = Step(
        name="show", description="Shows it.", labels={"team": "x"}, timeout=60, outputs=numbers,
        task=ContainerTask(image="alpine:3.20", command=command, args=(_value("x"),), pull_policy="Always"),
        retry=Retry(limit=2, backoff=Backoff(initial=1.5, factor=3, maximum=9)),
        env=(EnvVar(name="A", value=_value("b")),),
        secrets=(SecretUse(secret=SecretRef(name="db", key="pw"), env="PW"),),
        **_AROUND[mode],
    )  # fmt: skip
    make = FunctionTask(source="def make(x): return x\n", entry="make")
    inner = Step(name="inner", task=make, inputs=(Input(name="x", value=ParameterRef(name="x")),))
    steps = (
        show,
        Step(name="maß", task=make, inputs=(Input(name="x", value=shown),),
             when=Compare(left=shown, operator="==", right=_value(5))),
        Step(name="each", task=make, foreach=ForEach(lists={"x": _value([1])}, parallelism=2)),
        Step(name="group", task=GroupTask(parameters=(Parameter(name="x", default=_value(1)),), steps=(inner,))),
        *(Step(name=f"after-{how}", task=make, after_condition=StatusIs(step="show", status=how))
          for how in ("succeeded", "failed", "skipped")),
    )  # fmt: skip
    if mode != "kubernetes":  # whose pods have no files
        given = Input(name="x", type="file", value=StoredFile(url="s3://data/in.csv"))
        kept = Output(name="y", type="file", path="y", store=StoredFile(url="s3://data/out.csv"))
        steps = (*steps, Step(name="copy", task=make, inputs=(given,), outputs=(kept,)))
    return Workflow(
        name="größe", description="All of it.", parameters=(Parameter(name="n", type="int", default=_value(3)),),
        steps=steps, parallelism=4, timeout=600, labels={"team": "x", "long": "y" * 120}, on_failure="continue",
        exit_handlers=tuple(ExitHandler(step=Step(name=on, task=make), on=on) for on in ("success", "failure")),
        schedule=Schedule(cron=("0 3 * * *",), timezone="Europe/Paris", concurrency="forbid", suspended=True),
    )  # fmt: skip


_CLAIM = Volume(path="/data", name="data")
_AROUND: Final[Mapping[str, Mapping[str, object]]] = {
    "process": {"resources": Resources(cpu=0.5, memory="1Gi")},
    "docker": {"resources": Resources(cpu=0.5, memory="1Gi", gpu=1), "volumes": (_CLAIM,)},
    "kubernetes": {
        "resources": Resources(
            cpu=0.5, memory="1Gi", node_selector={"a": "b"}, tolerations=(Toleration(key="k"),), priority="high",
            affinity={"nodeAffinity": {}},
        ),
        "volumes": (_CLAIM, Volume(path="/settings", source="config_map", name="settings")),
        "service_account": "writer",
        "sidecars": (Sidecar(name="redis", image="redis:7"),),
    },
}  # fmt: skip
