# Reproduces every table and figure; see README.md.
PROFILE ?= mini
JOBS    ?= $(shell python3 -c 'import os; print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())' 2>/dev/null || echo 1)
DEVICE  ?= cpu
ONLY    ?=
SEEDS   ?=

# An active virtual or conda environment is used, but never conda's own; otherwise .venv is made.
ifneq ($(strip $(VIRTUAL_ENV)),)
  ENV := $(VIRTUAL_ENV)
else ifneq ($(strip $(CONDA_PREFIX)),)
  ENV := $(CONDA_PREFIX)
  CONDA_BASE := $(filter base,$(CONDA_DEFAULT_ENV))$(wildcard $(CONDA_PREFIX)/condabin)
else
  ENV := .venv
endif
PY    := $(ENV)/bin/python
STAMP := $(ENV)/.vjepa_lib-installed

# Which build of torch: cpu or cuda. The default asks for a GPU.
TORCH ?= $(if $(shell command -v nvidia-smi 2>/dev/null),cuda,cpu)
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

# One thread a process: the processes share the cores, and sums keep their order.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export PYTHONHASHSEED := 0
export PYDEVD_DISABLE_FILE_VALIDATION := 1
# Of the many processes, each would compile the library anew.
unexport PYTHONDONTWRITEBYTECODE

# What PyPI calls torch is the CUDA build on Linux, several GB. So the CPU build is looked for first
# where pip is set up to look, then in PyTorch's own index; what PyPI has comes last.
PIP := $(PY) -m pip install --no-compile -c constraints.txt
ifeq ($(TORCH),cpu)
  TORCH_INSTALL = { $(PIP) torch==2.13.0+cpu || \
    $(PIP) --retries 1 --timeout 20 --index-url $(TORCH_CPU_INDEX) torch==2.13.0 || \
    $(PIP) torch==2.13.0; }
else
  TORCH_INSTALL = $(PIP) torch==2.13.0
endif

# pip compiles with one core, which is half of what it does. This takes all of them, and leaves out
# what is seldom loaded: packages' own tests, and the hundreds of models of transformers.
COMPILE = $(PY) -c "import compileall, re, sysconfig; compileall.compile_dir( \
  sysconfig.get_path('purelib'), quiet=2, workers=0, rx=re.compile('/site-packages/.*/(tests|models)/'))"

ARGS = --profile $(PROFILE) --jobs $(JOBS) --device $(DEVICE) $(if $(ONLY),--only $(ONLY)) $(if $(SEEDS),--seeds $(SEEDS))

.DEFAULT_GOAL := help
.PHONY: help install reproduce notebooks test lab site verify bench lint clean

help:
	@echo "make reproduce  every table and figure, figures/index.html and figures/report.pdf"
	@echo "make notebooks  execute the notebooks from recorded runs and write their outputs (ONLY=07)"
	@echo "make test       the whole test suite, notebooks included"
	@echo "make lab        JupyterLab on the notebooks; their .py halves open as notebooks, too"
	@echo "make site       the documentation as a site: build/site/index.html"
	@echo "make verify     retrain a finished and two recorded runs, read a kept encoder again, compare"
	@echo "make bench      speed, as ratios (ONLY=step-mini for one figure, ROUNDS=2 for fewer turns)"
	@echo "make clean      remove figures and build files; runs and data stay"
	@echo "TORCH=cpu or TORCH=cuda chooses the build of torch (here: $(TORCH))"
	@echo "Variables: PROFILE=$(PROFILE) JOBS=$(JOBS) DEVICE=$(DEVICE) ONLY=$(ONLY) SEEDS=$(SEEDS)"

$(ENV)/bin/python:
	@python=""; for p in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	  if command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$p; break; fi; done; \
	if [ -z "$$python" ]; then echo "No Python 3.11 or newer was found: install one, or name it with PYTHON=."; exit 1; fi; \
	echo "making $(ENV) with $$($$python --version)"; $$python -m venv $(ENV)

$(STAMP): pyproject.toml constraints.txt | $(ENV)/bin/python
	@if [ -n "$(strip $(CONDA_BASE))" ]; then echo "The active environment is conda's base, and pinned packages there can break conda itself: run 'conda env create -f environment.yml && conda activate vjepa', or 'conda deactivate' to let make use .venv."; exit 1; fi
	@mkdir -p build; echo "installing into $(ENV), $(TORCH) build of torch (log: build/install.log)"
	@( $(TORCH_INSTALL) && \
	   { nice $(COMPILE) & $(PIP) -e '.[notebooks,test,site]'; } && wait && $(COMPILE) ) > build/install.log 2>&1 \
	  || { tail -n 20 build/install.log; echo "The installation failed: see build/install.log."; exit 1; }
	@touch $(STAMP)

install: $(STAMP)

reproduce: $(STAMP)
	@$(PY) -m vjepa_lib.reproduce $(ARGS)

# Reading mode: nothing is trained. MEASURE=1 makes the recorded measurements anew, which takes long.
notebooks: export VJEPA_MEASURE := $(MEASURE)
notebooks: $(STAMP)
	@$(PY) -m tests.warm_kernels --jobs $(JOBS) $(if $(ONLY),--only $(ONLY))
	@$(PY) -m vjepa_lib.show.front

# The tests train in a folder of their own, at the smallest profile. Many wait for processes that they
# start, so one more than there are cores run at a time.
TESTERS = $(shell expr $(JOBS) + 1)
test: export VJEPA_PROFILE := smoke
test: export VJEPA_RUNS := $(CURDIR)/build/test/runs
test: export VJEPA_DATA := $(CURDIR)/build/test/data
test: export VJEPA_FIGURES := $(CURDIR)/build/test/figures
test: $(STAMP)
	@$(PY) -m ruff check --quiet vjepa_lib tests notebooks
	@$(PY) -m ruff format --check --quiet vjepa_lib tests notebooks
	@$(PY) -m pytest -q -n $(TESTERS) --dist loadfile -p no:cacheprovider -p no:nbval tests
	@env -u VJEPA_PROFILE $(PY) -m pytest -q -n $(TESTERS) --dist loadfile -p no:cacheprovider -p tests.warm_kernels --nbval --nbval-cell-timeout 300 notebooks

# The folder says that .py files open as notebooks; the reader's own settings come before it.
lab: export JUPYTER_CONFIG_PATH := $(if $(JUPYTER_CONFIG_PATH),$(JUPYTER_CONFIG_PATH):)$(CURDIR)/.jupyter
lab: $(STAMP)
	@$(PY) -m jupyterlab notebooks

# Notebooks are shown as they are committed, not run. Every warning is an error.
site: $(STAMP)
	@$(PY) -m sphinx -c docs/site -q -W --keep-going -d build/site-cache . build/site
	@echo "build/site/index.html"

verify: $(STAMP)
	@$(PY) -m vjepa_lib.reproduce $(ARGS) --verify

bench: $(STAMP)
	@$(PY) -m vjepa_lib.bench $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS))

lint: $(STAMP)
	@$(PY) -m ruff check vjepa_lib tests notebooks
	@$(PY) -m ruff format --check vjepa_lib tests notebooks

clean:
	rm -rf build figures/*.png figures/*.svg figures/*.csv figures/*.md figures/*.tex figures/*.html figures/*.json figures/*.pdf figures/notebooks
