"""How an Airflow for tests is set up: environment variables, on loopback only, with short intervals."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from tests.engines.airflow import installation

Access = Literal["open", "password"]
"""Whether everybody is an administrator, or only who names the user and the password."""

USER = "couler"
PARALLELISM = 8


@dataclass(frozen=True)
class Place:
    """Folders and addresses of one Airflow."""

    home: Path
    port: int
    database: str
    """SQLAlchemy URL."""
    access: Access = "open"
    secret: str = field(default_factory=lambda: secrets.token_hex(64))
    """Signs tokens, and is the user's password."""
    further: dict[str, str] = field(default_factory=dict)
    """Further environment variables; they win."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def dags(self) -> Path:
        return self.home / "dags"

    @property
    def logs(self) -> Path:
        """What the processes say; the logs of tasks are in ``logs`` of the home."""
        return self.home / "processes"

    def prepare(self) -> None:
        """Make the folders, and the file of passwords."""
        self.dags.mkdir(parents=True)
        self.logs.mkdir()
        self._passwords.write_text(json.dumps({USER: self.secret}))

    @property
    def _passwords(self) -> Path:
        return self.home / "passwords.json"

    def environment(self) -> dict[str, str]:
        """All environment variables of Airflow's processes and commands."""
        programs = str(installation.python().parent)
        return {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": str(self.access == "open"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW": "40",  # many tests ask one api-server at a time
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": self.secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": self.secret,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "1",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",  # for files that have not changed
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            **self.further,
        }

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "home": str(self.home)}
