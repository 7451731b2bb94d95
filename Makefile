# Everything starts here: each target sets up what it needs. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# tests run in as many processes as there are cores, up to four, each with cores of its own
PARALLEL := -n auto --maxprocesses 4 --dist loadfile

# gcc drops the stores that fill the AMX tile configuration as dead, and llama.cpp then crashes at its
# first token (ggml-org/llama.cpp issue 20824); clang does not know the flag and does not need it
LLM_FLAGS := $(shell $(CC) --version 2>/dev/null | grep -qi clang || echo -fno-dse)
# where it still crashes on x86-64, AMX is switched off
NO_AMX_FLAGS := -mno-amx-tile -mno-amx-int8 -mno-amx-bf16
LLM_REQUIREMENT := llama-cpp-python==0.3.36
# pictures and sound are not read here
LLM_CMAKE := -DLLAVA_BUILD=OFF
# the built wheel is kept for other checkouts; code is compiled for this very processor, so its name is part of the key
LLM_KEY := $(shell { echo "$(LLM_REQUIREMENT) $(LLM_FLAGS) $(LLM_CMAKE)"; $(PYTHON) -VV; $(CC) --version; \
	grep -m1 -E '^(flags|Features)' /proc/cpuinfo || sysctl -n machdep.cpu.brand_string; } 2>/dev/null | cksum | cut -d' ' -f1)
WHEELS ?= $(HOME)/.cache/bench-wheels/$(LLM_KEY)
BUILD_LLM = command -v $(CC) >/dev/null || { echo "llama.cpp needs a C and C++ compiler: install build-essential (Debian,\
	Ubuntu), or run xcode-select --install (macOS)" >&2; exit 1; }; \
	echo "compiling llama.cpp once for this machine: 4 to 9 minutes on 2 cores" && mkdir -p $(WHEELS) && \
	CMAKE_ARGS="$(CMAKE_ARGS) $(LLM_CMAKE)" CFLAGS="$(CFLAGS) $(1)" CXXFLAGS="$(CXXFLAGS) $(1)" \
	$(BIN)/pip wheel --quiet --no-cache-dir --no-deps --wheel-dir $(WHEELS) $(LLM_REQUIREMENT)
INSTALL_LLM = $(BIN)/pip install --quiet --force-reinstall --no-deps $(WHEELS)/*.whl

.PHONY: browser bench bench-quick bench-seed bench-speed report disagreements test test-fast test-lowest coverage soak lint docs setup setup-dev clean-llm clean help

bench: setup ## the default benchmark: encoder against local LLM on one split
	$(BIN)/bench run default $(ARGS)

bench-quick: setup ## a few minutes with the smallest models
	$(BIN)/bench run quick $(ARGS)

bench-seed: setup ## the blog post's setting: DistilBERT against Llama 3 8B (needs the Hub)
	$(BIN)/bench run seed $(ARGS)

bench-speed: setup-dev ## time both backends against what people write, as ratios of medians
	$(BIN)/bench speed $(ARGS)

report: setup ## print the newest run's tables again
	$(BIN)/bench report $(ARGS)

disagreements: setup ## every message of the newest run on which classifiers differ
	$(BIN)/bench disagreements $(ARGS)

test: setup-dev browser ## all tests, on real models; the slowest are listed
	$(BIN)/pytest $(PARALLEL) --durations 20 $(ARGS)

test-fast: setup-dev ## the tests that need no model weights
	$(BIN)/pytest $(PARALLEL) -m "not slow" $(ARGS)

# the lowest of every direct dependency, extras included, as uv resolves them; torch and llama.cpp are those of setup
LOWEST := build/lowest
test-lowest: setup-dev ## the tests that need no weights, with the lowest versions that pyproject.toml allows
	$(BIN)/pip install --quiet uv
	rm -rf $(LOWEST) && $(PYTHON) -m venv $(LOWEST)
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --python $(LOWEST)/bin/python --extra energy --extra fast \
		--extra lora --extra setfit pyproject.toml --output-file $(LOWEST)/all.txt
	grep -vE '^(torch|triton|cuda|nvidia-(c|n))' $(LOWEST)/all.txt > $(LOWEST)/requirements.txt
	$(LOWEST)/bin/pip install --quiet --constraint constraints.txt torch
	$(LOWEST)/bin/pip install --quiet --no-deps --requirement $(LOWEST)/requirements.txt
	$(LOWEST)/bin/pip install --quiet --no-deps diskcache pytest iniconfig pluggy hypothesis sortedcontainers $(WHEELS)/*.whl
	$(LOWEST)/bin/pip install --quiet --no-deps --editable .
	$(LOWEST)/bin/python -m pytest -m "not slow" $(ARGS)

coverage: setup-dev browser ## all tests, and which lines none of them reaches, workers' lines included
	$(BIN)/pytest $(PARALLEL) --cov $(ARGS)

soak: setup-dev ## hundreds of loads and fits: memory must not grow
	$(BIN)/pytest -m soak -s tests/test_soak.py $(ARGS)

lint: setup-dev ## ruff, mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup-dev ## build the documentation site into build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

setup: ## make .venv with everything a run needs; llama.cpp compiles while packages download
	@$(MAKE) --no-print-directory --jobs 2 $(VENV)/.packages $(WHEELS)/.built
	@$(MAKE) --no-print-directory $(VENV)/.llm

setup-dev: setup $(VENV)/.dev ## what tests, lint and docs need on top

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.packages: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.packages
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

$(WHEELS)/.built: | $(VENV)/bin/pip
	@$(call BUILD_LLM,$(LLM_FLAGS))
	@touch $@

# built once, not again for every change of pyproject.toml
$(VENV)/.llm: | $(VENV)/.packages $(WHEELS)/.built
	$(BIN)/pip install --quiet --constraint constraints.txt diskcache jinja2 typing-extensions numpy
	$(INSTALL_LLM)
	@$(BIN)/bench doctor --llm-only || { [ "$$(uname -m)" = x86_64 ] && echo "compiling again without AMX" && \
	rm -f $(WHEELS)/*.whl && { $(call BUILD_LLM,$(NO_AMX_FLAGS)); } && $(INSTALL_LLM) && $(BIN)/bench doctor --llm-only; }
	touch $@

# the report's page is tested in a real browser; without one those tests are skipped, which CI counts as a failure
browser:
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && \
	apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	echo "no chromium: the tests of the report's page will be skipped; install it with your package manager"

clean-llm: ## forget that llama.cpp was built, so that setup builds it again
	rm -rf $(VENV)/.llm $(WHEELS)

clean: ## remove the environment and caches; results stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
