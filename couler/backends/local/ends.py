"""What the end of a process means, in words."""

from __future__ import annotations

import signal
from pathlib import Path

from couler.backends.local.work import Failure
from couler.core.errors import CoulerError


def death(code: int, timed_out: bool, timeout: float | None) -> Failure:
    """Why a worker died in the middle of a step, by its exit code (negative for a signal)."""
    if timed_out:
        return Failure("Timeout", f"ran longer than {timeout:g} s and was ended", ("Timeout", "TimeoutError"))
    if code >= 0:
        kind = "OutOfMemory" if code == 137 else "ExitCode"
        return Failure(kind, f"worker process ended with exit code {code}", (kind,), code)
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
    if name == "SIGKILL" and _ran_out_of_memory():
        return Failure("OutOfMemory", "worker process was killed for lack of memory", ("OutOfMemory",), 137)
    return Failure("WorkerDied", f"worker process died with signal {name}", ("WorkerDied",), 128 - code, True)


def of_engine(error: Exception) -> Failure:
    """Why an attempt could not be prepared, or its files not be stored."""
    kind = type(error).__name__
    if not isinstance(error, CoulerError):
        return Failure(kind, f"{kind}: {error}")
    return Failure(kind, f"{error.message}; {error.hint}" if error.hint else error.message)


def _ran_out_of_memory() -> bool:
    try:
        lines = Path("/sys/fs/cgroup/memory.events").read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in lines)
