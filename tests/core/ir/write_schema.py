"""Writes the committed JSON Schema: ``python -m tests.core.ir.write_schema``."""

import json
from pathlib import Path

from couler.core.ir import text

if __name__ == "__main__":
    path = Path(text.__file__).with_name("couler-v1.schema.json")
    path.write_text(json.dumps(text.json_schema(), indent=2, sort_keys=False) + "\n")
