"""Steps in pods: what runs is laid out through the pod's variables, and what comes back is the XCom of its sidecar."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow.exceptions import AirflowException
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.secret import Secret
from kubernetes.client import ApiException
from kubernetes.client import models as k8s

from couler.runner.container import OUT_OF_MEMORY, WORK

from . import processes
from .images import CommandInImage, Ended, FunctionInImage, InImage, Program, ScriptInImage, inside
from .processes import AttemptError
from .step import Here
from .version import AirflowTaskTimeout

XCOM = "/airflow/xcom"
PIECE = 90_000
"""Bytes of one variable; Linux takes no more than 131,072."""
MOST = 900_000
"""Bytes of what a pod is given; the cluster keeps no object of more than about 1.5 MB."""


class Pod(InImage, KubernetesPodOperator):
    """A step in a pod of its own.

    Args:
        container_resources: Requests and limits.
        more_memory: Factor, and most bytes or None: by how much the memory grows after running out of it.
        sidecars: Containers beside the step's own, as Kubernetes writes them.
        volumes: Of the pod, as Kubernetes writes them.
        volume_mounts: Where they appear in the step's own container.
        claim: Claim that holds what lies in ``store``, a folder of the worker; by it pods have files.
    """

    secrets: Any
    env_vars: Any
    pod_template_dict: Any

    def __init__(
        self,
        *,
        container_resources: Mapping[str, Any] | None = None,
        more_memory: tuple[float, int | None] | None = None,
        sidecars: Sequence[Mapping[str, Any]] = (),
        volumes: Sequence[Mapping[str, Any]] = (),
        volume_mounts: Sequence[Mapping[str, Any]] = (),
        claim: str = "",
        **arguments: Any,
    ) -> None:
        arguments.setdefault("log_pod_spec_on_failure", False)
        super().__init__(do_xcom_push=True, **arguments)
        self.amounts = dict(container_resources or {})
        self.more_memory = more_memory
        self.sidecars = [dict(one) for one in sidecars]
        self.storage = [dict(one) for one in volumes]
        self.mounts = [dict(one) for one in volume_mounts]
        self.claim = claim
        self.variables: Mapping[str, tuple[str, str]] = self.secrets
        self.secrets = []
        self.given = self.env_vars
        self.found: Mapping[str, str] = {}

    def hidden(self, folder: Path) -> dict[str, str]:
        """Nothing: the cluster gives secrets to the pod, and workers never see them."""
        return {}

    def desk(self) -> AbstractContextManager[Path]:
        """The folder of one attempt: with a claim, one that the pod has too."""
        if not self.claim:
            return super().desk()
        attempts = self._root() / "attempts"
        attempts.mkdir(parents=True, exist_ok=True)
        return processes.folder_of(self.step, attempts)

    def _root(self) -> Path:
        return Path(unquote(urlsplit(self.store).path))

    def launch(self, here: Here, task: processes.Task, program: Program) -> Ended:
        self.prepare(here, program, 2 * task.limit, task.folder)
        try:
            KubernetesPodOperator.execute(self, here.context)
        except (AirflowException, ApiException) as error:
            if timeout := _timeout(error):
                raise timeout from None
            ended = self._ended()
            if _reason(self.remote_pod) or ended is None or not ended.code:
                raise _lost(self.remote_pod, error) from None
            if ended.out_of_memory:
                self._remember(here)
            return ended
        finally:
            self.do_xcom_push = True
        found = {name: bytes.fromhex(digits) for name, digits in self.found.items()}
        if "stdout" not in found and not program.own:
            raise AttemptError("the pod ended without leaving its results", ("XComError",))
        paths = dict(enumerate(program.wanted))
        return Ended(0, stdout=found.get("stdout"), files={
            path: found[str(index)] for index, path in paths.items() if str(index) in found
        })  # fmt: skip

    def prepare(self, here: Here, program: Program, most: int, folder: Path) -> None:
        """Say what the pod runs, what it is given, and what it has."""
        if self.claim:
            folder.chmod(0o777)  # the container's user may be another
        files = dict(_pieces(program.given))
        size = sum(map(len, [*files.values(), *program.env.values(), *program.command]))
        if size > MOST:
            raise AttemptError(
                f"the step's text and inputs have {size:,} bytes, and a pod can be given {MOST:,}; pass files",
                ("ValueError",),
            )
        self.do_xcom_push = not program.own
        self.cmds = [] if program.own else ["sh", "-c", escaped(script(program, most)), "sh"]
        self.arguments = [escaped(word) for word in program.command]
        own = [k8s.V1EnvVar(name=name, value=escaped(text)) for name, text in {**program.env, **files}.items()]
        given = [k8s.V1EnvVar(name=name, value=text) for name, text in self.given.items()] if isinstance(
            self.given, Mapping) else list(self.given)  # fmt: skip
        self.env_vars = [*given, *own]
        self.secrets = [Secret("env", name, *secret) for name, secret in self.variables.items()]
        self.container_resources = k8s.V1ResourceRequirements(**self._amounts(here)) if self.amounts else None
        self.pod_template_dict = self._template(program, folder)

    def _template(self, program: Program, folder: Path) -> dict[str, Any]:
        """The pod that everything else is merged into: its storage, and the containers beside the step's own."""
        template = dict(self.pod_template_dict or {})
        spec = dict(template.get("spec", {}))
        base, *others = spec.get("containers") or [{}]
        volumes, mounts = list(self.storage), list(self.mounts)
        for index, (path, (name, key)) in enumerate(self.secret_files.items()):
            source = {"secretName": name, "items": [{"key": key, "path": "value"}]}
            volumes.append({"name": f"secret-{index}", "secret": source})
            mounts.append({"name": f"secret-{index}", "mountPath": inside(path), "subPath": "value", "readOnly": True})
        if self.claim:
            volumes.append({"name": "couler-files", "persistentVolumeClaim": {"claimName": self.claim}})
            mounts += self._files(folder)
        base = {"name": self.base_container_name, **base, "volumeMounts": [*base.get("volumeMounts", ()), *mounts]}
        if program.own:
            base["workingDir"] = program.folder
        spec |= {"containers": [base, *others, *self.sidecars], "volumes": [*spec.get("volumes", ()), *volumes]}
        return {"apiVersion": "v1", "kind": "Pod", **template, "spec": spec}

    def _files(self, folder: Path) -> Iterator[dict[str, Any]]:
        """Mounts of the folder of the step, and of files that appear outside of it."""
        under = folder.relative_to(self._root())
        yield {"name": "couler-files", "mountPath": WORK, "subPath": str(under)}
        for file in sorted(folder.rglob(".elsewhere/**/*")):
            if file.is_file():
                path = f"/{file.relative_to(folder / '.elsewhere')}"
                yield {"name": "couler-files", "mountPath": path, "subPath": str(under / file.relative_to(folder))}

    def _amounts(self, here: Here) -> dict[str, dict[str, str]]:
        """Requests and limits; after running out of memory with more of it."""
        amounts = {kind: dict(given) for kind, given in self.amounts.items()}
        times = here.context["task_state_store"].get("out_of_memory", 0) if self.more_memory else 0
        if not times or self.more_memory is None:
            return amounts
        factor, most = self.more_memory
        for given in amounts.values():
            grown = int(_bytes(given["memory"]) * factor**times)
            given["memory"] = str(grown if most is None else min(grown, most))
        return amounts

    def _remember(self, here: Here) -> None:
        if self.more_memory:
            store = here.context["task_state_store"]
            store.set("out_of_memory", store.get("out_of_memory", 0) + 1)

    def extract_xcom(self, pod: k8s.V1Pod, **options: Any) -> None:
        """Keep what the pod gave: it is put into the form of outputs later."""
        found = super().extract_xcom(pod, **options)
        self.found = found or {}

    def _ended(self) -> Ended | None:
        """How the step's own container ended; None when it did not."""
        pod = self.remote_pod
        for one in (pod.status.container_statuses or ()) if pod is not None and pod.status is not None else ():
            state = one.state.terminated if one.name == self.base_container_name and one.state else None
            if state is not None:
                ran_out = state.reason == "OOMKilled" or state.exit_code == OUT_OF_MEMORY
                return Ended(state.exit_code, (state.message or "").strip(), ran_out)
        return None

    def on_kill(self) -> None:
        """Delete the pod."""
        KubernetesPodOperator.on_kill(self)


class Function(FunctionInImage, Pod):
    """A Python function in a pod."""


class Container(CommandInImage, Pod):
    """A command in a pod."""


class Script(ScriptInImage, Pod):
    """A script in a pod."""


def escaped(text: str) -> str:
    """A text in which Kubernetes replaces nothing.

    >>> escaped("$(HOME)")
    '$$(HOME)'
    """
    return text.replace("$", "$$")


def script(program: Program, most: int) -> str:
    """What the shell of a container does: it lays out files, runs its arguments, and leaves what they gave."""
    lines = ["x=" + XCOM, 'put() { mkdir -p "${1%/*}" && printf %s "$2" > "$1" || exit 1; }']
    for index, (path, text) in enumerate(program.given.items()):
        names = [f"COULER_GIVEN_{index}_{piece}" for piece in range(len(_cut(text)))]
        whole = "".join(f"${{{name}}}" for name in names)
        lines += [f'put {shlex.quote(path)} "{whole}"', f"unset {' '.join(names)}"]
    lines.append(f"mkdir -p {shlex.join([program.folder, *program.folders])}")
    lines.append(f"cd {shlex.quote(program.folder)} || exit 1")
    lines.append('{ "$@"; echo $? > "$x/code"; } < /dev/null | tee "$x/stdout"')
    lines.append('code=$(cat "$x/code"); [ "$code" = 0 ] || exit "$code"')
    for path, target in program.kept.items():
        put = f"mkdir -p {shlex.quote(target.rpartition('/')[0])} && cp -R {shlex.quote(path)} {shlex.quote(target)}"
        lines.append(f"if [ -e {shlex.quote(path)} ]; then {put} || exit 1; fi")
    lines.append(f"hex() {{ head -c {most} \"$1\" | od -An -v -tx1 | tr -d ' \\n'; }}")
    lines.append('{ printf \'{"stdout":"\'; hex "$x/stdout"; printf \'"\'')
    for index, path in enumerate(program.wanted):
        quoted = shlex.quote(path)
        lines.append(f"if [ -f {quoted} ]; then printf ',\"{index}\":\"'; hex {quoted}; printf '\"'; fi")
    lines.append("printf '}'; } > \"$x/return.json\"")
    return "\n".join(lines)


def _pieces(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables that hold the texts of files."""
    for index, text in enumerate(given.values()):
        for number, piece in enumerate(_cut(text)):
            yield f"COULER_GIVEN_{index}_{number}", piece


def _cut(text: str) -> list[str]:
    size = PIECE // 4  # a character has up to four bytes
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]


_UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def _bytes(amount: str) -> float:
    digits = amount.rstrip("kKMGTi")
    return float(digits) * _UNITS[amount.removeprefix(digits)]


def _timeout(error: BaseException) -> AirflowTaskTimeout | None:
    """The time limit that an error came of: tidying up after it fails in words of its own."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, AirflowTaskTimeout):
            return found
        found = found.__context__
    return None


def _reason(pod: k8s.V1Pod | None) -> str:
    """Why the cluster ended a pod; empty when its container ended by itself."""
    return (pod.status.reason or "") if pod is not None and pod.status is not None else ""


def _lost(pod: k8s.V1Pod | None, error: BaseException) -> AttemptError:
    """The failure of a pod that did not end by itself."""
    reason = _reason(pod)
    if reason == "DeadlineExceeded":
        return AttemptError("the pod ran longer than it may", ("Timeout", "TimeoutError"))
    if reason or getattr(error, "status", None) == 404:
        return AttemptError(f"the pod was lost: {reason or 'it is not there any more'}", ("lost",))
    return AttemptError(str(error).partition("\n")[0], (type(error).__name__,))
