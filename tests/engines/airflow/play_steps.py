"""Run the steps of a DAG file one after the other as their operators would, with containers played by processes.

Run by Airflow's Python, and knows nothing of couler. Standard input: ``{"file", "containers"}``. Standard output: a
JSON object with, for each task, ``outputs`` or ``error``, and ``made``: the pod, or what Docker is told. The paths of a
container are folders of its own; Kubernetes' rules for ``$(NAME)`` are kept.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

EVICTED = 99
"""Exit code of a container that the cluster ends."""
TMP, XCOM, MESSAGE = "/tmp/couler", "/airflow/xcom", "/dev/termination-log"


def main() -> None:
    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    given = json.load(sys.stdin)
    json.dump(play(given["file"], given["containers"]), said)


def play(file: str, containers: str) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag  # type: ignore[import-not-found]

    bag = DagBag(dag_folder=file, safe_mode=False)
    if bag.import_errors:
        raise ValueError(str(bag.import_errors))
    (dag,) = bag.dags.values()
    xcoms: dict[tuple[str, str], Any] = {}
    found: dict[str, Any] = {}
    for task in dag.topological_sort():
        if hasattr(task, "launch") or hasattr(task, "watch"):
            found[task.task_id] = run(task, containers, xcoms)
    return found


def run(task: Any, containers: str, xcoms: dict[tuple[str, str], Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    memory: dict[str, Any] = {}
    store = SimpleNamespace(get=lambda key, default=None: memory.get(key, default), set=memory.__setitem__)
    tries: list[dict[str, Any]] = []
    for number in range(1, task.retries + 2):
        attempt = copy.copy(task)
        ti = TaskInstance(task, number, xcoms)
        context = {"ti": ti, "run_id": "run", "params": {}, "task_state_store": store, "dag": task.dag}
        {"kubernetes": in_pod, "docker": in_docker, "cluster": in_cluster}[containers](attempt, made)
        try:
            text = attempt.execute(context)
        except Exception as error:
            tries.append({"error": str(error), "kinds": list(getattr(error, "kinds", ())), "made": dict(made)})
        else:
            xcoms[task.task_id, "return_value"] = text
            return {"outputs": json.loads(text)["outputs"], "made": made, "tries": tries}
    return {**tries[-1], "tries": tries}


class TaskInstance:
    """As much of one as a step asks for."""

    map_index = -1

    def __init__(self, task: Any, number: int, xcoms: dict[tuple[str, str], Any]) -> None:
        self.task, self.try_number, self.xcoms = task, number, xcoms
        self.task_id, self.dag_id = task.task_id, task.dag_id

    def xcom_pull(self, task_ids: str, key: str = "return_value", map_indexes: int = -1) -> Any:
        return self.xcoms.get((task_ids, key))

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[self.task_id, key] = value


# --- pods ------------------------------------------------------------------------------------------------------------


def in_pod(task: Any, made: dict[str, Any]) -> None:
    from airflow.exceptions import AirflowException  # type: ignore[import-not-found]
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator  # type: ignore[import-not-found]
    from airflow.sdk.exceptions import AirflowTaskTimeout  # type: ignore[import-not-found]
    from kubernetes.client import ApiClient

    if hasattr(task, "watch"):
        task.kind, task.pause = lambda: (Objects(made), "ns"), 0
        return

    def execute_sync(self: Any, context: Any) -> None:
        self.hook = SimpleNamespace(
            get_namespace=lambda: "default",
            get_xcom_sidecar_container_image=lambda: "alpine:3.20",
            get_xcom_sidecar_container_resources=lambda: None,
            get_xcom_sidecar_container_security_context=lambda: None,
        )
        pod = self.build_pod_request_obj(context, dry_run=True)
        spec = ApiClient().sanitize_for_serialization(pod)
        made.update(spec)
        base = spec["spec"]["containers"][0]
        with tempfile.TemporaryDirectory() as root:
            claimed = self._root() if self.claim else None
            limit = self.execution_timeout.total_seconds() if self.execution_timeout else None
            try:
                code, text, message = process(base, Path(root), claimed, limit)
            except subprocess.TimeoutExpired:
                try:
                    raise AirflowTaskTimeout
                finally:
                    raise AirflowException("Pod base returned a failure.")  # as tidying up does
        state = SimpleNamespace(exit_code=code, message=message, reason="Error" if code else "Completed")
        reason = "Evicted" if code == EVICTED else None
        status = SimpleNamespace(name="base", state=SimpleNamespace(terminated=state))
        self.remote_pod = SimpleNamespace(status=SimpleNamespace(container_statuses=[status], reason=reason, phase=""))
        if self.do_xcom_push:
            self.pod_manager = SimpleNamespace(extract_xcom=lambda pod, **_: text or "__airflow_xcom_result_empty__")
            self.extract_xcom(pod=pod)
        if code:
            raise AirflowException("Pod base returned a failure.\nand more")

    KubernetesPodOperator.execute_sync = execute_sync


def in_cluster(task: Any, made: dict[str, Any]) -> None:
    """Nothing is played: the cluster that Airflow's connection names runs the pods."""


def process(base: Mapping[str, Any], root: Path, claimed: Path | None, limit: float | None) -> tuple[int, str, str]:
    """The exit code of a container, what its sidecar finds, and its last message.

    Args:
        base: The container.
        root: A folder for what it has for itself.
        claimed: What the claim of files holds.
        limit: Seconds.

    Raises:
        subprocess.TimeoutExpired: It took longer.
    """
    env: dict[str, str] = {}
    for one in base.get("env", ()):
        env[one["name"]] = expand(one["value"], env) if "value" in one else f"secret {one['valueFrom']['secretKeyRef']}"
    shared = [one for one in base["volumeMounts"] if one["name"] == "couler-files"]
    there = {one["mountPath"]: f"{claimed}/{one['subPath']}" for one in shared}
    there |= {TMP: str(root / "tmp"), XCOM: str(root / "xcom"), MESSAGE: str(root / "message")}
    (root / "xcom").mkdir()
    (root / "message").touch()
    if "COULER_RUNNER" in env:
        env["COULER_RUNNER"] = moved_runner(env["COULER_RUNNER"], there)
    words = [moved(expand(word, env), there) for word in [*base.get("command", ()), *base.get("args", ())]]
    env = {name: value if name == "COULER_RUNNER" else moved(value, there) for name, value in env.items()}
    done = subprocess.run(words, env={"PATH": os.environ["PATH"], **env}, capture_output=True, cwd=root, timeout=limit)
    sys.stderr.write(done.stderr.decode())
    result = root / "xcom/return.json"
    return done.returncode, result.read_text() if result.exists() else "", (root / "message").read_text()


def expand(text: str, env: Mapping[str, str]) -> str:
    """What Kubernetes makes of references to variables.

    >>> expand("$(A) $$(A) $(B) $", {"A": "1"})
    '1 $(A) $(B) $'
    """
    return re.sub(r"\$\$|\$\(([^)]*)\)", lambda found: "$" if found[1] is None else env.get(found[1], found[0]), text)


def moved(text: str, there: Mapping[str, str]) -> str:
    for path, target in there.items():
        text = text.replace(path, target)
    return text


def moved_runner(text: str, there: Mapping[str, str]) -> str:
    source = zlib.decompress(base64.b64decode(text)).decode()
    return base64.b64encode(zlib.compress(moved(source, there).encode())).decode()


class Objects:
    """Objects of a cluster: each changes as its annotation ``played`` says, a list of states."""

    def __init__(self, made: dict[str, Any]) -> None:
        self.made = made
        made["asked"] = []

    def create(self, body: Mapping[str, Any], namespace: str) -> Any:
        self.made["asked"].append("create")
        self.body = body
        self.states = json.loads(body["metadata"]["annotations"]["played"])
        return SimpleNamespace(to_dict=lambda: {**body, "metadata": {"name": "made"}})

    def get(self, name: str, namespace: str) -> Any:
        self.made["asked"].append(f"get {name}")
        state = self.states.pop(0)
        return SimpleNamespace(to_dict=lambda: {**self.body, "status": state})

    def delete(self, name: str, namespace: str, body: Any) -> None:
        self.made["asked"].append(f"delete {name}")


# --- Docker ----------------------------------------------------------------------------------------------------------


def in_docker(task: Any, made: dict[str, Any]) -> None:
    task.hook = SimpleNamespace(api_client=Docker(made), client_created=True)


class Docker:
    """As much of Docker's client as its operator asks for."""

    def __init__(self, made: dict[str, Any]) -> None:
        self.made = made

    def images(self, name: str) -> list[str]:
        return [name]

    def create_host_config(self, **settings: Any) -> dict[str, Any]:
        return settings

    def create_container(self, **settings: Any) -> dict[str, str]:
        self.settings = settings
        host = settings["host_config"]
        self.mounts = {one["Target"]: one["Source"] for one in host["mounts"]}
        self.made.update({name: settings[name] for name in ("image", "command", "entrypoint", "environment", "labels")})
        self.made.update(mounts=sorted(self.mounts), mem_limit=host["mem_limit"], gpus=host["device_requests"])
        return {"Id": "1"}

    def attach(self, **_: Any) -> Sequence[bytes]:
        return []

    def start(self, _: str) -> None:
        there = dict(sorted(self.mounts.items(), reverse=True))
        env = dict(self.settings["environment"])
        if "COULER_RUNNER" in env:
            env["COULER_RUNNER"] = moved_runner(env["COULER_RUNNER"], there)
        words = [moved(word, there) for word in [*self.settings["entrypoint"], *self.settings["command"]]]
        env = {name: value if name == "COULER_RUNNER" else moved(value, there) for name, value in env.items()}
        folder = moved(self.settings["working_dir"], there)
        for file in Path(self.mounts[f"{TMP}/given"]).iterdir():
            file.write_text(moved(file.read_text(), there))
        self.done = subprocess.run(words, env={"PATH": os.environ["PATH"], **env}, cwd=folder, capture_output=True)
        sys.stderr.write(self.done.stderr.decode())

    def wait(self, _: str) -> dict[str, int]:
        return {"StatusCode": self.done.returncode}

    def inspect_container(self, _: str) -> dict[str, Any]:
        return {"State": {"ExitCode": self.done.returncode, "OOMKilled": self.done.returncode == 137}}

    def logs(self, _: str, stdout: bool, stderr: bool) -> bytes:
        return self.done.stdout

    def get_archive(self, _: str, path: str) -> tuple[list[bytes], dict[str, Any]]:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(path, arcname=Path(path).name)
        return [packed.getvalue()], {}

    def remove_container(self, _: str, force: bool = False) -> None:
        self.made["removed"] = True


if __name__ == "__main__":
    main()
