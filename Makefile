# Everything a newcomer types. `make` alone lists it.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
SOAK_SEEDS ?= 1000000
SOAK_FIRST ?= 0
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help setup run test cover test-store soak faults lint format bench docs lock clean

help: ## list these targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(DEV_STAMP) ## make .venv with everything, from the locks; leaves .venv/bin/tourniquet

run: $(RUN_STAMP) ## replay June 2024 on a synthetic region, then serve the console
	$(BIN)/tourniquet exercise june-2024 --serve

test: $(DEV_STAMP) ## run every test; installs PostgreSQL and Chromium with apt where they are missing
	@tools/provide_test_system.sh
	$(BIN)/pytest -n 2 $(PYTEST_OPTIONS)

cover: $(DEV_STAMP) ## the same, and which lines no test ran; takes about half as long again
	@tools/provide_test_system.sh
	$(BIN)/pytest -n 2 --cov --cov-report=term:skip-covered $(PYTEST_OPTIONS)

soak: $(DEV_STAMP) ## every test with its long forms, then SOAK_SEEDS lives of a vault (about two hours)
	@tools/provide_test_system.sh
	TOURNIQUET_TEST_LONG=1 KILL_ROUNDS=20 $(BIN)/pytest -n 2 $(PYTEST_OPTIONS)
	$(BIN)/python -m tests.generative.soak_vault --seeds $(SOAK_SEEDS) --first $(SOAK_FIRST)

faults: $(DEV_STAMP) ## kill -9 during intake, 20 rounds on each database; 30 power cuts; every call of the sealer failing
	@tools/provide_test_system.sh
	TOURNIQUET_TEST_LONG=1 KILL_ROUNDS=20 POWER_CUTS=30 $(BIN)/pytest -q -rsP --no-cov tests/flows/test_kill.py \
		tests/flows/test_power_cuts.py tests/flows/test_failing_disk.py tests/flows/test_vault_faults.py

test-store: $(DEV_STAMP) ## object storage on a real server: installs Ceph with apt where it is missing
	@tools/provide_test_system.sh
	tools/test_store.sh $(BIN)/pytest -q --no-cov -rs tests/flows/test_store.py

lint: $(DEV_STAMP) ## ruff, types, the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(DEV_STAMP) ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(RUN_STAMP) ## the benchmarks, each with its figure, its work and the machine
	$(BIN)/tourniquet bench

docs: $(DEV_STAMP) ## write the generated pages of docs/reference
	$(BIN)/python tools/make_docs.py

lock: $(DEV_STAMP) ## lock the requirements; UPGRADE=--upgrade takes newer versions
	@UPGRADE="$(UPGRADE)" tools/lock.sh

clean: ## remove what can be made again; never an installation's data
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache \
		.hypothesis .import_linter_cache src/*.egg-info
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@python=$$(PYTHON="$(PYTHON)" tools/find_python.sh) && echo "Making $(VENV) with $$python" \
		&& { "$$python" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; }

# Hashes are required, nothing is built from source and nothing is resolved anew, so that what is
# installed is what was locked: a newer release of something must not change or break it. Our own package is built with the locked setuptools, without fetching anything.
$(RUN_STAMP): requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing from requirements/run.txt"
	@$(PIP_INSTALL) --only-binary :all: --no-deps --require-hashes -r requirements/run.txt
	@$(PIP_INSTALL) --no-index --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements/dev.txt $(RUN_STAMP)
	@echo "Installing from requirements/dev.txt"
	@$(PIP_INSTALL) --only-binary :all: --no-deps --require-hashes -r requirements/dev.txt
	@touch $@
