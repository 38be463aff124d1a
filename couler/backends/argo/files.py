"""Files of a workflow as Argo's artifacts."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from couler.backends.argo.attributes import FOLDER
from couler.core.errors import EngineError
from couler.core.ir.model import Output, StoredFile

FILES = ("file", "folder")


def is_file_type(kind: str) -> bool:
    """Whether values of a type are files or folders."""
    return kind in FILES


def absolute(path: str) -> str:
    """A path in a container.

    >>> absolute("model.bin"), absolute("/data/model.bin")
    ('/tmp/couler/work/model.bin', '/data/model.bin')
    """
    return path if path.startswith("/") else f"{FOLDER}/{path.removeprefix('./')}"


def output_artifact(output: Output, name: str) -> dict[str, Any]:
    """A file that a task writes; single files are kept as they are, folders as archives."""
    artifact: dict[str, Any] = {"name": name, "path": absolute(output.path or output.name)}
    if output.type == "file":
        artifact["archive"] = {"none": {}}
    return artifact


def location(stored: StoredFile) -> dict[str, Any]:
    """Where a file outside the workflow lies, as the field of an artifact.

    Raises:
        EngineError: Argo has no store of that kind.

    >>> location(StoredFile(url="s3://bucket/a/b.csv", options={"region": "eu-west-1"}))
    {'s3': {'bucket': 'bucket', 'key': 'a/b.csv', 'endpoint': 's3.amazonaws.com', 'region': 'eu-west-1'}}
    """
    parts = urlsplit(stored.url)
    scheme = parts.scheme.lower()
    if scheme in ("s3", "minio"):
        return {"s3": _s3(stored, parts.netloc, parts.path.lstrip("/"))}
    if scheme in ("gs", "gcs"):
        return {"gcs": {"bucket": parts.netloc, "key": parts.path.lstrip("/"), **_keys(stored, _GCS)}}
    if scheme == "oss":
        fields = {"bucket": parts.netloc, "key": parts.path.lstrip("/")}
        return {"oss": {**fields, **_plain(stored, ("endpoint",)), **_keys(stored, _S3)}}
    if scheme in ("az", "abfs", "azure"):
        fields = {"container": parts.netloc, "blob": parts.path.lstrip("/")}
        return {"azure": {**fields, **_plain(stored, ("endpoint",)), **_keys(stored, _AZURE)}}
    if scheme == "hdfs":
        hdfs: dict[str, Any] = {"addresses": [parts.netloc], "path": parts.path}
        user = stored.options.get("user")
        return {"hdfs": {**hdfs, **({"hdfsUser": user} if user else {})}}
    if scheme.startswith("git+") or stored.url.endswith(".git"):
        return {"git": _git(stored)}
    if scheme in ("http", "https"):
        return {"http": {"url": stored.url}}
    raise EngineError(
        f"Argo has no store for the file at {stored.url!r}",
        "use a URL of s3:, gs:, oss:, az:, hdfs:, git+https:, https: or http:",
    )


def key_location(store: str, key: str) -> dict[str, Any]:
    """A place in the repository that Argo is configured with, as the field of an artifact.

    Args:
        store: Kind of the repository: ``s3``, ``gcs``, ``oss`` or ``azure``.
        key: Key within it; it may hold tags of Argo.

    >>> key_location("azure", "a/b")
    {'azure': {'blob': 'a/b'}}
    """
    return {store: {"blob" if store == "azure" else "key": key}}


_S3 = {
    "accesskey_id": "accessKeySecret",
    "accesskey_secret": "secretKeySecret",
    "session_token": "sessionTokenSecret",
}
_GCS = {"service_account_key": "serviceAccountKeySecret"}
_AZURE = {"account_key": "accountKeySecret"}
_GIT = {"username": "usernameSecret", "password": "passwordSecret", "ssh_key": "sshPrivateKeySecret"}


def _s3(stored: StoredFile, bucket: str, key: str) -> dict[str, Any]:
    endpoint = stored.options.get("endpoint", "s3.amazonaws.com")
    fields: dict[str, Any] = {"bucket": bucket, "key": key, "endpoint": endpoint.split("://")[-1]}
    if endpoint.startswith("http://") or stored.options.get("insecure", "").lower() == "true":
        fields["insecure"] = True
    return {**fields, **_plain(stored, ("region",)), **_keys(stored, _S3)}


def _git(stored: StoredFile) -> dict[str, Any]:
    url, _, revision = stored.url.removeprefix("git+").partition("#")
    revision = stored.options.get("revision") or revision
    fields: dict[str, Any] = {"repo": url, **({"revision": revision} if revision else {})}
    return {**fields, **_keys(stored, _GIT)}


def _plain(stored: StoredFile, names: tuple[str, ...]) -> dict[str, str]:
    return {name: stored.options[name] for name in names if name in stored.options}


def _keys(stored: StoredFile, fields: dict[str, str]) -> dict[str, Any]:
    return {
        fields[name]: {"name": secret.name, "key": secret.key}
        for name, secret in stored.credentials.items()
        if name in fields
    }
