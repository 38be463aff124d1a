"""What makes a cluster's Argo keep runs in a database and serve them: PostgreSQL and an argo-server on its node."""

from __future__ import annotations

from collections.abc import Mapping

from tests import postgres
from tests.engines.argo.builds import Argo
from tests.engines.kubernetes.api import Object
from tests.engines.kubernetes.node import Node

PORT = 2746
CONTROLLER_ENVIRONMENT: Mapping[str, str] = {"ALWAYS_OFFLOAD_NODE_STATUS": "true"}
"""Argo keeps the nodes of every run in its database, not only those of large ones."""

_DATABASE_PORT = 5432
_USER = "argo"
_SECRET: Object = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "database"},
    "stringData": {"user": _USER, "password": "not-asked-for"},
}
_FOLDER = "/run/database"
"""In memory, and seen only inside."""
_AS_SERVER_USER = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
"""PostgreSQL refuses to run as root."""


def start_database(node: Node, namespace: str) -> Object:
    """Start PostgreSQL with an empty database; gives Argo's settings for it.

    Args:
        node: The node.
        namespace: Where Argo looks for the user and the password.
    """
    programs = postgres.programs()
    assert programs is not None
    node.inside.run("install", "--directory", "--owner=postgres", _FOLDER)
    initdb = (f"{programs}/initdb", f"--pgdata={_FOLDER}/data", f"--username={_USER}", "--auth=trust", "--no-sync")
    node.inside.run(*_AS_SERVER_USER, *initdb, "--encoding=UTF8", "--locale=C")
    settings = (
        "listen_addresses=127.0.0.1",
        f"unix_socket_directories={_FOLDER}",
        "fsync=off",
        f"port={_DATABASE_PORT}",
    )
    server = [f"{programs}/postgres", "-D", f"{_FOLDER}/data", *(word for one in settings for word in ("-c", one))]
    node.inside.start("postgres", [*_AS_SERVER_USER, *server])
    ready = (f"{programs}/psql", "--host=127.0.0.1", f"--username={_USER}", "--dbname=postgres", "--command=select 1")
    node.until(lambda: node.inside.succeeds(*ready), "the database answers")
    node.api.apply(_SECRET, namespace)
    key = {"name": _SECRET["metadata"]["name"]}
    return {
        "archive": True,
        "nodeStatusOffLoad": True,
        "postgresql": {
            "host": "127.0.0.1",
            "port": _DATABASE_PORT,
            "database": "postgres",
            "tableName": "argo_workflows",
            "userNameSecret": {**key, "key": "user"},
            "passwordSecret": {**key, "key": "password"},
        },
    }


def start_server(node: Node, argo: Argo, namespace: str) -> str:
    """Start an argo-server that knows callers by their Kubernetes tokens; gives its URL for everybody outside.

    Args:
        node: A node that forwards ``argo-server``.
        argo: What was built.
        namespace: Where Argo's settings are.
    """
    command = [
        str(argo.server),
        "server",
        f"--namespace={namespace}",
        "--auth-mode=client",
        "--secure=false",
        f"--port={PORT}",
    ]
    environment = {"KUBECONFIG": str(node.paths.kubeconfig_inside)}  # the only place in which it looks for each caller
    node.inside.start("argo-server", command, environment)
    address = f"http://127.0.0.1:{PORT}/"
    node.until(lambda: node.inside.succeeds("curl", "--silent", "--fail", address), "the argo-server answers")
    return f"http://127.0.0.1:{node.inside.ports['argo-server']}"
