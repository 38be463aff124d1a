"""Drives one run in a process of its own: ``python -m couler.backends.local RUN_ID --root .couler``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from couler.backends.local.engine import MODES, LocalEngine


def main() -> int:
    """Drive the run; the exit status is 0 when it succeeded."""
    parser = argparse.ArgumentParser(prog="python -m couler.backends.local", description=__doc__)
    parser.add_argument("run_id")
    parser.add_argument("--root", type=Path, default=Path(".couler"))
    parser.add_argument("--mode", choices=MODES, default="new")
    parser.add_argument("--store-url-from-env", action="store_true", help="read it from COULER_ENGINE_STORE")
    options = parser.parse_args()
    url = os.environ.pop("COULER_ENGINE_STORE", "") if options.store_url_from_env else ""
    engine = LocalEngine(options.root, store=url or None)
    return 0 if engine.execute(options.run_id, options.mode) == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main())
