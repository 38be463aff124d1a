# Short names for the commands of CONTRIBUTING.md; each is one line that works without make.
PYTHON ?= .venv/bin/python

.PHONY: check format docs tables benchmarks

check:
	bash .ci/run

format:
	$(PYTHON) -m ruff check --fix . && $(PYTHON) -m ruff format .

docs:
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

tables:
	$(PYTHON) docs/tables.py --write

benchmarks:
	$(PYTHON) benchmarks/setup_peers.py
	$(PYTHON) benchmarks/local_engine.py
	$(PYTHON) benchmarks/dsl_build.py
