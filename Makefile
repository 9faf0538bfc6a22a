# make demo   trains a biased credit model and its clean twin, audits both, writes build/demo/
# make test   lints, types, contracts and tests
# Both go through make setup, which installs everything into .venv.
# make compat tests what touches models in .venv-compat, with the oldest transformers that is allowed

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PANGO := libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0

.PHONY: setup pango demo test lint bench compat clean

setup: pango $(STAMP)

# The PDF report needs Pango, a system library that pip cannot install.
pango:
	@if $(PYTHON) -c 'import ctypes; [ctypes.CDLL(n) for n in ("libpango-1.0.so.0", "libpangoft2-1.0.so.0", "libharfbuzz-subset.so.0")]' 2>/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Pango is missing; installing it: apt-get install -y $(PANGO)"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(PANGO) >/dev/null; \
	else \
	  echo "Pango is missing, and PDF reports need it. Run this line, then make again:"; \
	  echo "  sudo apt-get install -y $(PANGO)"; exit 1; \
	fi

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, found $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "The venv module is missing. Run: sudo apt-get install -y python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	$(BIN)/inspectoscope demo --out build/demo

lint: setup
	$(BIN)/ruff format --check audit tests benchmarks
	$(BIN)/ruff check audit tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n auto --maxprocesses 4

bench: setup
	for file in benchmarks/[a-z]*.py; do $(BIN)/python $$file --quick || exit 1; done

COMPAT := .venv-compat

$(COMPAT)/.installed: pyproject.toml constraints-compat.txt
	@test -x $(COMPAT)/bin/python || $(PYTHON) -m venv $(COMPAT) || { echo "The venv module is missing. Run: sudo apt-get install -y python3-venv"; exit 1; }
	$(COMPAT)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-compat.txt -e . pytest hypothesis
	@touch $@

compat: $(COMPAT)/.installed
	$(COMPAT)/bin/python -m pytest -W 'ignore:`torch.jit:DeprecationWarning' tests/capture

clean:
	rm -rf build dist audit-out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
