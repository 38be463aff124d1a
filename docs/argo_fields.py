"""Write the page that says how every field of Argo is reached: ``docs/argo-fields.md``.

python docs/argo_fields.py --write    # after a change of a way or of Argo's fields
python docs/argo_fields.py --check    # fails when the page is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "argo-fields.md"
OLDEST = "3.6"
HEAD = """\
# Fields of Argo

Every field that Argo {version} has in a template and in the spec of a workflow, and how a couler workflow reaches it.
A test compiles a workflow for each row, finds the field in the document, and has Argo's definitions and its validator
check the whole.

*Option* means raw data: `engine_options={{"argo": {{"FIELD": …}}}}`, on a step for fields of its template and on the
workflow for fields of the spec. Options are checked against Argo's fields, and merged last: objects key by key, lists
by appending (items with a name are merged by it), other values by replacing. A kind of template given as an option,
such as `http`, takes the place of what the step does. Every other field can be changed by an option, too.

Four more keys hold fields of what stands around or inside:

| key | on | fields of |
| --- | --- | --- |
| `container` | a step | its container or script |
| `task` | a step | its task in the DAG; `templateRef` calls another object's template with inputs and `env` |
| `metadata` | the workflow | the metadata of the object |
| `cronWorkflow` | the workflow | the spec of the CronWorkflow around it |

"""


def page() -> str:
    """The page as it should be."""
    from couler.backends.argo.schema import NEWEST
    from tests.engines.argo.reach import SPEC, TEMPLATE

    parts = [HEAD.format(version=NEWEST), "## Templates\n", _table("Template", TEMPLATE), "## Spec of a workflow\n"]
    return "\n".join([*parts, _table("WorkflowSpec", SPEC)])


def _table(kind: str, ways: Mapping[str, Any]) -> str:
    from couler.backends.argo.schema import fields_of
    from tests.engines.argo.reach import OPTIONS

    lines = ["| field | reached by | since |", "| --- | --- | --- |"]
    for name, way in ways.items():
        words = way.words
        since = fields_of(kind)[name].partition("@")[2]
        lines.append(f"| `{name}` | {'option' if words == OPTIONS else words} | {since or f'{OLDEST} or before'} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is out of date."""
    sys.path.insert(0, str(ROOT))
    wanted = page()
    if arguments == ["--write"]:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != wanted:
        sys.stderr.write(f"{PAGE.relative_to(ROOT)} is out of date; run `python docs/argo_fields.py --write`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
