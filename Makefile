# Two commands do everything: `make run` and `make test`. The rest serves them.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
PLOG := $(VENV)/bin/plog

.PHONY: run test check endurance bench web schema lock clean

run: $(STAMP) web
	@exec $(PLOG) demo --serve

test: $(DEV) web
	$(VENV)/bin/pytest -m "not endurance" --numprocesses auto --dist worksteal

check: $(DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# The long counts (kill sweeps, stops, races) in full, with their figures at the end; PLOG_ENDURANCE=0.1 runs a tenth of them.
# What runs servers has the machine for itself; what only computes runs side by side.
endurance: export PLOG_ENDURANCE ?= 1
endurance: $(DEV)
	$(VENV)/bin/pytest -m endurance --ignore tests/unit
	$(VENV)/bin/pytest -m endurance --numprocesses auto --dist worksteal tests/unit

bench: $(DEV)
	$(VENV)/bin/python -m bench

web: $(STAMP)
	@$(VENV)/bin/python scripts/build_web.py

schema: $(STAMP)
	$(PLOG) export-schema
	$(PLOG) export-settings

# requirements.lock is what runs; requirements-dev.lock holds the tools of tests and checks besides.
COMPILE := $(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-header --quiet --upgrade pyproject.toml
lock: $(DEV)
	$(COMPILE) --extra build -o requirements.lock
	$(COMPILE) --extra build --extra dev -c requirements.lock -o requirements-dev.lock

# Not compiled ahead: most modules of the packages are never imported, and those that are, are compiled then, once.
PIP := $(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-compile

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "PLOG needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Setting up $(VENV) (once; a minute or two) …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.lock $(STAMP)
	@echo "Adding the tools of tests and checks …"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

clean:
	rm -rf $(VENV) web/dist web/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
