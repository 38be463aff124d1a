"""Who we are to an Airflow: a token that is given, that a program prints, or that the server gives to who logs in.

What is secret stands nowhere here: settings say where it is, and it is read when it is needed.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from couler.core.errors import ConfigError

_PROGRAM_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """How to get a token; the first that is set counts, and an open server gives one to everybody.

    Attributes:
        token: Where it is: ``env:NAME`` or ``file:PATH``.
        token_command: A program that prints it.
        user: Name for logging in.
        password: Where the password is: ``env:NAME`` or ``file:PATH``.
    """

    token: str = ""
    token_command: str = ""
    user: str = ""
    password: str = ""

    @property
    def shown(self) -> str:
        """What it is, for people."""
        if self.token:
            return f"the token in {self.token}"
        if self.token_command:
            return f"the token that '{shlex.split(self.token_command)[0]}' prints"
        return f"the user {self.user}" if self.user else "nobody (no token and no user is set)"

    def ready_token(self) -> str:
        """The token, when it need not be asked from the server; else empty.

        Raises:
            ConfigError: It cannot be had.
        """
        if self.token:
            return secret(self.token, "token").removeprefix("Bearer ")
        return _printed(self.token_command) if self.token_command else ""

    def login(self) -> dict[str, str] | None:
        """What logs in, or None for who has no name.

        Raises:
            ConfigError: The password cannot be had.
        """
        if not self.user:
            return None
        return {"username": self.user, "password": secret(self.password, "password")}


def secret(reference: str, what: str) -> str:
    """What a reference leads to.

    Raises:
        ConfigError: Nothing is there.
    """
    kind, _, where = reference.partition(":")
    if kind == "file":
        try:
            found = Path(where).expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"the {what} in {where} cannot be read: {error.strerror}") from None
        if not found:
            raise ConfigError(f"the file {where} with the {what} is empty")
        return found
    if kind != "env":
        raise ConfigError(f"where the {what} is, is not said", f"set {what} to env:NAME or file:PATH")
    if not os.environ.get(where):
        raise ConfigError(f"the variable {where} with the {what} is not set", f"export {where}=…")
    return os.environ[where]


def _printed(command: str) -> str:
    words = shlex.split(command)
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_PROGRAM_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"the program '{words[0]}', which prints the token, did not run: {error}") from None
    if done.returncode or not done.stdout.strip():
        reason = done.stderr.strip()[-300:] or "it printed nothing"
        raise ConfigError(f"the program '{words[0]}', which prints the token, failed: {reason}")
    return done.stdout.strip()
