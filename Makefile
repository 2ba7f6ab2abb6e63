# make demo: the main job on a sample platform.   make test: all tests, with what they need.
# Both set themselves up from a clean clone with Python 3.11 or later, git and make.

SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST = READINESS_NO_SKIPS=$(if $(CI),1,$(READINESS_NO_SKIPS)) $(BIN)/pytest
WORKERS ?= 3

.PHONY: demo test lint lint-style lint-types lint-generated bench lock generated clean

demo: $(READY)
	@$(BIN)/readiness demo

test: lint tests/.packages
	$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not alone" $(TESTS) || [ $$? = 5 ]  # 5: none of those that were named is of this kind
	$(PYTEST) -m alone $(TESTS) || [ $$? = 5 ]

lint: $(READY)
	@$(MAKE) --no-print-directory --jobs 2 --output-sync $(VENV)/.sql lint-types lint-generated lint-style

lint-style:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --output-format concise .
	$(BIN)/lint-imports --no-cache

lint-types:
	$(BIN)/mypy

lint-generated:
	$(BIN)/python tools/generate.py --check

# The slowest of them, so it looks only at what changed since it last passed; at everything when its rules or itself did.
$(VENV)/.sql: $(shell find checks -name '*.sql') $(READY) .sqlfluff
	$(BIN)/sqlfluff lint -q $(if $(filter-out %.sql,$?),checks,$?)
	@touch $@

bench: $(READY)
	$(BIN)/python -m benchmarks

# What is made from the code: catalogue of checks, JSON Schemas, command help.
generated: $(READY)
	$(BIN)/python tools/generate.py

# Needs uv (https://docs.astral.sh/uv/).
lock:
	uv pip compile pyproject.toml --all-extras --group dev --group frameworks --universal --generate-hashes --python-version 3.11 -o requirements.lock

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or later is needed; none was found on the PATH" >&2; exit 2; }
	@tools/venv "$(PYTHON)" "$(VENV)"
	@echo "installing what requirements.lock names (the first time takes a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Debian packages that the tests talk to: installed as root, else used where they lie.
.PHONY: tests/.packages
tests/.packages:
	@tools/packages

clean:
	rm -rf $(VENV) .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
