# `make tune` and `make test` need make and Python 3.11 or later with venv; they install the rest.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: tune test report board lint clean

tune: .venv/.installed
	$(BIN)/python -m src.tune $(ARGS)

test: .venv/.installed-tests
	$(BIN)/python -m pytest $(ARGS)

report: .venv/.installed
	$(BIN)/python -m src.report $(ARGS)

# TensorBoard for the latest run, on this machine alone.
board: .venv/.installed
	@run=$$(ls -td logs/*/ 2>/dev/null | head -n 1); \
	if [ -z "$$run" ]; then echo "no run under logs/ yet: make tune" >&2; exit 2; fi; \
	echo "$$run"; exec $(BIN)/python -m tensorboard.main --host 127.0.0.1 --logdir "$${run}tensorboard" $(ARGS)

lint: .venv/.installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/.installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

.venv/.installed-tests: .venv/.installed tests/requirements.txt
	$(BIN)/python -m pip install --quiet --requirement tests/requirements.txt
	touch $@
