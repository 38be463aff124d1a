"""Measure the local engine beside its peers, and what a newcomer feels: start, import, install, memory.

    python benchmarks/setup_peers.py            # once; installs the peers into environments of their own
    python benchmarks/local_engine.py           # all parts; prints tables, writes results/local_engine.json
    python benchmarks/local_engine.py steps install

Every number is a median of ``--repeats`` runs (5 unless told) after one small run that is not counted. Parts and
contenders (``--only couler,luigi``) that were not asked for keep the numbers of the last time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

import machine
import setup_peers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results" / "local_engine.json"
STEPS = 100

# name in the table -> (script, environment, where steps run, where state is kept)
CONTENDERS: dict[str, tuple[str, dict[str, str], str, str]] = {
    "couler": ("couler", {}, "processes", "SQLite, at every transition"),
    "plain process pool": ("pool", {}, "processes", "none"),
    "hamilton": ("hamilton", {}, "own process", "none"),
    "kedro": ("kedro", {}, "own process", "none"),
    "luigi": ("luigi", {}, "own process", "a file per task"),
    "dagster in memory": ("dagster", {"STATE": "memory"}, "own process", "none"),
    "dagster": ("dagster", {}, "own process", "SQLite"),
    "redun": ("redun", {}, "threads", "SQLite"),
    "prefect": ("prefect", {}, "threads", "SQLite, by a server"),
    "metaflow": ("metaflow", {}, "processes", "files"),
}

HELLO = """import couler


@couler.step
def hello(name: str) -> str:
    return f"hello, {name}"


@couler.workflow
def greet(name: str = "world"):
    return hello(name)
"""


def measure_steps(repeats: int, only: list[str], before: list[dict]) -> list[dict[str, object]]:
    """Milliseconds a step for a chain and for a fan-out, of every contender that is installed."""
    rows: list[dict[str, object]] = []
    for name, (script, environment, isolation, state) in CONTENDERS.items():
        if only and name not in only:
            rows += [row for row in before if row["name"] == name]
            continue
        python = Path(sys.executable) if script in ("couler", "pool") else setup_peers.python_of(script)
        if python is None:
            print(f"{name}: not installed, left out (benchmarks/setup_peers.py installs it)", file=sys.stderr)
            continue
        chain = run_peer(python, script, "chain", repeats, environment)
        fan = run_peer(python, script, "fan", repeats, environment)
        if chain is None or fan is None:
            continue
        row = {"name": name, "version": chain["version"], "steps_run_in": isolation, "state": state}
        row |= {"chain_ms": per_step(chain["seconds"]), "fan_ms": per_step(fan["seconds"]), "runs": repeats}
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


def run_peer(
    python: Path, script: str, shape: str, repeats: int, environment: dict[str, str], size: int = STEPS
) -> dict | None:
    """The last line of a peer's script, as JSON; None with a word on stderr when it failed."""
    command = [str(python), str(HERE / "peers" / f"{script}_peer.py"), shape, str(size), str(repeats)]
    with tempfile.TemporaryDirectory() as folder:
        variables = {**os.environ, "TMPDIR": folder, **environment}
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"{script} {shape}: failed: {reason}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def per_step(seconds: list[float]) -> float:
    """Milliseconds a step: the median of the runs."""
    return round(statistics.median(seconds) / STEPS * 1000, 3)


def measure_start(repeats: int) -> dict[str, float]:
    """Seconds of whole processes: a first run, the import alone, and the help text."""
    couler = str(Path(sys.executable).parent / "couler")
    importing = "import time; t = time.perf_counter(); import couler; print(time.perf_counter() - t)"
    return {
        "first_run_s": median(repeats, lambda: first_run([couler, "run", "hello.py"])),
        "import_s": median(repeats, lambda: float(output_of([sys.executable, "-c", importing]))),
        "help_s": median(repeats, lambda: timed([couler, "--help"])),
        "python_itself_s": median(repeats, lambda: timed([sys.executable, "-c", "pass"])),
    }


def first_run(command: list[str]) -> float:
    """Seconds of a ten-line workflow run for the first time in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "hello.py").write_text(HELLO, encoding="utf-8")
        return timed(command, folder)


def timed(command: list[str], folder: str | None = None) -> float:
    """Seconds of one command."""
    start = time.perf_counter()
    output_of(command, folder)
    return time.perf_counter() - start


def output_of(command: list[str], folder: str | None = None) -> str:
    """What a command prints; stops the benchmark when it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def median(repeats: int, measure: Callable[[], float]) -> float:
    """The median of several measurements after one that is not counted."""
    measure()
    return round(statistics.median(measure() for _ in range(repeats)), 3)


INSTALLERS = ("pip", "pip-*", "setuptools", "setuptools-*", "pkg_resources", "_distutils_hack")


def measure_install(repeats: int) -> dict[str, float]:
    """Packages and megabytes of a base install in a fresh environment, without pip and setuptools."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "bin", "python"))
        output_of([python, "-m", "pip", "install", "--quiet", str(ROOT)])
        listed = json.loads(output_of([python, "-m", "pip", "list", "--format", "json"]))
        packages = [each["name"] for each in listed if each["name"] not in ("pip", "setuptools")]
        site = next(Path(folder, "lib").glob("python*/site-packages"))
        whole = size_of(site)
        tools = sum(size_of(path) for pattern in INSTALLERS for path in site.glob(pattern))
    return {"packages": len(packages), "megabytes": round((whole - tools) / 1e6, 1)}


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure_memory(repeats: int) -> list[dict[str, float]]:
    """Memory of the runner's process against the number of steps: before the run, and how much the run adds."""
    rows = []
    for size in (1_000, 10_000):
        found = run_peer(Path(sys.executable), "couler", "memory", 1, {}, size)
        if found:
            print(json.dumps(found), flush=True)
            rows.append(found)
    return rows


PARTS: dict[str, Callable[[int], object]] = {
    "start": measure_start,
    "install": measure_install,
    "memory": measure_memory,
}


def show(results: dict) -> None:
    """Print the results as plain tables."""
    for row in results.get("steps", []):
        print(
            f"{row['name']:<20} {row['version']:<10} {row['chain_ms']:>9} {row['fan_ms']:>9} ms a step (chain, fan-out)"
        )
    for part in ("start", "install", "memory"):
        print(f"{part}: {json.dumps(results.get(part))}")


def main() -> None:
    """Measure the named parts and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ["steps", *PARTS]
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="parts to measure; all when none is named")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="contenders of the part steps, by commas")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    repeats = results.get("repeats", {})
    only = [name.strip() for name in arguments.only.split(",") if name.strip()]
    if unknown := sorted(set(only) - set(CONTENDERS)):
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(CONTENDERS)}")
    for part in arguments.parts or parts:
        if part == "steps":
            results[part] = measure_steps(arguments.repeats, only, results.get(part, []))
        else:
            results[part] = PARTS[part](arguments.repeats)
            repeats[part] = arguments.repeats
    results |= {"machine": machine.facts(), "repeats": repeats, "steps_per_run": STEPS}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    show(results)


if __name__ == "__main__":
    main()
