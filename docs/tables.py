"""Put generated tables between their markers in README and docs.

    python docs/tables.py --write    # after a change of a declaration or a new measurement
    python docs/tables.py --check    # fails when a page is out of date

A marker is ``<!-- begin NAME -->`` or ``<!-- end NAME -->`` on a line of its own.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
MARKED = re.compile(r"^<!-- begin (?P<name>[\w-]+) -->\n.*?^<!-- end (?P=name) -->$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Pages that may have markers."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def rendered(text: str) -> str:
    """The page with every generated table as it should be."""
    return MARKED.sub(
        lambda match: f"<!-- begin {match['name']} -->\n{TABLES[match['name']]()}\n<!-- end {match['name']} -->", text
    )


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---" for _ in head], *rows] if isinstance(head, list) else []
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


@cache
def results(name: str) -> dict[str, Any]:
    """What a benchmark wrote."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def number(value: float) -> str:
    """A number of milliseconds or seconds with as many digits as mean something."""
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


# --- performance -----------------------------------------------------------------------------------------------


def steps() -> str:
    """Milliseconds a step of couler and its peers."""
    rows = [
        [row["name"], row["version"], row["steps_run_in"], row["state"], number(row["chain_ms"]), number(row["fan_ms"])]
        for row in results("local_engine")["steps"]
    ]
    return table(["", "version", "steps run in", "state is kept in", "chain, ms a step", "fan-out, ms a step"], rows)


def newcomer() -> str:
    """What a newcomer waits for and installs."""
    found = results("local_engine")
    start, install = found["start"], found["install"]
    return table(
        ["what", "measured"],
        [
            ["first run of a ten-line workflow, whole process", f"{number(start['first_run_s'])} s"],
            ["`import couler`", f"{number(start['import_s'])} s"],
            ["`couler --help`, whole process", f"{number(start['help_s'])} s"],
            ["starting Python itself, for comparison", f"{number(start['python_itself_s'])} s"],
            ["packages of a base install, couler among them", install["packages"]],
            ["size of a base install without pip", f"{install['megabytes']} MB"],
        ],
    )


def memory() -> str:
    """Memory of the process that drives a run, by number of steps."""
    names = ("built_mib", "first_mib", "last_mib")
    rows = [
        [f"{row['steps']:,}", *(f"{row[name]:.0f} MiB" for name in names), f"{kept_of_a_step(row):.1f} KiB"]
        for row in results("local_engine")["memory"]
    ]
    return table(["steps", "workflow built", "ten steps done", "all steps done", "kept of a step that is done"], rows)


def kept_of_a_step(row: dict[str, float]) -> float:
    """KiB by which the process grew for each step after the tenth."""
    return (row["last_mib"] - row["first_mib"]) * 1024 / (row["steps"] - 10)


def building() -> str:
    """Seconds to build and check large workflows."""
    rows = [
        [row["name"], row["version"], f"{row['steps']:,}", row["runs"], f"{number(row['seconds'])} s"]
        for row in results("dsl_build")["build"]
    ]
    return table(["", "version", "steps", "runs", "time, median"], rows)


def compiling_argo() -> str:
    """Seconds and memory from a program to the text for Argo."""
    rows = [
        [
            *(row["name"], row["version"], f"{row['steps']:,}", f"{number(row['seconds'])} s"),
            *(f"{row['megabytes']:.1f} MB", f"{row['peak_mib']:,.0f} MiB"),
        ]
        for row in results("argo_compile")["compile"]
    ]
    return table(["", "version", "steps", "time, median", "text", "peak of memory"], rows)


def compiling_airflow() -> str:
    """Seconds from a program to a DAG file."""
    rows = [[f"{row['steps']:,}", f"{number(row['seconds'])} s"] for row in results("airflow_compile")["compile"]]
    return table(["steps", "time, median"], rows)


def reading_airflow() -> str:
    """Seconds in which Airflow reads couler's DAG file and one by hand."""
    found: dict[int, dict[str, float]] = {}
    for row in results("airflow_compile")["read"]:
        found.setdefault(row["tasks"], {})[row["name"]] = row["parse_s"] + row["store_s"]
    rows = [
        [
            f"{tasks:,}",
            f"{number(one['couler'])} s",
            f"{number(one['by hand'])} s",
            f"{one['couler'] / one['by hand']:.2f}",
        ]
        for tasks, one in found.items()
    ]
    return table(["tasks", "couler's file", "by hand", "ratio"], rows)


def machine() -> str:
    """On what, when and how the numbers were measured."""
    found = results("local_engine")
    facts = found["machine"]
    return (
        f"Measured on {facts['date']} with couler {facts['couler']} and Python {facts['python']} on {facts['system']}, "
        f"{facts['cores']} cores, {facts['memory_gib']} GiB. {how_often()}"
    )


def how_often() -> str:
    """How many runs the times stand for."""
    found = results("local_engine")
    runs = {row["name"]: row["runs"] for row in found["steps"]} | {"start": found["repeats"]["start"]}
    most = max(runs.values())
    fewer = [f"{name}: {count}" for name, count in runs.items() if count < most]
    return f"Times are medians of {most} runs" + (f" ({', '.join(fewer)})." if fewer else ".")


# --- what the engine can do ------------------------------------------------------------------------------------


def features() -> str:
    """Features of every engine, from the declarations."""
    from couler.backends import registry
    from couler.core.ir.features import FEATURES

    declared = {name: registry.backend(name)[0].declaration() for name in registry.names()}
    rows = [
        [f"`{feature}`", words, *(standing(engine, feature) for engine in declared.values())]
        for feature, words in FEATURES.items()
    ]
    return table(["feature", "what it is", *declared], rows)


def standing(declaration: Any, feature: str) -> str:
    """How an engine stands to a feature, with the reason where there is one."""
    if feature in declaration.lowered:
        dropped = declaration.lowered[feature].startswith("drop_")
        return "left out, with a note" if dropped else "yes, rewritten"
    if declaration.support(feature) == "native":
        return "yes"
    reason = declaration.reasons.get(feature, "")
    return f"no: {reason}" if reason else "no"


def support() -> str:
    """Feature by engine: those that not every engine has, from the declarations and from what was recorded."""
    from couler.backends import registry
    from couler.core.ir.features import FEATURES

    engines = {name: registry.backend(name)[0].declaration() for name in registry.names()}
    everywhere = [name for name in FEATURES if all(each.support(name) == "native" for each in engines.values())]
    rows = [
        [words, *(f"{stance(each, name)}: {proof(engine, name)}" for engine, each in engines.items())]
        for name, words in FEATURES.items()
        if name not in everywhere
    ]
    rest = [f"{len(everywhere)} other features", *("native" for _ in engines)]
    return table(["feature", *(declared.target for declared in engines.values())], [*rows, rest])


# --- the conformance suite -------------------------------------------------------------------------------------

CONFORMANCE = ROOT / "tests" / "conformance" / "results"
PLACES = {"local": ("local",), "argo": ("argo", "argo-played"), "airflow": ("airflow",)}
"""Engine to what was recorded of it, the best proof first."""
PROOFS = {"local": "run", "argo": "run on a cluster", "argo-played": "played on a double", "airflow": "run"}


@cache
def recorded(name: str) -> Any:
    """What the conformance suite wrote; empty when it wrote nothing."""
    path = CONFORMANCE / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def conformance_features() -> str:
    """Feature by engine: how the engine stands to it, and what the suite has seen."""
    from couler.backends import registry
    from couler.core.ir.features import FEATURES

    declared = {name: registry.backend(name)[0].declaration() for name in PLACES}
    rows = [
        [f"`{feature}`", words, *(f"{stance(declared[name], feature)}: {proof(name, feature)}" for name in PLACES)]
        for feature, words in FEATURES.items()
    ]
    heads = [f"{name} {found.version}".strip() for name, found in declared.items()]
    return table(["feature", "what it is", *heads], rows)


def stance(declaration: Any, feature: str) -> str:
    """Native, lowered by a pass, or refused."""
    lowered = declaration.lowered.get(feature)
    return f"lowered (`{lowered}`)" if lowered else declaration.support(feature)


def proof(engine: str, feature: str) -> str:
    """How many cases that use a feature came out as they should, and where."""
    cases = [name for name, case in recorded("catalogue")["cases"].items() if feature in case["features"]]
    parts = []
    left = cases
    for place in PLACES[engine]:
        found = recorded(place)
        same = [name for name in left if found.get(name) == "same"]
        left = [name for name in left if name not in same]
        if same:
            parts.append(f"{len(same)} {PROOFS[place]}")
    refused = sum(recorded(PLACES[engine][-1]).get(name) == "refused" for name in left)
    if refused:
        parts.append(f"{refused} refused")
    if rest := len(left) - refused:
        parts.append(f"{rest} not run")
    return ", ".join(parts) or "no case"


def conformance_summary() -> str:
    """Cases by engine and what came of them."""
    rows = []
    for engine, places in PLACES.items():
        for place in places:
            found = list(recorded(place).values())
            counts = [sum(text == wanted for text in found) for wanted in ("same", "refused")]
            lacking = sum(text.startswith("needs ") for text in found)
            rows.append([engine, PROOFS[place], len(found), *counts, lacking, len(found) - sum(counts) - lacking])
    head = ["engine", "how", "cases", "as the case says", "refused as declared", "need what is not there", "otherwise"]
    return table(head, rows)


def conformance_rules() -> str:
    """What a workflow means, and how many cases are about each sentence."""
    found = recorded("catalogue")
    rows = [
        [sentence, sum(name in case["rules"] for case in found["cases"].values())]
        for name, sentence in found["rules"].items()
    ]
    return table(["what a workflow means", "cases"], [[escaped(cell) for cell in row] for row in rows])


def mutations() -> str:
    """Faults that were planted, and the case that caught each."""
    rows = [[row["engine"], row["fault"], f"`{row['caught_by']}`"] for row in recorded("mutations")]
    return table(["engine", "fault", "caught by"], rows)


def settings() -> str:
    """Every setting, from the table of settings."""
    from couler.config.settings import table as known

    rows = [[f"`{row.name}`", f"`{row.env}`", shown(row.default), row.type, row.help] for row in known()]
    return table(
        ["setting", "variable", "default", "type", "what it is for"], [[escaped(cell) for cell in row] for row in rows]
    )


def commands() -> str:
    """Every command, from the table of verbs."""
    from couler.cli.main import VERBS

    return table(["command", "what it does"], [[f"`couler {name}`", verb.help] for name, verb in VERBS.items()])


def shown(default: object) -> str:
    """A default for people."""
    return "" if default is None else f"`{default}`"


def escaped(cell: object) -> str:
    """A cell without bars that would end it."""
    return str(cell).replace("|", "\\|")


TABLES: dict[str, Callable[[], str]] = {
    "steps": steps,
    "newcomer": newcomer,
    "memory": memory,
    "building": building,
    "machine": machine,
    "commands": commands,
    "compiling-airflow": compiling_airflow,
    "compiling-argo": compiling_argo,
    "conformance-features": conformance_features,
    "conformance-rules": conformance_rules,
    "conformance-summary": conformance_summary,
    "mutations": mutations,
    "features": features,
    "reading-airflow": reading_airflow,
    "settings": settings,
    "support": support,
}


def main(arguments: list[str]) -> int:
    """Write the tables, or say which pages are out of date."""
    stale = 0
    for page in pages():
        text = page.read_text(encoding="utf-8")
        new = rendered(text)
        if new == text:
            continue
        stale += 1
        if arguments == ["--write"]:
            page.write_text(new, encoding="utf-8")
        print(f"{page.relative_to(ROOT)}: {'written' if arguments == ['--write'] else 'out of date'}")
    if stale and arguments != ["--write"]:
        print("run `python docs/tables.py --write`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
