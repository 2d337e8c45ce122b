# Two commands do all the set-up on a fresh Debian 12: `make demo` and `make test`.
#
# Artifacts go to one stable folder outside the checkout, because RocksDB's C++ takes 10 to 20 minutes to
# compile on two cores: a second clone, a test run and a bench all reuse it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pmm-buffer
export CARGO_TARGET_DIR ?= $(CACHE)/target
export PMM_BUFFER_TEST_PEERS ?= $(CACHE)/peers
CARGO ?= cargo

.PHONY: help build demo compare test fuzz instructions bench lint doc deny packages setup setup-peers clean

help: ## Lists these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## Installs what the build needs (as root or with sudo), or says what to install
	@scripts/setup.sh build

setup-peers: ## Brings the real peers of the tests (VictoriaMetrics, vmagent, Prometheus, client libraries)
	@scripts/setup.sh peers '$(PMM_BUFFER_TEST_PEERS)'

build: setup ## Builds the release binary
	@$(CARGO) build --release --locked
	@echo "built $(CARGO_TARGET_DIR)/release/pmm-buffer"

demo: build ## Shows the main job: outage, kill -9, restart, catch-up, verdict
	@"$(CARGO_TARGET_DIR)/release/pmm-buffer" demo

compare: build setup-peers ## Measures this agent and vmagent in turn, in under three minutes
	@"$(CARGO_TARGET_DIR)/release/pmm-buffer" bench compare

test: setup setup-peers ## Builds what is needed and passes all tests
	@$(CARGO) test --release --locked

FUZZ_SECONDS ?= 5

fuzz: setup ## Fuzzes each decoder for FUZZ_SECONDS (5) from the committed seeds
	@scripts/fuzz.sh $(FUZZ_SECONDS)

instructions: setup ## Counts the instructions of the hot paths, and holds them against benches/instructions/figures.txt
	@scripts/setup.sh instructions
	@$(CARGO) bench --locked --bench instructions

bench: setup setup-peers ## Runs the benchmarks
	@$(CARGO) bench --locked

lint: setup ## Formatting, and clippy with warnings as errors
	@$(CARGO) fmt --check
	@$(CARGO) clippy --release --locked --all-targets -- -D warnings

doc: setup ## API documentation, warnings as errors
	@RUSTDOCFLAGS='-D warnings' $(CARGO) doc --release --locked --no-deps --document-private-items

deny: ## Licences, bans and sources of the dependencies; advisories where a copy of RustSec's data is
	@scripts/deny.sh '$(CACHE)/tools'

packages: build ## Makes the Debian and RPM packages, and checks them in a copy of this system that leaves no trace
	@scripts/packages.sh '$(CACHE)/tools'
	@tests/packages/check.sh '$(CARGO_TARGET_DIR)' '$(CACHE)/tools'

clean: ## Removes this project's own artifacts, and leaves RocksDB compiled
	@$(CARGO) clean --release -p pmm-buffer
