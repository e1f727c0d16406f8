# Two commands do everything: `make run` and `make test`. The rest serves them.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
PLOG := $(VENV)/bin/plog

.PHONY: run test check endurance bench web schema lock clean

run: $(STAMP) web
	@exec $(PLOG) demo --serve

test: $(STAMP) web
	$(VENV)/bin/pytest -m "not endurance"

check: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/pytest -q tests/architecture

# The long counts (kill sweeps, races) in full; PLOG_ENDURANCE=0.1 runs a tenth of them.
endurance: $(STAMP)
	PLOG_ENDURANCE=$${PLOG_ENDURANCE:-1} $(VENV)/bin/pytest -m endurance

bench: $(STAMP)
	$(VENV)/bin/python -m bench

web: $(STAMP)
	@$(VENV)/bin/python scripts/build_web.py

schema: $(STAMP)
	$(PLOG) export-schema
	$(PLOG) export-settings

lock:
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --upgrade --extra dev pyproject.toml -o requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "PLOG needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf $(VENV) web/dist web/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
