"""Writes the committed list of arguments of DAGs and operators, from the real Airflow and its providers.

python -m tests.engines.airflow.write_arguments
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from couler.backends.airflow import options as product
from tests.engines.airflow import installation

SCRIPT = """
import attrs, inspect, json, os
said = os.fdopen(os.dup(1), "w"); os.dup2(2, 1)
from airflow.sdk import DAG, BaseOperator
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.providers.standard.operators.python import PythonOperator
operators = {"operator": BaseOperator, "python": PythonOperator, "pod": KubernetesPodOperator, "docker": DockerOperator}
fields = {one.name: str(one.type) for one in attrs.fields(DAG) if one.init}
found = {"dag": {name: fields[name] for name in inspect.signature(DAG.__init__).parameters if name in fields}}
for kind, operator in operators.items():
    named = {name: one.annotation for name, one in inspect.signature(operator.__init__).parameters.items()}
    found[kind] = {name: str(one) for name, one in named.items() if name not in ("self", "kwargs")}
json.dump(found, said)
"""

KINDS = {
    "str": "text", "bool": "flag", "int": "whole", "float": "number", "timedelta": "seconds", "datetime": "time",
    "dict": "object", "dict[str, Any]": "object", "dict[str, str]": "object", "ParamsDict": "code",
    "collections.abc.MutableMapping[str, Any]": "object", "MutableSet[str]": "texts", "list[str]": "texts",
    "dict[str, dict[str, Collection[str]]]": "object", "WeightRuleParam": "text", "ScheduleArg": "text",
    "Iterable[str]": "texts",
}  # fmt: skip
"""What Airflow calls a type to what stands for it in options; of several the first."""
OTHERWISE = {
    "template_searchpath": "texts", "allowed_run_types": "texts", "email": "texts", "user_defined_macros": "code",
    "user_defined_filters": "code", "run_as_user": "text", "user": "text", "image_pull_secrets": "text",
    "affinity": "object", "container_resources": "object", "env_vars": "object", "tolerations": "objects",
    "volumes": "objects", "volume_mounts": "objects", "mem_limit": "text", "callbacks": "code",
    "trigger_kwargs": "code",
}  # fmt: skip
"""Arguments that take plain data in the operators that couler derives, or whose type says too much or too little."""


def kind(name: str, annotation: str) -> str:
    """What stands for an argument in options."""
    found = [KINDS[part.strip()] for part in annotation.split(" | ") if part.strip() in KINDS]
    return OTHERWISE.get(name) or (found[0] if found else "code")


def text() -> str:
    """The file."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [installation.build() / "bin/python", "-I", "-c", SCRIPT],
            env={**installation.clean_environment(), "HOME": home, "AIRFLOW_HOME": home},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    found = json.loads(done.stdout)
    kinds = {of: {name: kind(name, words) for name, words in names.items()} for of, names in found.items()}
    return json.dumps(kinds, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(product.__file__).with_name("arguments.json").write_text(text(), encoding="utf-8")
