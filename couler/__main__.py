"""``python -m couler`` is the command ``couler``."""

from couler.cli.main import main

main()
