# Every target sets up .venv from nothing, with the pinned versions of constraints.txt.
PYTHON ?= python3
PROFILE ?= smoke
MARK ?= not nightly
EXTRAS := dev,real,browser
BIN := .venv/bin

.PHONY: conformance test faults chaos bench lint clean

conformance: .venv/.base
	$(BIN)/python -m pytest -n auto --profile $(PROFILE) $(ARGS)

test: .venv/.extras
	$(BIN)/python -m pytest tests -n auto -m "$(MARK)" $(ARGS)

faults: .venv/.base
	$(BIN)/python -m tests.faults $(ARGS)

chaos: .venv/.base
	$(BIN)/python -m tests.chaos $(ARGS)

bench: .venv/.base
	$(BIN)/python -m benchmarks.cost_of_requirements $(ARGS)
	$(BIN)/python -m benchmarks.opset_sharing

lint: .venv/.extras
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.base: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/.extras: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $@ .venv/.base

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
