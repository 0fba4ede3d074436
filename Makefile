# One environment, .venv, made on first use. `make` alone lists the targets.
# Another interpreter: make test PYTHON=/usr/bin/python3.12

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
BENCHES ?= tagging codes labels reuters throughput pos retrain months gate batches \
	labelling_queue promises drift sql_throughput reposts sequences ranking resumes activity matching
DATA ?= ../shared/data
TESTERS ?= 2

# 3.14 is left out because constraints.txt pins a TensorFlow that has no build for it.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)

.PHONY: help demo test lint check bench lock clean

help:
	@echo "make demo    install, train on the packaged sample, tag new postings, write a report"
	@echo "make test    install, run every test, in TESTERS=$(TESTERS) processes (0: in this one)"
	@echo "make lint    format, lint and type checks"
	@echo "make check   lint and test: what CI runs"
	@echo "make bench   speed and quality on the data in DATA=$(DATA); one alone: BENCHES=codes"
	@echo "make lock    write constraints.txt anew"
	@echo "make clean   remove .venv, builds and caches"

demo: $(VENV)/.run
	@$(BIN)/jobtool demo

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint
	@$(MAKE) --no-print-directory test

bench: $(VENV)/.dev
	@$(PIP) install -c constraints.txt -e '.[bench]'
	@set -e; for bench in $(BENCHES); do \
		echo "== bench/$$bench.py"; $(BIN)/python bench/$$bench.py --data $(DATA); done

$(VENV)/.python:
	@python='$(or $(PYTHON),python3)'; if ! "$$python" -c '$(FITS)' 2>/dev/null; then \
		echo "error: jobtool needs Python 3.11, 3.12 or 3.13, but $$python is" \
			"$$("$$python" --version 2>&1 || true)." \
			"Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; fi
	@echo "Making $(VENV) with $$('$(PYTHON)' --version)"
	@'$(PYTHON)' -m venv --clear $(VENV)
	@touch $@

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/.python
	@echo "Installing jobtool and TensorFlow into $(VENV): about two minutes, once"
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.python
	@echo "Installing jobtool, TensorFlow and the test tools into $(VENV): about two minutes, once"
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.run $@

# Extra entries in a constraints file do no harm, so `tensorflow` gets the version of
# `tensorflow-cpu` for the systems where that is the build to install.
lock: | $(VENV)/.python
	@echo "Resolving the newest versions in a fresh environment"
	@rm -rf $(VENV)/lock && $(BIN)/python -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip --quiet --disable-pip-version-check install '.[dev,bench,tensorboard]'
	@{ echo "# Exact versions for CI, make test and make demo (Python 3.11 to 3.13). From: make lock"; \
		$(VENV)/lock/bin/python -m pip freeze --all --exclude pip --exclude jobtool \
		| sed -E 's/^tensorflow[-_]cpu==(.*)/&\ntensorflow==\1/; s/^xgboost[-_]cpu==(.*)/&\nxgboost==\1/'; } > constraints.txt.new
	@mv constraints.txt.new constraints.txt
	@rm -rf $(VENV)/lock build *.egg-info

clean:
	rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
