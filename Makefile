# make demo | test | lint | conformance | lock | clean. All work in .venv, which is made on the first call and brought
# up to date only when a lock or pyproject.toml changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Everything is pinned with its hash, in three steps: what builds, what is used, recoup itself; so nothing comes in that
# is not in a lock. Where packages come from is the machine's own pip configuration.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED := $(INSTALL) --require-hashes --no-build-isolation --use-pep517
EDITABLE := $(INSTALL) --no-deps --no-build-isolation --editable .

.DEFAULT_GOAL := help
.PHONY: help demo test lint format conformance lock clean

help:
	@echo "make demo         a year of flights: backfill, failure, recovery"
	@echo "make test         all tests but the soak runs; ARGS='-k ledger -x' goes to pytest"
	@echo "make lint         ruff, mypy, import contracts; make format mends what a machine can mend"
	@echo "make conformance  docs/conformance.md from the last test results"
	@echo "make lock         new lock files; ARGS=--upgrade takes the newest versions"
	@echo "make clean        remove .venv and everything that a tool left behind"

demo: $(VENV)/demo.stamp
	@$(BIN)/recoup demo $(ARGS)
	@command -v recoup >/dev/null || echo "recoup is in $(BIN): type \`. $(BIN)/activate\` first" >&2

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q -n 3 --dist loadfile $(ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

conformance: $(VENV)/dev.stamp
	$(BIN)/python -m tools.conformance

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

# The two small locks are parts of dev.lock, so that either may be installed over the other.
lock: $(BIN)/python
	$(INSTALL) 'uv>=0.13'
	$(COMPILE) pyproject.toml --group dev --extra demo $(ARGS) --output-file requirements/dev.lock
	$(COMPILE) pyproject.toml --extra demo --constraints requirements/dev.lock --output-file requirements/demo.lock
	$(COMPILE) --group build --constraints requirements/dev.lock --output-file requirements/build.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/dev.stamp: requirements/build.lock requirements/dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing recoup and its tools into $(VENV); the first time takes a minute or two …"
	@$(LOCKED) --requirement requirements/build.lock
	@$(LOCKED) --requirement requirements/dev.lock
	@$(EDITABLE)
	@touch $@ $(VENV)/demo.stamp

$(VENV)/demo.stamp: requirements/build.lock requirements/demo.lock pyproject.toml | $(BIN)/python
	@echo "Installing recoup into $(VENV); the first time takes a minute …"
	@$(LOCKED) --requirement requirements/build.lock
	@$(LOCKED) --requirement requirements/demo.lock
	@$(EDITABLE)
	@touch $@

# Debian splits venv off python3; without this check it says so on a screenful, and leaves half a .venv behind.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "recoup needs Python 3.11 or later, and there is no $(PYTHON): apt install python3 python3-venv" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "recoup needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) -V): make PYTHON=python3.12 …" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments here: apt install python3-venv" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)
