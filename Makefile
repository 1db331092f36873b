# make demo | test | lint | bench | clean. Each sets up its virtual environment by itself, once.
#
#   PYTHON=python3.12      the Python to build it with (3.11 or newer)
#   VENV=/tmp/venv         where to build it
#   TORCH_INDEX=URL        where to take PyTorch from, such as its index of CPU builds: 200 MB instead of 3 GB
#   ARGS="-k letterbox"    more arguments for the command

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
ARGS ?=

BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
TYPED = $(wildcard pipeline stages detstream tools benchmarks tests)
NEEDS_VENV := "$(PYTHON) -m venv" failed; on Debian: apt install python3-venv
NEEDS_GL := OpenCV does not load (see above); on Debian: apt install libgl1 libglib2.0-0

.PHONY: demo test lint bench clean

demo: $(READY)
	$(BIN)/detstream run demo/car-park.mp4 --output out/ --force $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict $(TYPED)
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m benchmarks.archive $(ARGS)

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("detstream needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV); the first time takes some minutes …"
	@$(PYTHON) -m venv $(VENV) || { echo '$(NEEDS_VENV)' >&2; exit 1; }
	@$(if $(TORCH_INDEX),$(PIP) install $$(grep '^torch==' constraints.txt) --index-url $(TORCH_INDEX))
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@$(BIN)/python -c 'import cv2' || { echo '$(NEEDS_GL)' >&2; exit 1; }
	@touch $@
