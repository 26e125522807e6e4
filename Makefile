# make sample   installs into a fresh environment and draws faces.png
# make test     all checks: ruff, the tests on three backends, docs, notebooks
# The other targets work in the environment of the tests, and make it if need be:
# make lint | format | docs | notebooks | demo | clean

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := test
.PHONY: sample test environments lint format docs notebooks demo clean

PYTHON ?= python3
# What is installed for each backend: builds for the CPU where there is a choice.
# Elsewhere PyPI's PyTorch brings several GB for GPUs; CONTRIBUTING.md says how to
# get its small build.
ifeq ($(shell uname -sm),Linux x86_64)
TENSORFLOW ?= tensorflow-cpu>=2.18
else
TENSORFLOW ?= tensorflow>=2.18
endif
TORCH ?= torch==2.13.0
# As the extra `cv` has it, which asks for the larger build of TensorFlow.
KERAS_CV ?= keras-cv>=0.9,<0.10
# Test processes side by side, each of one thread.
WORKERS ?= 2

FULL := .venv-test
JAX_ONLY := .venv-test-jax
EXTRAS := jax,data,export,plot,ray,notebooks,docs,test
BIN := $(FULL)/bin

export OMP_NUM_THREADS := 1
export TF_CPP_MIN_LOG_LEVEL := 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Compiled once: tests start many processes. Empty is the same as not set.
export PYTHONDONTWRITEBYTECODE :=
export NO_MKDOCS_2_WARNING := 1
export MPLBACKEND ?= agg
export JAX_COMPILATION_CACHE_DIR := $(CURDIR)/.cache/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS := 0
export KERAS_HOME := $(CURDIR)/.cache/keras

INSTALL := python -m pip install --quiet --no-compile
STAGE := @.ci/stage
PYTEST := python -m pytest -n $(WORKERS) --dist worksteal
# Tests that are the same on every backend run on PyTorch alone: it compiles nothing.
NOT_ONCE := -m "not once"

# Makes the empty environment $(1).
define new-environment
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	    "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	rm -rf $(1)
	$(PYTHON) -m venv $(1)
endef

# `-P` leaves this folder out of the path: what runs is the package as installed.
sample:
	$(call new-environment,.venv-sample)
	@echo "Installing, about a minute ..."
	.venv-sample/bin/$(INSTALL) . "$(TENSORFLOW)"
	KERAS_BACKEND=tensorflow .venv-sample/bin/python -P -m keras_patchdpm \
	    sample --n 2 --out faces.png
	@echo "The faces are in $(CURDIR)/faces.png"

# JAX is tested where no other backend is installed and `KERAS_BACKEND` is unset: the
# package has to find it by itself. What needs the others beside it is tested after that.
test:
	@rm -f .cache/stages
	$(STAGE) "install" $(MAKE) -j 2 environments
	$(STAGE) "ruff" $(MAKE) lint
	$(STAGE) "docs" $(MAKE) docs
	$(STAGE) "tensorflow" env KERAS_BACKEND=tensorflow $(BIN)/$(PYTEST) $(NOT_ONCE)
	$(STAGE) "jax alone" env -u KERAS_BACKEND $(JAX_ONLY)/bin/$(PYTEST) \
	    $(NOT_ONCE)
	$(STAGE) "jax with others" env KERAS_BACKEND=jax $(BIN)/$(PYTEST) \
	    $(NOT_ONCE) tests/test_backend_choice.py tests/models/test_saving.py
	$(STAGE) "torch" env KERAS_BACKEND=torch $(BIN)/$(PYTEST)
	$(STAGE) "notebooks" env KERAS_BACKEND=tensorflow PATCHDPM_FAST=1 \
	    $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile \
	    --nbval-lax --nbval-current-env --nbval-cell-timeout=300 notebooks
	$(STAGE) "demo" $(BIN)/python .ci/try_demo.py
	@printf '\n==== all passed\n'; cat .cache/stages

environments: $(FULL)/ready $(JAX_ONLY)/ready

# An environment is made anew when pyproject.toml changes.
$(FULL)/ready: pyproject.toml
	$(call new-environment,$(FULL))
	$(BIN)/$(INSTALL) -e ".[$(EXTRAS)]" "$(TENSORFLOW)" "$(TORCH)" \
	    "$(KERAS_CV)"
	touch $@

$(JAX_ONLY)/ready: pyproject.toml
	$(call new-environment,$(JAX_ONLY))
	$(JAX_ONLY)/bin/$(INSTALL) -e ".[jax,test]"
	! $(JAX_ONLY)/bin/python -c "import tensorflow" 2> /dev/null
	touch $@

lint: $(FULL)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(FULL)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(FULL)/ready
	$(BIN)/mkdocs build --strict
	$(BIN)/python .ci/crawl_site.py
	@echo "The site is in $(CURDIR)/site"

# Each tutorials/NAME.py becomes notebooks/NAME.ipynb, with its outputs; two at a time.
notebooks: $(FULL)/ready
	printf '%s\n' tutorials/*.py | \
	    xargs -P $(WORKERS) -n 1 $(BIN)/python .ci/make_notebook.py

# A page that samples faces128 in a browser, with onnxruntime-web from npm.
demo: $(FULL)/ready
	KERAS_BACKEND=torch $(BIN)/python demo/build.py demo-site

clean:
	rm -rf .venv-sample $(FULL) $(JAX_ONLY) .cache .hypothesis .pytest_cache \
	    .ruff_cache build dist site demo-site *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
