"""Ending processes: whole trees, also what left its group, its session or its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable


def signal_session(session: int, number: signal.Signals) -> int:
    """Send a signal to every process of a session; gives how many got it."""
    count = 0
    for process in _all_processes():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(process) == session:
                os.kill(process, number)
                count += 1
    return count


def end_tree(leader: subprocess.Popen[bytes]) -> int:
    """End a session leader that is a child of ours with all of its tree, and give its exit code."""
    descendants = _descendants(leader.pid)
    leader.kill()
    code = leader.wait()
    _kill(descendants)
    _end_session(leader.pid)
    return code


def kill_tree(leader: int) -> None:
    """End a session leader that may be another's child, all of its session and all of its descendants."""
    _kill(_descendants(leader))
    _end_session(leader)


def _kill(processes: Iterable[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)


def _end_session(session: int) -> None:
    for _ in range(10):  # a process may fork while the others are being ended
        if signal_session(session, signal.SIGKILL) == 0:
            return


def signal_tree(leader: int, number: signal.Signals) -> None:
    """Send a signal to a session leader, its session and its descendants."""
    for process in _descendants(leader):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(process) != leader:
                os.kill(process, number)
    signal_session(leader, number)


def kill_strays(run_id: str) -> None:
    """End what steps of a run had started and what left every group, session and parent: known by its environment."""
    import psutil

    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for _ in range(10):  # a process may start another while it is being ended
        found = [process for process in _all_processes() if process not in own and _is_of_run(process, run_id)]
        if not found:
            return
        _kill(found)


def _is_of_run(process: int, run_id: str) -> bool:
    import psutil

    try:
        found = psutil.Process(process)
        environment = found.environ()
        return environment.get("COULER_RUN_ID") == run_id and "COULER_STEP" in environment
    except (psutil.Error, OSError):
        return False


def is_alive(process: int, started: float | None = None) -> bool:
    """Whether a process with this id lives and, when known, is the one that started at that time."""
    import psutil

    try:
        found = psutil.Process(process)
        return found.status() != psutil.STATUS_ZOMBIE and (started is None or abs(found.create_time() - started) < 2)
    except psutil.Error:
        return False


def _descendants(leader: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(leader).children(recursive=True)]
    except psutil.Error:
        return []


def _all_processes() -> Iterable[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - thousands of entries
    except OSError:
        import psutil

        return psutil.pids()
