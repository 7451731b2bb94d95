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
# pip would reuse a wheel that was built with other flags
INSTALL_LLM := $(BIN)/pip install --quiet --no-cache-dir --force-reinstall --no-deps $(LLM_REQUIREMENT)

.PHONY: browser bench bench-quick bench-seed bench-speed report disagreements test test-fast coverage soak lint docs setup clean-llm clean help

bench: setup ## the default benchmark: encoder against local LLM on one split
	$(BIN)/bench run default $(ARGS)

bench-quick: setup ## a few minutes with the smallest models
	$(BIN)/bench run quick $(ARGS)

bench-seed: setup ## the blog post's setting: DistilBERT against Llama 3 8B (needs the Hub)
	$(BIN)/bench run seed $(ARGS)

bench-speed: setup ## time both backends against what people write, as ratios of medians
	$(BIN)/bench speed $(ARGS)

report: setup ## print the newest run's tables again
	$(BIN)/bench report $(ARGS)

disagreements: setup ## every message of the newest run on which classifiers differ
	$(BIN)/bench disagreements $(ARGS)

test: setup browser ## all tests, on real models
	$(BIN)/pytest $(PARALLEL) $(ARGS)

test-fast: setup ## the tests that need no model weights
	$(BIN)/pytest $(PARALLEL) -m "not slow" $(ARGS)

coverage: setup browser ## all tests, and which lines none of them reaches, workers' lines included
	$(BIN)/pytest $(PARALLEL) --cov $(ARGS)

soak: setup ## hundreds of loads and fits: memory must not grow
	$(BIN)/pytest -m soak -s tests/test_soak.py $(ARGS)

lint: setup ## ruff, mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup ## build the documentation site into build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

setup: $(VENV)/.packages $(VENV)/.llm ## make .venv with everything in it

$(VENV)/.packages: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# built once, not again for every change of pyproject.toml
$(VENV)/.llm: | $(VENV)/.packages
	$(BIN)/pip install --quiet --constraint constraints.txt diskcache jinja2 typing-extensions numpy
	@echo "compiling llama.cpp, about 5 minutes on 2 cores"
	CFLAGS="$(CFLAGS) $(LLM_FLAGS)" CXXFLAGS="$(CXXFLAGS) $(LLM_FLAGS)" $(INSTALL_LLM)
	@$(BIN)/bench doctor --llm-only || { [ "$$(uname -m)" = x86_64 ] && echo "compiling again without AMX" && \
	CFLAGS="$(CFLAGS) $(NO_AMX_FLAGS)" CXXFLAGS="$(CXXFLAGS) $(NO_AMX_FLAGS)" $(INSTALL_LLM) && \
	$(BIN)/bench doctor --llm-only; }
	touch $@

# the report's page is tested in a real browser; without one those tests are skipped, which CI counts as a failure
browser:
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && \
	apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	echo "no chromium: the tests of the report's page will be skipped; install it with your package manager"

clean-llm: ## forget that llama.cpp was built, so that setup builds it again
	rm -f $(VENV)/.llm

clean: ## remove the environment and caches; results stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
