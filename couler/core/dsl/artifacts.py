"""Files and values at declared places: outputs that a container writes, and files in object stores and repositories."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any, Literal

from couler.core.errors import DefinitionError
from couler.core.ir import model as ir


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file outside the workflow: as an input it is read from there, as an output it is stored there.

    Attributes:
        path: Where it appears in the step.
        source: Where it lives.
    """

    path: str
    source: ir.StoredFile
    type: Literal["file", "folder"] = "file"

    def as_output(self) -> ir.Output:
        """The declaration of an output that is stored there."""
        return ir.Output(name=output_name(self.path), type=self.type, path=self.path, store=self.source)


def output_name(path: str) -> str:
    """A name for an output, from the path that is written.

    >>> output_name("/tmp/accuracy.txt")
    'accuracy_txt'
    """
    return re.sub(r"\W+", "_", posixpath.basename(path.rstrip("/"))).strip("_") or "output"


def create_parameter_artifact(path: str, is_global: bool = False, *, type: str = "str", name: str = "") -> ir.Output:
    """A value that a script or container writes to a file.

    Args:
        path: The file; absolute, or relative to the step's folder.
        is_global: Accepted for programs of upstream Couler; outputs can be used everywhere in their scope anyway.
        type: ``str``, or another type whose JSON the file holds.
        name: Name of the output; taken from the file's name when empty.

    >>> create_parameter_artifact(path="/tmp/accuracy.txt").name
    'accuracy_txt'
    """
    return ir.Output(name=name or output_name(path), type=type, path=path)


def _credentials(**references: Any) -> dict[str, ir.SecretRef]:
    given = {name: reference for name, reference in references.items() if reference is not None}
    for name, reference in given.items():
        if not isinstance(reference, ir.SecretRef):
            raise DefinitionError(
                f"{name} must be a reference to a secret; a value would end up in the workflow's text",
                f'{name}=couler.secret("store", "{name}")',
            )
    return given


def _object(
    scheme: str, path: str, bucket: str, key: str, settings: dict[str, str], secrets: dict[str, Any]
) -> Artifact:
    url = f"{scheme}://{bucket}/{key.lstrip('/')}"
    return Artifact(path, ir.StoredFile(url=url, options=settings, credentials=secrets))


def create_s3_artifact(
    path: str,
    bucket: str,
    key: str,
    *,
    accesskey_id: ir.SecretRef | None = None,
    accesskey_secret: ir.SecretRef | None = None,
    endpoint: str = "",
    insecure: bool = False,
    is_global: bool = False,
) -> Artifact:
    """A file in S3 or a store with its API, as an input or an output.

    Args:
        path: Where it appears in the step.
        bucket: The bucket.
        key: The object's key.
        accesskey_id: `couler.secret` reference.
        accesskey_secret: `couler.secret` reference.
        endpoint: URL of the store when it is not Amazon's.
        insecure: Plain HTTP.
        is_global: Accepted for programs of upstream Couler; without effect.

    Raises:
        DefinitionError: A credential is a value instead of a reference.

    >>> create_s3_artifact("/data/train.csv", "bucket", "train.csv").source.url
    's3://bucket/train.csv'
    """
    settings = {
        name: value for name, value in {"endpoint": endpoint, "insecure": "true" if insecure else ""}.items() if value
    }
    secrets = _credentials(accesskey_id=accesskey_id, accesskey_secret=accesskey_secret)
    return _object("s3", path, bucket, key, settings, secrets)


def create_oss_artifact(
    path: str,
    bucket: str,
    key: str,
    *,
    endpoint: str = "",
    accesskey_id: ir.SecretRef | None = None,
    accesskey_secret: ir.SecretRef | None = None,
    is_global: bool = False,
) -> Artifact:
    """A file in Alibaba Cloud's object store; arguments as for `create_s3_artifact`."""
    secrets = _credentials(accesskey_id=accesskey_id, accesskey_secret=accesskey_secret)
    return _object("oss", path, bucket, key, {"endpoint": endpoint} if endpoint else {}, secrets)


def create_gcs_artifact(
    path: str, bucket: str, key: str, *, service_account_key: ir.SecretRef | None = None
) -> Artifact:
    """A file in Google Cloud Storage; arguments as for `create_s3_artifact`."""
    return _object("gs", path, bucket, key, {}, _credentials(service_account_key=service_account_key))


def create_hdfs_artifact(path: str, url: str, *, user: str = "") -> Artifact:
    """A file in HDFS, by its URL ``hdfs://host:port/path``."""
    if not url.startswith("hdfs://"):
        raise DefinitionError(f"{url!r} is not an HDFS address", "hdfs://host:port/path")
    return Artifact(path, ir.StoredFile(url=url, options={"user": user} if user else {}))


def create_git_artifact(
    path: str,
    repo: str,
    revision: str = "HEAD",
    *,
    username: ir.SecretRef | None = None,
    password: ir.SecretRef | None = None,
) -> Artifact:
    """A checkout of a git repository, as an input folder.

    Args:
        path: Where the checkout appears in the step.
        repo: Address of the repository, such as ``https://host/group/project.git``.
        revision: Branch, tag or commit.
        username: `couler.secret` reference.
        password: `couler.secret` reference.
    """
    secrets = _credentials(username=username, password=password)
    source = ir.StoredFile(url=f"git+{repo}", options={"revision": revision}, credentials=secrets)
    return Artifact(path, source, "folder")


def stored_file(url: str, *, credentials: dict[str, ir.SecretRef] | None = None, **options: str) -> ir.StoredFile:
    """A file by URL, to be given to an `InFile` parameter.

    Args:
        url: Such as ``s3://bucket/key``, ``gs://…``, ``file:///…`` or a path on this machine.
        credentials: Secrets of the store, by reference.
        options: Settings of the store, such as ``endpoint``.
    """
    return ir.StoredFile(url=url, options=options, credentials=_credentials(**(credentials or {})))
