"""Run what travels in a Python that has neither couler nor any other package, and compare it with the original."""

import importlib
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

from couler.core.dsl.source import portable_source


class Project:
    """Files of a user in a folder of their own; modules are forgotten when the test ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.folder / (name.replace("__SLASH__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")

    def load(self, name: str = "flow") -> ModuleType:
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def module(self, text: str, **others: str) -> ModuleType:
        self.write(flow=text, **others)
        return self.load()


def run_bare(source: str, entry: str, folder: Path, *args: Any) -> Any:
    """What the entry returns in ``python -I -S`` in an empty folder."""
    folder.mkdir(exist_ok=True)
    call = textwrap.dedent(
        f"""
        import asyncio, inspect, json, sys
        result = {entry}(*json.loads(sys.argv[1]))
        if inspect.isawaitable(result):
            async def finish():
                return await result
            result = asyncio.run(finish())
        print("RESULT" + json.dumps(result))
        """
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", source + call, json.dumps(args)],
        cwd=folder, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stderr}\n--- source\n{source}"
    return json.loads(done.stdout.rpartition("RESULT")[2])


def travels(project: Project, module: ModuleType, *args: Any, entry: str = "work") -> str:
    """Check that the function gives the same in a bare Python as here, and return the source that travels."""
    function = getattr(module, entry)
    source = portable_source(function)
    here = json.loads(json.dumps(function(*args)))
    assert run_bare(source, function.__name__, project.folder / "empty", *args) == here
    return source
