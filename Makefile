# Everything runs from a virtual environment in .venv that these targets make and keep.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# many tests wait for processes that they start: one more than there are cores keeps the cores busy
PROCESSES ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

.PHONY: demo test fast chaos lint types format bench docs clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("manyfit needs Python 3.11 or later, this is %d.%d; try: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group dev -e .
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt --group data
	touch $@

demo: $(STAMP) ## a real sweep on real data, to a leaderboard and a results file
	$(BIN)/python examples/demo.py

test: $(STAMP) lint types ## everything: style, types, layers, all tests
	$(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal

fast: $(STAMP) ## the tests that take less than a few seconds each
	$(BIN)/python -m pytest -m "not slow" -n $(PROCESSES) --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

chaos: $(STAMP) ## minutes of kills and of model checking, with large numbers
	$(BIN)/python -m pytest -m long

bench: $(STAMP) ## all benchmarks, medians and ratios side by side
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group bench
	$(BIN)/python -m benchmarks

docs: $(STAMP) ## the reference pages, generated from the program
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
