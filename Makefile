# make demo   sets everything up and shows the main job on real flights
# make test   sets everything up, then lint, types and every test, run against the built wheel
#
# Needs Python 3.11 or newer (PYTHON=... names one), make, and a package index that pip can reach.

SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .venv-lock
LOWEST := .venv-lowest
JOBS ?= auto
PYTEST_ARGS ?=
SOURCES := $(shell find src examples -name __pycache__ -prune -o -name .jomon -prune -o -print) pyproject.toml README.md LICENSE

.PHONY: help demo test lint types pytest install lock test-lowest coverage clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# //p' Makefile

demo: $(VENV)/demo.stamp $(VENV)/jomon.stamp
	@echo "==> jomon demo"
	@$(BIN)/jomon demo

test: lint types pytest

lint: $(VENV)/test.stamp
	@echo "==> ruff check"
	@$(BIN)/ruff check .
	@echo "==> ruff format --check"
	@$(BIN)/ruff format --check .

types: $(VENV)/test.stamp
	@echo "==> mypy"
	@$(BIN)/mypy

# The tests see the installed wheel and never src/: what is missing from the wheel is missing here too.
pytest: $(VENV)/test.stamp $(VENV)/jomon.stamp
	@echo "==> pytest against the wheel, with branch coverage"
	@JOMON_TESTS=wheel $(BIN)/python -m pytest -n $(JOBS) --cov --cov-branch --cov-report=term $(PYTEST_ARGS)

install: $(VENV)/test.stamp $(VENV)/jomon.stamp

$(VENV)/pip.stamp:
	@echo "==> environment in $(VENV), with $(PYTHON)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "jomon needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "this Python cannot make environments: install its venv package (Debian: python3-venv)" >&2; exit 1; }
	@echo "==> pip"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@touch $@

$(VENV)/demo.stamp: $(VENV)/pip.stamp requirements-demo.lock
	@echo "==> packages that jomon needs"
	@$(BIN)/python scripts/install.py requirements-demo.lock
	@touch $@

$(VENV)/test.stamp: $(VENV)/pip.stamp requirements.lock
	@echo "==> packages that jomon and its tests need"
	@$(BIN)/python scripts/install.py requirements.lock
	@touch $@ $(VENV)/demo.stamp

$(VENV)/jomon.stamp: $(SOURCES) | $(VENV)/demo.stamp
	@echo "==> jomon: build the wheel and install it"
	@scripts/wheel.sh $(BIN)/python
	@touch $@

# The locks: every package with its version and hashes, for all platforms, without the name of any index.
COMPILE = $(TOOLS)/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock: $(TOOLS)/uv.stamp
	@echo "==> requirements.lock"
	@$(COMPILE) $(UPGRADE) --all-extras --group dev --group wheel -o requirements.lock
	@echo "==> requirements-demo.lock"
	@$(COMPILE) --constraints requirements.lock --extra flights --extra report --extra serve --group wheel -o requirements-demo.lock

$(TOOLS)/uv.stamp:
	@echo "==> uv"
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

# The tests with the oldest versions that pyproject.toml allows.
test-lowest: $(TOOLS)/uv.stamp $(VENV)/demo.stamp
	@echo "==> environment in $(LOWEST), with the lowest versions that pyproject.toml allows"
	@$(TOOLS)/bin/uv pip compile pyproject.toml --quiet --python $(PYTHON) --resolution lowest-direct --all-extras \
		--group wheel --no-emit-index-url --custom-compile-command "make test-lowest" -o $(TOOLS)/lowest.txt
	@$(TOOLS)/bin/uv pip compile pyproject.toml --quiet --python $(PYTHON) --all-extras --group dev \
		--constraints $(TOOLS)/lowest.txt --generate-hashes --no-emit-index-url -o $(TOOLS)/lowest.lock
	@$(PYTHON) -m venv --clear $(LOWEST)
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(LOWEST)/bin/python scripts/install.py $(TOOLS)/lowest.lock
	@scripts/wheel.sh $(BIN)/python $(LOWEST)/bin/python
	@JOMON_TESTS=wheel $(LOWEST)/bin/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) $(TOOLS) $(LOWEST) build dist flights-demo .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests bench examples -name __pycache__ -prune -exec rm -rf {} +
