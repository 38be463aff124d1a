"""A real S3 server (versitygw, over a folder) on the cluster's node: what engines keep their artifacts in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from tests.engines.kubernetes import golang, settings
from tests.engines.kubernetes.api import Object
from tests.engines.kubernetes.node import Node

HERE = Path(__file__).resolve().parent
PORT = 9000
SECRET = "s3-credentials"
REGION = "us-east-1"


@dataclass(frozen=True)
class S3:
    """Where the server is and who may use it; the keys are made for one start and never shown."""

    bucket: str
    endpoint: str
    """As pods know it: host and port."""
    outside: str
    """As everybody else on the machine knows it: a URL."""
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)

    def credentials(self) -> Object:
        """The Secret that engines take the keys from."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET},
            "stringData": {"accesskey": self.access_key, "secretkey": self.secret_key},
        }


def executable() -> Path:
    """The server, built from its Go module."""
    return golang.executable("bin/versitygw", HERE / "binaries", "github.com/versity/versitygw/cmd/versitygw")


def start(node: Node, bucket: str) -> S3:
    """Start the server on a node that forwards ``s3``, with one empty bucket."""
    keys = {"ROOT_ACCESS_KEY": secrets.token_hex(8), "ROOT_SECRET_KEY": secrets.token_hex(16)}
    data = node.paths.memory / "s3"
    node.inside.run("mkdir", "-p", str(data / bucket))
    command = [str(executable()), "--port", f":{PORT}", "--region", REGION, "--health", "/health", "posix", str(data)]
    node.inside.start("s3", command, keys)
    health = f"http://127.0.0.1:{PORT}/health"
    node.until(lambda: node.inside.succeeds("curl", "--silent", "--fail", health), "the S3 server answers")
    outside = f"http://127.0.0.1:{node.inside.ports['s3']}"
    endpoint = f"{settings.NODE_ADDRESS}:{PORT}"
    return S3(bucket, endpoint, outside, keys["ROOT_ACCESS_KEY"], keys["ROOT_SECRET_KEY"])
