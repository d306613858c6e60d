# make lab      the course in JupyterLab       make refresh  run notebooks, save their outputs
# make test     every test                     make lint     style and spelling
# make test-lax the oldest torch supported     make publish  set the repository's address
# make bench    speed of the fast path, as ratios

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP_ARGS ?=
LAB_ARGS ?=
NB ?=
BENCH_ARGS ?=
PYTEST_ARGS ?= -n auto --dist loadscope
OLDEST = .venv-oldest

.PHONY: env lab test test-lax refresh lint bench publish clean

env: $(VENV)/.complete

# The marker is made last: an interrupted installation is taken up again.
$(VENV)/.complete: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -r requirements.txt
	@touch $@

lab: env
	$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" \
	  --LabApp.default_url=/lab/tree/notebooks/00_fundamentals.ipynb $(LAB_ARGS)

test: env
	$(BIN)/python -m pytest --nbval $(PYTEST_ARGS)

# An environment of its own, with the lower bounds of torch and torchvision, outputs not compared.
test-lax:
	sed -nE 's/^(torch|torchvision)>=([0-9.]+).*/\1==\2.*/p' requirements.txt > oldest.tmp
	$(MAKE) env VENV=$(OLDEST) PIP_ARGS="$(PIP_ARGS) --constraint oldest.tmp"
	rm oldest.tmp
	$(OLDEST)/bin/python -m pytest --nbval-lax $(PYTEST_ARGS) notebooks helper_functions.py exercise_checks.py drawn_data.py

refresh: env
	$(BIN)/python tools/course.py refresh $(NB)

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --exclude '*.ipynb' .
	$(BIN)/codespell

bench: env
	$(BIN)/python tools/bench.py $(BENCH_ARGS)

publish: env
	$(BIN)/python tools/course.py publish "$(REPO)"

clean:
	rm -rf $(VENV) $(OLDEST) .pytest_cache .ruff_cache
