# make lab      the course in JupyterLab       make refresh  run notebooks, save their outputs
# make test     every test                     make lint     style and spelling
# make lax      the same, outputs not compared make publish  set the repository's address
# make test-lax with the oldest torch          make bench    speed of the fast path, as ratios
# make test-pre with torch's next release      make links    links to other sites

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP_ARGS ?=
LAB_ARGS ?=
NB ?=
BENCH_ARGS ?=
PYTEST_ARGS ?= -n auto --dist loadscope --no-loadscope-reorder
OLDEST = .venv-oldest
PRE = .venv-pre
# Where the next torch comes from; pip's own index has release candidates at times.
PRE_INDEX ?=
LAX = --nbval-lax $(PYTEST_ARGS) notebooks helper_functions.py learn_pytorch

.PHONY: env lab test lax test-lax test-pre refresh lint bench links publish clean

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

# Every notebook and every doctest, outputs not compared: for systems on which digits may differ.
lax: env
	$(BIN)/python -m pytest $(LAX)

# An environment of its own, with the lower bounds of torch and torchvision.
test-lax:
	sed -nE 's/^(torch|torchvision)>=([0-9.]+).*/\1==\2.*/p' requirements.txt > oldest.tmp
	$(MAKE) lax VENV=$(OLDEST) PIP_ARGS="$(PIP_ARGS) --constraint oldest.tmp"
	rm oldest.tmp

# And one with whatever torch comes next.
test-pre:
	$(MAKE) lax VENV=$(PRE) PIP_ARGS="$(PIP_ARGS) --pre $(addprefix --extra-index-url=,$(PRE_INDEX))"

refresh: env
	$(BIN)/python tools/refresh.py refresh $(NB)

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --exclude '*.ipynb' .
	$(BIN)/codespell

bench: env
	$(BIN)/python tools/bench.py $(BENCH_ARGS)

links: env
	$(BIN)/python tools/links.py

publish: env
	$(BIN)/python tools/refresh.py publish "$(REPO)"

clean:
	rm -rf $(VENV) $(OLDEST) $(PRE) .pytest_cache .ruff_cache
