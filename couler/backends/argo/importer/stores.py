"""Places of artifacts as addresses of stored files, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from couler.backends.argo.importer.reading import as_text
from couler.backends.argo.importer.tags import NOWHERE
from couler.core.ir import model as ir

_KEYS: Mapping[str, Mapping[str, str]] = {
    "s3": {"accesskey_id": "accessKeySecret", "accesskey_secret": "secretKeySecret"},
    "oss": {"accesskey_id": "accessKeySecret", "accesskey_secret": "secretKeySecret"},
    "gcs": {"service_account_key": "serviceAccountKeySecret"},
    "azure": {"account_key": "accountKeySecret"},
    "git": {"username": "usernameSecret", "password": "passwordSecret", "ssh_key": "sshPrivateKeySecret"},
}
"""Store to the names of its credentials in couler and in Argo."""
_PLAIN: Mapping[str, tuple[str, ...]] = {"s3": ("region",), "oss": ("endpoint",), "azure": ("endpoint",),
                                         "git": ("revision",)}  # fmt: skip
_SCHEMES = {"s3": "s3", "gs": "gcs", "oss": "oss", "az": "azure", "hdfs": "hdfs"}


def read_location(artifact: Mapping[str, Any]) -> ir.StoredFile:
    """The file at an artifact's own place; with an address that says so when couler cannot name it.

    >>> read_location({"s3": {"bucket": "b", "key": "k", "endpoint": "minio:9000", "insecure": True}}).url
    's3://b/k'
    """
    kind = next((kind for kind in (*_SCHEMES.values(), "git", "http") if artifact.get(kind)), "")
    store = artifact.get(kind)
    url = _url(kind, store) if isinstance(store, Mapping) and "{{" not in f"{store}" else ""
    if not url or not isinstance(store, Mapping):
        return ir.StoredFile(url=NOWHERE)
    options = {name: as_text(store[name]) for name in _PLAIN.get(kind, ()) if store.get(name)}
    if kind == "s3" and store.get("endpoint"):
        options["endpoint"] = ("http://" if store.get("insecure") is True else "") + as_text(store["endpoint"])
    if kind == "hdfs" and store.get("hdfsUser"):
        options["user"] = as_text(store["hdfsUser"])
    secrets = {name: ir.SecretRef(name=found["name"], key=as_text(found["key"]))
               for name, field in _KEYS.get(kind, {}).items() if _is_key(found := store.get(field))}  # fmt: skip
    return ir.StoredFile(url=url, options=options, credentials=secrets)


def _url(kind: str, store: Mapping[str, Any]) -> str:
    match kind, store:
        case "http", {"url": str(url)}:
            return url
        case "git", {"repo": str(repo)} if repo.startswith("http"):
            return f"git+{repo}"
        case (("s3" | "gcs" | "oss"), {"bucket": str(bucket), "key": str(key)}):
            return f"{'gs' if kind == 'gcs' else kind}://{bucket}/{key}"
        case "azure", {"container": str(container), "blob": str(blob)}:
            return f"az://{container}/{blob}"
        case "hdfs", {"addresses": [str(address)], "path": str(path)}:
            return f"hdfs://{address}/{path.lstrip('/')}"
        case _:
            return ""


def _is_key(found: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(found, Mapping) and isinstance(found.get("name"), str) and "key" in found


def write_location(file: ir.StoredFile) -> dict[str, Any]:
    """The place of an artifact, for a file with an address of its own.

    >>> write_location(ir.StoredFile(url="gs://bucket/a/b"))
    {'gcs': {'bucket': 'bucket', 'key': 'a/b'}}
    """
    scheme, _, rest = file.url.partition("://")
    if file.url.startswith(NOWHERE):
        return {}
    kind = _SCHEMES.get(scheme, "git" if scheme.startswith("git+") else "http")
    bucket, _, key = rest.partition("/")
    made: dict[str, Any]
    match kind:
        case "http":
            return {"http": {"url": file.url}}
        case "git":
            made = {"repo": file.url.removeprefix("git+")}
        case "azure":
            made = {"container": bucket, "blob": key}
        case "hdfs":
            made = {"addresses": [bucket], "path": f"/{key}", "hdfsUser": file.options.get("user")}
        case _:
            made = {"bucket": bucket, "key": key}
    endpoint = file.options.get("endpoint", "")
    if kind == "s3" and endpoint:
        made |= {"endpoint": endpoint.removeprefix("http://"), "insecure": endpoint.startswith("http://") or None}
    made |= {name: file.options.get(name) for name in _PLAIN.get(kind, ())}
    keys = _KEYS.get(kind, {})
    made |= {keys[name]: {"name": one.name, "key": one.key} for name, one in file.credentials.items() if name in keys}
    return {kind: {name: value for name, value in made.items() if value is not None}}
