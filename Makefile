# `make tune` and `make test` need make and Python 3.11 or later with venv; they install the rest.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
CHECK_VERSION = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 …")'

.PHONY: tune test report board a-run lint clean

tune: .venv/.installed
	$(BIN)/python -m src.tune $(ARGS)

test: .venv/.installed-tests
	$(BIN)/python -m pytest $(ARGS)

report: .venv/.installed
	$(BIN)/python -m src.report $(ARGS)

# TensorBoard for the latest run, on this machine alone; without a run, nothing is installed first.
board: a-run .venv/.installed
	@run=$$($(BIN)/python -m src.latest) && echo "$$run" && \
	exec $(BIN)/python -m tensorboard.main --host 127.0.0.1 --logdir "$$run/tensorboard" $(ARGS)

a-run:
	@$(CHECK_VERSION)
	@$(PYTHON) -m src.latest > /dev/null

lint: .venv/.installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Of TensorFlow's modules few are imported: without compiling all, this is half a minute faster.
.venv/.installed: requirements.txt
	$(CHECK_VERSION)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.txt
	touch $@

.venv/.installed-tests: .venv/.installed tests/requirements.txt
	$(BIN)/python -m pip install --quiet --no-compile --requirement tests/requirements.txt
	touch $@
