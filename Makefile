# make demo | make test: each works from a bare clone with git, make and Python 3.11 to 3.13.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
# make test-slow: the kill tests at length.
.PHONY: demo test test-slow check check-style check-types check-sql format lock schema docs ui clean

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The ends of the range of DuckDBs that must read a publication, each in an environment of its own.
READERS := .venv-duckdb-oldest/.installed .venv-duckdb-newest/.installed

demo: $(INSTALLED)
	@$(BIN)/python -m sandbox.demo

test: $(INSTALLED) $(READERS)
	@$(MAKE) --no-print-directory --jobs 2 check
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(INSTALLED) $(READERS)
	@$(BIN)/pytest --kills 200 tests/nps_pipeline/test_readers.py

check: check-types check-sql check-style

check-style: $(INSTALLED)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .

check-types: $(INSTALLED)
	@$(BIN)/mypy --no-error-summary

check-sql: $(INSTALLED)
	@$(BIN)/sqlfluff lint --disable-progress-bar -q dbt_project/models

format: $(INSTALLED)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/sqlfluff fix -q dbt_project

schema: $(INSTALLED)
	@$(BIN)/nps schema > docs/nps.schema.json

# The pages of docs/ that say what code, seeds and dbt descriptions declare.
docs: $(INSTALLED)
	@$(BIN)/python -m nps_pipeline.reference

# The lock is made again from the ranges in pyproject.toml; hashes yes, index addresses no.
# A new dependency is locked before it can be installed, so this needs only the resolver of the last installation.
lock: $(BIN)/uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-strip-extras --no-header --extra dev pyproject.toml --output-file requirements.txt
	@for reader in "oldest duckdb==1.0.0 ; python_version < '3.13'" "newest duckdb==2.0.0"; do \
		echo "$${reader#* }" | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header --no-annotate - --output-file "requirements-$${reader%% *}-duckdb.txt"; done

ui: $(INSTALLED)
	@$(BIN)/nps ui

clean:
	@rm -rf $(VENV) .venv-duckdb-* dbt_project/target .mypy_cache .ruff_cache .pytest_cache

$(INSTALLED): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed; name one with: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Installing into $(VENV) (once, about two minutes) ..."
	@"$(PYTHON)" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check --quiet
	@touch $@

$(BIN)/uv:
	@$(MAKE) --no-print-directory $(INSTALLED)

# DuckDB 1.0.0 has no wheel for Python 3.13: nothing is installed there, and its test is skipped.
.venv-duckdb-%/.installed: requirements-%-duckdb.txt | $(INSTALLED)
	@echo "Installing the $* DuckDB that must read publications (once) ..."
	@$(BIN)/python -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		--only-binary :all: -r $<
	@touch $@
