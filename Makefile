# From a fresh checkout: Python 3.11 or newer, make and a package index are all that these targets need.
# `make` lists them. `make PYTHON=/path/to/python ...` names the interpreter instead of looking for one.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
OLDEST := .venv-oldest
BENCH := .venv-bench
ADELIE := .venv-adelie
CUDA := .venv-cuda
CUDA_PARTS := cublas cuda-cupti cuda-nvcc cuda-nvrtc cuda-runtime cudnn cufft cusolver cusparse nccl nvjitlink nvshmem
# Test processes at once; 0 runs the tests in one process, one after the other.
WORKERS ?= 2
# What older versions of JAX and NumPy can break: formulas, one file of each kind of solver and of training, doors. The
# rest is tested on the newest alone.
OLDEST_TESTS := tests/formulas tests/engines/test_engines.py tests/sweeps/test_ridge_folds.py tests/solvers/test_ridge.py \
	tests/solvers/test_homotopy.py tests/solvers/test_working_set.py tests/training/test_train_losses.py \
	tests/test_regression.py tests/data/test_inputs.py tests/sweeps/test_folds.py
# For benchmarks/report.py: make bench BENCH_OPTIONS='--only paths --shapes small,mid'
BENCH_OPTIONS ?=
PYENV_ROOT ?= $(HOME)/.pyenv
VERSIONS := 3.14 3.13 3.12 3.11
OLDEST_FIRST := 3.11 3.12 3.13 3.14
CODE := $(wildcard jaxreg tests benchmarks notebooks docs)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# usable PYTHON: it starts, is 3.11 or newer, and can make an environment that has pip. A name on PATH proves none of
# this: pyenv's shims stand there for versions that are switched off, and some systems leave out ensurepip.
#
# interpreters VERSION...: one usable interpreter for each version, in the order given; PATH goes before pyenv.
#
# make_environment FOLDER VERSION... reads from $$extras which of jaxreg's extras are installed (dev if it is not set),
# and from $$pins what besides. The file
# FOLDER/.complete is written last. Without it the folder is a left-over of an interrupted run, and is made anew; with
# it, only pyproject.toml has changed, and installing into the folder that is there takes seconds.
FUNCTIONS = \
usable() { \
	"$$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1; \
}; \
candidates() { \
	( IFS=:; for folder in $$PATH; do echo "$$folder/python$$1"; done ); \
	for python in "$(PYENV_ROOT)"/versions/$$1.*/bin/python$$1; do echo "$$python"; done; \
}; \
first_usable() { \
	candidates "$$1" | while IFS= read -r python; do \
		if [ -x "$$python" ] && usable "$$python"; then echo "$$python"; break; fi; \
	done; \
}; \
interpreters() { \
	if [ -n "$(PYTHON)" ]; then \
		if usable "$(PYTHON)"; then echo "$(PYTHON)"; fi; \
	else \
		for version in "$$@"; do first_usable "$$version"; done; \
	fi; \
}; \
none_found() { \
	if [ -n "$(PYTHON)" ]; then \
		echo "error: PYTHON=$(PYTHON) does not start, is older than 3.11, or lacks venv or ensurepip." >&2; \
	else \
		echo "error: no Python of $(VERSIONS) that starts and has venv and ensurepip was found on PATH or in" >&2; \
		echo "$(PYENV_ROOT)/versions. Install one, or name one: make PYTHON=/path/to/python ..." >&2; \
	fi; \
	exit 1; \
}; \
install() { \
	"$$1/bin/python" -m pip install -qq -e ".[$${extras:-dev}]" $$pins </dev/null; \
}; \
make_environment() { \
	folder=$$1; shift; \
	if [ -f "$$folder/.complete" ]; then \
		echo "pyproject.toml has changed: bringing $$folder up to date ..."; \
		rm -f "$$folder/.complete"; \
		if install "$$folder"; then touch "$$folder/.complete"; return 0; fi; \
	fi; \
	found=$$(interpreters "$$@"); \
	if [ -z "$$found" ]; then none_found; fi; \
	echo "$$found" | { while IFS= read -r python; do \
		echo "Making $$folder with $$python (a minute or two) ..."; \
		rm -rf "$$folder"; \
		if "$$python" -m venv "$$folder" </dev/null && install "$$folder"; then \
			touch "$$folder/.complete"; exit 0; \
		fi; \
		rm -rf "$$folder"; \
		echo "jaxreg and what it needs did not install with $$python; the reason stands above." >&2; \
	done; \
	echo "error: $$folder was not made." >&2; exit 1; }; \
}

# The GPU's compiler without a GPU: the libraries alone, beside the environment, for they are large (4.9 GB).
$(CUDA)/.complete: $(VENV)/.complete
	@rm -rf $(CUDA); version=$$($(VENV)/bin/python -c 'import jaxlib; print(jaxlib.__version__)'); \
	echo "Installing the libraries of CUDA into $(CUDA) (4.9 GB) ..."; \
	$(VENV)/bin/python -m pip install -qq --no-deps --target $(CUDA) "jax-cuda12-plugin==$$version" "jax-cuda12-pjrt==$$version" \
		$(foreach part,$(CUDA_PARTS),nvidia-$(part)-cu12) </dev/null && touch $(CUDA)/.complete

gpu-check: $(CUDA)/.complete ## what the compiler of a GPU makes of the programs, without one: launches, lengths, memory (minutes)
	PYTHONPATH=$(CURDIR):$(CURDIR)/$(CUDA) $(VENV)/bin/python benchmarks/gpu_check.py

.PHONY: gpu-check help env sweep test test-slow test-oldest lint format docs notebooks bench interpreters clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1 \2/p' Makefile | \
	while read -r target says; do printf '  make %-13s %s\n' "$$target" "$$says"; done

$(VENV)/.complete: pyproject.toml
	@$(FUNCTIONS); pins=; make_environment $(VENV) $(VERSIONS)

# The lower bounds in pyproject.toml, as what is installed: jax>=0.10 becomes jax==0.10.*
FLOORS = import tomllib; \
	project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	extras = project["optional-dependencies"]; \
	bounds = sum((extras[name] for name in ("estimators", "plots", "tables")), project["dependencies"]); \
	print(*(bound.replace(">=", "==") + ".*" for bound in bounds))

$(OLDEST)/.complete: pyproject.toml
	@$(FUNCTIONS); \
	python=$$(interpreters $(OLDEST_FIRST) | head -n 1); \
	if [ -z "$$python" ]; then none_found; fi; \
	pins=$$("$$python" -c '$(FLOORS)') && make_environment $(OLDEST) $(OLDEST_FIRST)

env: $(VENV)/.complete ## make or update the environment in .venv

sweep: $(VENV)/.complete ## cross-validate the diabetes data: a table here, figures in out/diabetes
	$(VENV)/bin/jaxreg sweep --dataset diabetes --out out/diabetes

test: $(VENV)/.complete ## the quick tests
	$(VENV)/bin/python -m pytest -n $(WORKERS) -m "not slow"

test-slow: $(VENV)/.complete ## the tests that take longer
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 $(VENV)/bin/python -m pytest -n $(WORKERS) -m slow

test-oldest: $(OLDEST)/.complete ## formulas, solvers, training and doors on the oldest Python found and the oldest dependencies
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 $(OLDEST)/bin/python -m pytest -n $(WORKERS) -m "not slow" $(OLDEST_TESTS)

lint: $(VENV)/.complete ## formatting, lint, types and who imports whom
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.complete ## put the code into the common format
	$(VENV)/bin/ruff format $(CODE)
	$(VENV)/bin/ruff check --fix $(CODE)

docs: $(VENV)/.complete ## how-to pages, notebooks and reference, as pages that need no network, in out/docs
	$(VENV)/bin/python -m sphinx -q -W -E -b html -d out/doctrees docs out/docs
	@echo "Open out/docs/index.html in a browser."

notebooks: $(VENV)/.complete ## run every notebook, and store what it prints and draws (minutes)
	$(VENV)/bin/python notebooks/outputs.py

# What jaxreg is measured beside. Where the peers do not install together, each is tried alone, and one that does not
# install is reported as such: the benchmarks run without it.
PEERS = import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["peers"], sep="\n")

$(BENCH)/.complete: pyproject.toml
	@$(FUNCTIONS); pins=; extras=plots; make_environment $(BENCH) $(VERSIONS); rm -f $(BENCH)/.complete; \
	echo "Installing the programs that jaxreg is measured beside ..."; \
	if ! extras=plots,peers install $(BENCH); then \
		$(BENCH)/bin/python -c '$(PEERS)' | while IFS= read -r peer; do \
			extras=plots pins="$$peer" install $(BENCH) || echo "not installed: $$peer" >&2; \
		done; \
	fi; \
	touch $(BENCH)/.complete

# adelie needs numpy<2, which jaxreg does not run with and which Python 3.13 has no builds of.
$(ADELIE)/.complete: pyproject.toml
	@$(FUNCTIONS); python=$$(interpreters 3.12 3.11 | head -n 1); rm -rf $(ADELIE); \
	echo "Making $(ADELIE) ..."; \
	if [ -n "$$python" ] && "$$python" -m venv $(ADELIE) </dev/null && \
		$(ADELIE)/bin/python -m pip install -qq 'adelie>=1.1.50' 'numpy<2' threadpoolctl </dev/null; then \
		touch $(ADELIE)/.complete; \
	else \
		rm -rf $(ADELIE); echo "not installed: adelie" >&2; \
	fi

bench: $(BENCH)/.complete $(ADELIE)/.complete ## measure the speed beside other programs, and write the report (an hour)
	$(BENCH)/bin/python benchmarks/report.py $(BENCH_OPTIONS)

interpreters: ## the interpreters that can be used, newest first
	@$(FUNCTIONS); found=$$(interpreters $(VERSIONS)); if [ -z "$$found" ]; then none_found; fi; echo "$$found"

clean: ## remove the environments, caches and everything in out/
	rm -rf $(VENV) $(OLDEST) $(BENCH) $(ADELIE) $(CUDA) out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find jaxreg tests benchmarks notebooks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
