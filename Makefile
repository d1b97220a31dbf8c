# Every target does its own set-up, in .venv; nothing has to be installed or activated first.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := d4py_adaptive.workflows.seismology.cross_correlation

.PHONY: help demo test chaos causes graphs lint types wheel clean

help:  ## what there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.demo  ## correlate real seismograms on all cores; writes demo-output/
	$(BIN)/d4py run $(DEMO) -m multi -p output=demo-output
	@echo
	@echo "Look at demo-output/correlations.png; the *.sac files open in any seismologist's program."

test: $(VENV)/.test  ## the whole test suite but for the long kill tests and repetitions
	$(BIN)/python -m pytest -q -m "not chaos and not long"

chaos: $(VENV)/.test  ## the long part: 100 killed workers, 30 killed launchers
	$(BIN)/python -m pytest -q -m chaos --timeout 1500

causes: $(VENV)/.test  ## one workflow per cause that d4py diagnose knows, and healthy ones, three seeds each
	$(BIN)/python -m pytest -q tests/integration/test_planted_causes.py

graphs: $(VENV)/.test  ## 2,000 random graphs through every mapping, against a reference interpreter
	$(BIN)/python -m d4py_adaptive.testing --graphs 2000

lint: $(VENV)/.test  ## style, and the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test  ## types, strictly
	$(BIN)/mypy

wheel: $(VENV)/.demo  ## build the wheel, install it elsewhere, run a workflow from there
	bash .ci/wheel "$(abspath $(BIN)/python)"

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; say which with: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml
	@echo "Installing into $(VENV) (once) ..."
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[seismology]'
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@echo "Installing what the tests need (once) ..."
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[codecs,diagnose,mpi,seismology,test,lint]'
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --upgrade \
		--target $(VENV)/peers/stream-d4py stream-d4py==2.9.1
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --upgrade \
		--target $(VENV)/peers/dispel4py dispel4py==1.2.1
	@$(BIN)/python -m venv $(VENV)/peers/stream-d4py-2.9.1-environment
	@$(VENV)/peers/stream-d4py-2.9.1-environment/bin/pip install -q --disable-pip-version-check stream-d4py==2.9.1
	@touch $@

clean:  ## remove what was made
	rm -rf $(VENV) dist build demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis
