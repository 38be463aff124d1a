"""Artifacts of upstream Couler: what a step writes at a path, or reads from there."""

from __future__ import annotations

from typing import ClassVar

from couler.core.dsl.artifacts import output_name
from couler.core.ir import model as ir
from couler.core.upstream.differences import refusal


class Artifact:
    """A value that a step writes to a file.

    Args:
        path: The file.
        type: Without effect, as in upstream.
        is_global: Without effect: every output can be used everywhere in its workflow.
    """

    def __init__(self, path: str, type: str | None = None, is_global: bool = False) -> None:
        self.path = path
        self.type = type
        self.is_global = is_global

    @property
    def id(self) -> str:
        """Name of the output."""
        return output_name(self.path)

    def output(self) -> ir.Output:
        """The output of the workflow's model."""
        return ir.Output(name=self.id, type="str", path=self.path)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.output()!r}>"


class TypedArtifact(Artifact):
    """A file or folder; a path that ends in ``/`` is a folder.

    Args:
        artifact_type: ``local``, ``s3`` or ``oss``.
        path: Where it is in the step.
        accesskey_id: A reference made by `couler.secret`.
        accesskey_secret: A reference made by `couler.secret`.
        bucket: The bucket.
        key: The object's key.
        endpoint: URL of the store when it is not the usual one.
        is_global: Without effect.
        insecure: Plain HTTP.

    Raises:
        DefinitionError: A key of the store is a value, or the address is not complete.
    """

    _SCHEMES: ClassVar[dict[str, str]] = {"s3": "s3", "oss": "oss"}

    def __init__(
        self,
        artifact_type: str,
        path: str,
        accesskey_id: ir.SecretRef | None = None,
        accesskey_secret: ir.SecretRef | None = None,
        bucket: str | None = None,
        key: str | None = None,
        endpoint: str | None = None,
        is_global: bool = False,
        insecure: bool = False,
    ) -> None:
        super().__init__(path, artifact_type, is_global)
        self.bucket = bucket
        self.key = key
        self.endpoint = endpoint
        self.insecure = insecure
        given = {"accesskey_id": accesskey_id, "accesskey_secret": accesskey_secret}
        self.credentials = {name: item for name, item in given.items() if item}
        for name, item in self.credentials.items():
            if not isinstance(item, ir.SecretRef):
                raise refusal("artifact-keys", f"the artifact at {path}", argument=name)
        if artifact_type in self._SCHEMES and not (bucket and key):
            raise refusal("artifact-address", f"the artifact at {path}")

    @property
    def source(self) -> ir.StoredFile | None:
        """Where it is outside of the workflow; None for one in the engine's own store."""
        scheme = self._SCHEMES.get(self.type or "")
        if scheme is None:
            return None
        options = {"endpoint": self.endpoint or "", "insecure": "true" if self.insecure else ""}
        return ir.StoredFile(
            url=f"{scheme}://{(self.bucket or '').rstrip('/')}/{(self.key or '').lstrip('/')}",
            options={name: value for name, value in options.items() if value},
            credentials=self.credentials,
        )

    @property
    def kind(self) -> str:
        """``file`` or ``folder``."""
        return "folder" if self.path.endswith("/") else "file"

    def output(self) -> ir.Output:
        """The output of the workflow's model."""
        return ir.Output(name=self.id, type=self.kind, path=self.path, store=self.source)


class LocalArtifact(TypedArtifact):
    """A file or folder in the engine's own store."""

    def __init__(self, path: str, is_global: bool = False) -> None:
        super().__init__("local", path, is_global=is_global)


class S3Artifact(TypedArtifact):
    """A file in S3 or a store with its API; arguments as of `TypedArtifact`."""

    def __init__(
        self,
        path: str,
        accesskey_id: ir.SecretRef | None = None,
        accesskey_secret: ir.SecretRef | None = None,
        bucket: str | None = None,
        key: str | None = None,
        endpoint: str | None = None,
        is_global: bool = False,
        insecure: bool = False,
    ) -> None:
        super().__init__("s3", path, accesskey_id, accesskey_secret, bucket, key, endpoint, is_global, insecure)


class OssArtifact(TypedArtifact):
    """A file in Alibaba Cloud's object store; arguments as of `TypedArtifact`."""

    def __init__(
        self,
        path: str,
        accesskey_id: ir.SecretRef | None = None,
        accesskey_secret: ir.SecretRef | None = None,
        bucket: str | None = None,
        key: str | None = None,
        endpoint: str | None = None,
        is_global: bool = False,
    ) -> None:
        super().__init__("oss", path, accesskey_id, accesskey_secret, bucket, key, endpoint, is_global)
