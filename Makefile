# make lab       the course in JupyterLab        make refresh  run notebooks, save their outputs
# make test      what a change can break         make lint     style and spelling
# make test-all  every test there is             make timings  where the time goes
# make lax       outputs not compared            make bench    speed of the fast path, as ratios
# make test-lax  so with the oldest torch        make pages    the course as a web site
# make test-pre  so with torch's next release    make links    links to other sites
# make publish   the repository's address        make lock     requirements.lock anew

# The first of these that is a Python for which there are packages; macOS's own python3 is too old.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do \
  $$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
# Whose torch: auto (a CPU's where there is no GPU), cpu, cu130 ... as in uv's --torch-backend, or default,
# which is what pip takes by itself: on Linux that brings gigabytes of libraries for NVIDIA's GPUs.
TORCH ?= $(if $(filter Darwin,$(shell uname -s)),default,auto)
# The versions that the stored outputs come from; empty for the newest.
LOCK ?= requirements.lock
PIP_ARGS ?=
LAB_ARGS ?=
NB ?=
BENCH_ARGS ?=
PYTEST_ARGS ?= -n auto --dist loadgroup
OLDEST = .venv-oldest
PRE = .venv-pre
# Where the next torch comes from; pip's own index has release candidates at times.
PRE_INDEX ?=

.PHONY: env dev lab test test-all lax test-lax test-pre refresh lint timings bench pages links data lock \
  publish published clean

# $(call install,WHAT): uv knows where torch's wheels for a CPU and for each GPU lie. Where it cannot reach
# them, or cannot be had, pip takes its own, from wherever it is set up to look.
PIP = $(BIN)/python -m pip install --disable-pip-version-check
WANTED = $(addprefix --constraint=,$(LOCK)) $(PIP_ARGS)
define install
@$(if $(filter default,$(TORCH)),false,$(PIP) --quiet uv && \
  $(BIN)/python -m uv pip install --python $(BIN)/python --torch-backend=$(TORCH) $(WANTED) $(1)) || \
{ $(if $(filter default,$(TORCH)),,echo "uv found no torch for $(TORCH), see above. pip takes its own, on Linux some gigabytes more:";) \
  $(PIP) $(WANTED) $(1); } || \
{ echo; echo "Not everything could be installed. Is there a network? The next make goes on from here."; \
  echo "README.md, Start, says which systems PyTorch has; make LOCK= takes other versions than the locked."; \
  exit 1; }
endef

env: $(VENV)/.complete

# The marker is made last: an interrupted installation is taken up again.
$(VENV)/.complete: requirements.txt $(LOCK)
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 to 3.14 is needed. If it has another name: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 15))' || \
	  echo "The course is tested with Python 3.10 to 3.14; on a newer one parts may be missing."
	$(PYTHON) -m venv $(VENV)
	$(call install,-r requirements.txt)
	@touch $@

dev: $(VENV)/.complete-dev

# pip knows groups since 25.1.
$(VENV)/.complete-dev: $(VENV)/.complete pyproject.toml
	@$(PIP) --quiet --upgrade "pip>=25.1"
	$(call install,--group dev)
	@touch $@

lab: export JUPYTER_CONFIG_PATH := $(CURDIR)/tools/jupyter$(if $(JUPYTER_CONFIG_PATH),:$(JUPYTER_CONFIG_PATH))
lab: env
	$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" \
	  --LabApp.default_url=/lab/tree/notebooks/00_fundamentals.ipynb $(LAB_ARGS)

test: dev
	$(BIN)/python -m pytest --nbval -m "not slow" $(PYTEST_ARGS)

# Besides: JupyterLab in a browser, Colab with each notebook twice, strange folders, kills at random.
test-all: dev
	$(BIN)/python -m pytest --nbval $(PYTEST_ARGS)

# For systems on which digits may differ.
lax: dev
	$(BIN)/python -m pytest --nbval-lax -m "not slow" $(PYTEST_ARGS)

# An environment of its own, with the lower bounds of torch and torchvision.
test-lax:
	sed -nE 's/^(torch|torchvision)>=([0-9.]+).*/\1==\2.*/p' requirements.txt > oldest.tmp
	$(MAKE) lax VENV=$(OLDEST) LOCK=oldest.tmp
	rm oldest.tmp

# And one with whatever torch comes next.
test-pre:
	$(MAKE) lax VENV=$(PRE) LOCK= TORCH=default \
	  PIP_ARGS="$(PIP_ARGS) --pre $(addprefix --extra-index-url=,$(PRE_INDEX))"

refresh: dev
	$(BIN)/python tools/refresh.py refresh $(NB)

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --exclude '*.ipynb' .
	$(BIN)/codespell

timings: dev
	$(BIN)/python tools/timings.py $(NB)

bench: env
	$(BIN)/python tools/bench.py $(BENCH_ARGS)

pages: env
	$(BIN)/python tools/website.py

# In an environment of its own, as it wants an older pytest. Links inside the course are followed, too. What
# fails is tried again a minute later: sites stumble.
LINKS = .venv-links/$(notdir $(BIN))/python -m pytest --noconftest -o addopts= -o filterwarnings= -q \
  -o cache_dir=.pytest_cache/links --check-links --check-links-cache --check-links-cache-backend=memory \
  --links-ext=md,ipynb --check-links-ignore='.*--not-published-yet--.*' README.md CONTRIBUTING.md docs notebooks
links:
	$(PYTHON) -m venv .venv-links
	.venv-links/$(notdir $(BIN))/python -m pip install --quiet "pytest-check-links[cache]>=0.9"
	$(LINKS) || { sleep 60; $(LINKS) --last-failed; }

# What `make test` compares with, into data/: COURSE_DATA=real make data
data: env
	$(BIN)/python -c "from learn_pytorch import data; data.fashion_mnist()"

# LOCK_ARGS=--upgrade raises all versions; then `make refresh`, `make test-all`. What torch asks for by itself
# to use a GPU stays out: it depends on the GPU.
lock: dev
	$(BIN)/python -m uv pip compile pyproject.toml --group dev --universal --python-version 3.10 \
	  --no-emit-index-url --no-annotate --no-header --quiet $(LOCK_ARGS) --output-file requirements.lock
	{ echo '# The versions that the stored outputs come from. Made by make lock.'; \
	  sed -E '/^(#|cuda|nvidia|triton)/d' requirements.lock; } > lock.tmp
	mv lock.tmp requirements.lock

publish: env
	$(BIN)/python tools/refresh.py publish $(REPO)

# On GitHub: does the course know its own address?
published:
	@grep -qF 'Repository = "https://github.com/$(GITHUB_REPOSITORY)"' pyproject.toml || \
	  { echo "Badges and setup cells lead elsewhere. Run this, commit and push:"; \
	    echo; echo "    make publish REPO=$(GITHUB_REPOSITORY)"; echo; exit 1; }

clean:
	rm -rf $(VENV) $(OLDEST) $(PRE) .venv-links .pytest_cache .ruff_cache build
