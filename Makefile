# Each target makes the environment (.venv) itself; it needs Python 3.11 or newer and nothing else.
PYTHON ?= python3
BIN := .venv/bin
# Where it is set, every command compiles all that it imports anew, which takes longer than its work.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo test check bench
setup: .venv/.done
.venv/.done: pyproject.toml uv.lock scripts/setup.py
	$(PYTHON) scripts/setup.py && touch $@

demo: setup
	$(BIN)/tifo demo

test: setup
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(ARGS)

check: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/python scripts/check_rooms.py

bench: setup
	$(BIN)/python -m benchmarks
