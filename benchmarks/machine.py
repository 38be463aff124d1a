"""What a reader must know about the machine and the versions behind a measurement; no names of hosts or paths."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version


def facts() -> dict[str, object]:
    """Cores, memory, system, Python, couler's version and the day."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "couler": _couler(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _couler() -> str:
    try:
        return version("couler")
    except PackageNotFoundError:
        return ""
