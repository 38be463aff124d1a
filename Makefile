# Short names for the commands of CONTRIBUTING.md; each is one line that works without make.
PYTHON ?= .venv/bin/python

.PHONY: check format docs tables benchmarks conformance conformance-lint conformance-cluster conformance-airflow

check:
	bash .ci/run

format:
	$(PYTHON) -m ruff check --fix . && $(PYTHON) -m ruff format .

docs:
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

conformance:
	$(PYTHON) -m pytest tests/conformance

conformance-lint:
	$(PYTHON) -m tests.engines.argo.validator
	$(PYTHON) -m pytest tests/conformance tests/engines/argo

conformance-cluster:
	bash .ci/cluster all

conformance-airflow:
	bash .ci/airflow all

tables:
	$(PYTHON) docs/tables.py --write

benchmarks:
	$(PYTHON) benchmarks/setup_peers.py
	$(PYTHON) benchmarks/local_engine.py
	$(PYTHON) benchmarks/dsl_build.py
