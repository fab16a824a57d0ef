# make demo   classify the handwritten digits in every way there is
# make test   format, lint, types, IR tests, tests
# make docs   write the generated pages of docs/ again
# make conformance          run ONNX's official backend tests, fail below the recorded figure
# make conformance-record   run them and write tests/conformance/misses.txt again
# They install what they need into .venv; Python 3.11 or newer is all they ask for.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint lit pytest docs conformance conformance-record clean

demo: $(VENV)/installed
	@$(BIN)/python examples/digits/demo.py

test: lint lit pytest

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python

lit: $(VENV)/installed-dev
	$(BIN)/lit -q --order=lexical lit_tests

pytest: $(VENV)/installed-dev
	$(BIN)/pytest -n 2 --dist worksteal -W error -m "not slow"

docs: $(VENV)/installed
	$(BIN)/python scripts/generate_docs.py

conformance: $(VENV)/installed-dev
	@$(BIN)/python scripts/conformance

conformance-record: $(VENV)/installed-dev
	$(BIN)/python scripts/conformance --record

clean:
	rm -rf $(VENV) build *.egg-info

$(VENV)/installed: pyproject.toml setup.py
	@test -n "$(PYTHON)" || { echo "needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[jit]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
