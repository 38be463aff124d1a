"""Install the peers, each into a virtual environment of its own in the user's cache folder.

    python benchmarks/setup_peers.py            # all that are missing
    python benchmarks/setup_peers.py luigi hera # these

A peer that cannot be installed here is reported and left out of the tables.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

PEERS: dict[str, tuple[str, ...]] = {
    "luigi": ("luigi",),
    "kedro": ("kedro",),
    "dagster": ("dagster",),
    "redun": ("redun",),
    # The newest fastapi that prefect's own range admits breaks its first run: `Body() got an unexpected keyword`.
    "prefect": ("prefect", "fastapi<0.150"),
    "metaflow": ("metaflow",),
    "hamilton": ("apache-hamilton",),
    "hera": ("hera", "pyyaml"),
}


def cache() -> Path:
    """The folder of the environments: ``$XDG_CACHE_HOME/couler-benchmarks``, or below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "couler-benchmarks"


def python_of(peer: str) -> Path | None:
    """The interpreter of an installed peer, or None."""
    folder = cache() / peer
    return folder / "bin" / "python" if (folder / "installed").exists() else None


def install(peer: str) -> str:
    """Install one peer; returns an empty string, or why it failed."""
    folder = cache() / peer
    venv.create(folder, with_pip=True, clear=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *PEERS[peer]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    (folder / "installed").write_text("\n".join(PEERS[peer]) + "\n", encoding="utf-8")
    return ""


def main(names: list[str]) -> int:
    """Install the named peers, or all that are missing."""
    unknown = sorted(set(names) - set(PEERS))
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(PEERS)}", file=sys.stderr)
        return 2
    failed = 0
    for peer in names or [peer for peer in PEERS if python_of(peer) is None]:
        reason = install(peer)
        failed += bool(reason)
        print(f"{peer}: {reason or 'installed'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
