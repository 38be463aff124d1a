"""The way to a cluster: where it is, who we are there, and one request at a time.

The package ``kubernetes`` (its lines 36 and 37) reads kubeconfigs, contexts, login programs and the files of a pod's
own service account; the requests themselves are plain HTTP through ``urllib3``, which it brings along.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from couler.backends.argo.client.answers import explained
from couler.backends.remote.retrying import PATIENCE, WAITING, AnswerError, Patience, Waiting, persist
from couler.core.errors import ConfigError, EngineUnreachableError, MissingExtraError

WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
MERGE = "application/merge-patch+json"
JSON = "application/json"
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_CONNECT, _READ = 10.0, 60.0


class Connection:
    """Requests to one Kubernetes cluster.

    May be shared by threads. Transient answers are retried within ``patience``.

    Args:
        kubeconfig: File; None means ``KUBECONFIG``, ``~/.kube/config``, or, in a pod, its service account.
        context: Context of the file; None means its current one.
        namespace: Namespace; None means that of the context.
        patience: How long transient answers are borne.
        waiting: Time and chance.

    Raises:
        MissingExtraError: The package ``kubernetes`` is not installed.
        ConfigError: The kubeconfig cannot be read, or has no such context.
        EngineUnreachableError: There is no kubeconfig, and this is no pod.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        context: str | None = None,
        namespace: str | None = None,
        patience: Patience = PATIENCE,
        waiting: Waiting = WAITING,
    ) -> None:
        self._configuration, found = _configuration(kubeconfig, context)
        self.namespace = namespace or found or "default"
        self.server = str(self._configuration.host).rstrip("/")
        self.patience = patience
        self.waiting = waiting
        self._pool = _pool(self._configuration)

    @property
    def where(self) -> str:
        """The cluster and the namespace, for messages."""
        return f"{self.server} (namespace {self.namespace})"

    @property
    def workflows(self) -> str:
        """Path of the namespace's workflows."""
        return WORKFLOWS.format(namespace=self.namespace)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        kind: str = JSON,
        accept: str = JSON,
        doing: str = "",
        patience: Patience | None = None,
    ) -> Any:
        """The JSON that the cluster answers; transient answers are retried.

        Raises:
            EngineError: It refuses for good; the message says why.
            EngineUnreachableError: It gave no good answer in time.
            NotFoundError: There is no such thing.
        """
        try:
            return self.once(method, path, body, query=query, kind=kind, accept=accept, patience=patience)
        except AnswerError as error:
            raise explained(error, doing or f"{method.lower()} {path}", self.where) from error

    def once(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        kind: str = JSON,
        accept: str = JSON,
        patience: Patience | None = None,
    ) -> Any:
        """As `ask`, for callers who look at the answer themselves.

        Raises:
            AnswerError: The last answer.
        """

        def call() -> Any:
            answer = self._send(method, path, body, query, kind, accept, preload=True)
            return json.loads(answer.data) if answer.data else {}

        return persist(call, patience or self.patience, self.waiting)

    @contextlib.contextmanager
    def lines(self, path: str, query: Mapping[str, str], quiet: float) -> Iterator[Iterator[bytes]]:
        """The lines of an answer as they come, for as long as the block lasts.

        Args:
            path: What to read.
            query: How.
            quiet: Seconds without a line after which the connection is taken for broken.

        Raises:
            AnswerError: It was refused, or broke.
        """
        answer = self._send("GET", path, None, query, JSON, "*/*", preload=False, read=quiet)
        try:
            yield _lines(answer)
        finally:
            answer.close()  # never read to its end: a watch has none

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        query: Mapping[str, str] | None,
        kind: str,
        accept: str,
        *,
        preload: bool,
        read: float = _READ,
    ) -> Any:
        import urllib3

        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body, ensure_ascii=True).encode()
        headers = {"Accept": accept, **self._identity(), **({"Content-Type": kind} if content is not None else {})}
        try:
            answer = self._pool.request(
                method, url, body=content, headers=headers, retries=False, preload_content=preload,
                timeout=urllib3.Timeout(connect=_CONNECT, read=read),
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            raise AnswerError(0, type(error).__name__, _without_objects(str(error))) from error
        if answer.status >= 300:
            raise _refusal(answer)
        return answer

    def _identity(self) -> dict[str, str]:
        """Headers that say who we are; tokens are asked for each time, because they expire."""
        found = self._configuration.auth_settings()
        return {one["key"]: one["value"] for one in found.values() if one.get("in") == "header" and one.get("value")}


def _lines(answer: Any) -> Iterator[bytes]:
    import urllib3

    rest = b""
    try:
        for part in answer.stream(amt=None, decode_content=True):
            *whole, rest = (rest + part).split(b"\n")
            yield from whole
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise AnswerError(0, type(error).__name__, _without_objects(str(error))) from error
    if rest:
        yield rest


def _refusal(answer: Any) -> AnswerError:
    raw = answer.data if answer.data is not None else b""
    text = raw.decode("utf-8", "replace")
    try:
        status = json.loads(text)
        reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    except (ValueError, AttributeError):
        reason, message = str(answer.reason or ""), text.strip()[:500]
    wait = answer.headers.get("Retry-After", "")
    return AnswerError(answer.status, reason, message, float(wait) if wait.isdigit() else 0.0)


def _without_objects(text: str) -> str:
    """The words of a library's error without the addresses of its objects."""
    return text.partition("object at 0x")[2].partition(">: ")[2] or text.rpartition("): ")[2] or text


# --- kubeconfigs -----------------------------------------------------------------------------------------------------


def _configuration(kubeconfig: str | None, context: str | None) -> tuple[Any, str]:
    """The package's configuration, and the namespace that goes with it."""
    try:
        import kubernetes
        from kubernetes.config.config_exception import ConfigException
    except ModuleNotFoundError as error:
        raise MissingExtraError("the engine 'argo'", "argo") from error
    made = kubernetes.client.Configuration()
    file = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    exists = any(Path(one).expanduser().is_file() for one in file.split(os.pathsep))
    try:
        if exists:
            return made, _from_file(kubernetes.config, file, context, made)
        if kubeconfig is None and context is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
            load: Any = kubernetes.config.load_incluster_config
            load(client_configuration=made)
            return made, _POD_NAMESPACE.read_text(encoding="utf-8").strip() if _POD_NAMESPACE.is_file() else ""
    except ConfigException as error:
        known = _contexts(kubernetes.config, file)
        hint = f"contexts there: {', '.join(known)}" if known else "`kubectl config view` shows the file"
        raise ConfigError(f"the kubeconfig {file} cannot be used: {error}", hint) from error
    except Exception as error:  # YAML that is none, a login program that fails: the package lets anything through
        raise ConfigError(f"the kubeconfig {file} cannot be used: {type(error).__name__}: {error}") from error
    if kubeconfig is not None:
        raise ConfigError(f"there is no kubeconfig {kubeconfig}", "name the file with --kubeconfig")
    raise EngineUnreachableError(
        f"no cluster is known: there is no kubeconfig at {file}, and this is not a pod",
        "name a file with --kubeconfig or KUBECONFIG",
    )


def _from_file(config: Any, file: str, context: str | None, made: Any) -> str:
    paths = os.pathsep.join(str(Path(one).expanduser()) for one in file.split(os.pathsep))
    config.load_kube_config(config_file=paths, context=context, client_configuration=made, persist_config=False)
    contexts, active = config.list_kube_config_contexts(config_file=paths)
    chosen = next((one for one in contexts if one["name"] == context), None) if context else active
    return str((chosen or {}).get("context", {}).get("namespace") or "")


def _contexts(config: Any, file: str) -> list[str]:
    try:
        return sorted(str(one["name"]) for one in config.list_kube_config_contexts(config_file=file)[0])
    except Exception:  # the file that could not be read a moment ago
        return []


def _pool(configuration: Any) -> Any:
    import urllib3

    options: dict[str, Any] = {"maxsize": 4}
    if str(configuration.host).startswith("https"):
        options["cert_reqs"] = "CERT_REQUIRED" if configuration.verify_ssl else "CERT_NONE"
        names = {"ca_certs": "ssl_ca_cert", "cert_file": "cert_file", "key_file": "key_file"}
        options |= {ours: value for ours, name in names.items() if (value := getattr(configuration, name, None))}
        if name := getattr(configuration, "tls_server_name", None):
            options |= {"server_hostname": name, "assert_hostname": name}
    if proxy := getattr(configuration, "proxy", None):
        return urllib3.ProxyManager(proxy, proxy_headers=getattr(configuration, "proxy_headers", None), **options)
    return urllib3.PoolManager(**options)
