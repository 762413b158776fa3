# `make` lists the targets. Works with GNU make 3.81, because macOS has that.

CARGO ?= cargo
# Extra arguments for the program that a target starts: make run ARGS=--fresh
ARGS ?=
# The profile of `make run`. A first build with `dev` is several times faster than with `release`,
# and the tests share it. For full speed: make run PROFILE=release
PROFILE ?= dev
LISTEN ?= 127.0.0.1:8080
SCENARIO ?= rush

target_dir := $(or $(CARGO_TARGET_DIR),target)
binary := $(target_dir)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/grandstand
stage := scripts/stage
# Many tests wait for a time-out, so more of them run at once than there are cores; with twice as
# many, slow machines break promises about time. Each has servers of its own, and more than 16 would
# want more connections than the PostgreSQL of the tests has.
test_threads := $(shell cores=$$(getconf _NPROCESSORS_ONLN) && \
	echo $$((cores < 15 ? cores + 1 : 16)))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test api features fuzz sbom advisories breaker chaos rude bench bench-peers load lint fmt doc clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

run: ## Start everything on http://127.0.0.1:8080 with demo data (ARGS=--fresh, PROFILE=release)
	@scripts/setup run
	@$(CARGO) build --locked --profile $(PROFILE) --bin grandstand
	@exec $(binary) dev --listen $(LISTEN) $(ARGS)

test: ## Run everything that must pass: format, lints, tests, features, scripts, browser tests
	@$(stage) setup scripts/setup test
	@$(stage) format $(CARGO) fmt --all --check
	@$(stage) lint $(CARGO) clippy --locked --all-targets -- -D warnings
	@$(stage) supply scripts/supply check
	@$(MAKE) --no-print-directory sbom
	@$(stage) tests env RUST_TEST_THREADS=$(test_threads) $(CARGO) test --locked --no-fail-fast
	@$(stage) breaker $(MAKE) --no-print-directory breaker ARGS="--seeds 1,3 --seconds 15 --exam never"
	@$(stage) exam $(MAKE) --no-print-directory breaker ARGS="--seeds 2 --seconds 15"
	@$(stage) scripts scripts/setup_test
	@$(stage) commits scripts/commits_test
	@$(stage) mutants scripts/mutants check
	@$(stage) deploy .schemathesis/bin/python scripts/deploy_test
	@if [ -f web/package.json ]; then $(stage) browser scripts/web_test; fi

api: ## Generate web/openapi.json and the page's types, after a change of the API
	@$(CARGO) run --locked --quiet --bin grandstand -- openapi > web/openapi.json.new
	@mv web/openapi.json.new web/openapi.json
	@cd web && if [ ! -d node_modules ]; then npm ci --no-audit --no-fund; fi && npm run --silent api

features: ## Run the scenarios of features/ only (ARGS="-- --name 'a part of its name'")
	@scripts/setup run
	@$(CARGO) test --locked --test cucumber $(ARGS)

fuzz: ## Try parsers of bytes from outside, and the API, with many random inputs (CASES=1000000)
	@scripts/setup test
	@PROPTEST_CASES=$(or $(CASES),100000) $(CARGO) test --locked --test it outside -- --nocapture
	@$(CARGO) test --locked --test it api_description::responses_to_many -- --ignored

sbom: ## Write the bill of materials (CycloneDX) to target/sbom.json
	@mkdir -p $(target_dir)
	@scripts/supply sbom $(target_dir)/sbom.json

advisories: ## Look for known weaknesses of dependencies; needs the network and cargo-deny
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny@0.20.2
	@$(CARGO) deny check advisories
	@cd web && npm audit --package-lock-only

breaker: ## Break a private installation at random, and check each promise (ARGS="--seeds 1..20")
	@scripts/setup run
	@$(CARGO) build --locked --bin grandstand --bin grandstand-chaos
	@$(target_dir)/debug/grandstand-chaos $(or $(ARGS),--seeds 1..12 --seconds 240 --see-all)

chaos: ## Repeat failures for two hours (ARGS=kills for the tests with this in their name)
	@scripts/setup run
	@$(CARGO) test --locked --test it $(or $(ARGS),chaos::) -- --ignored --test-threads 1 --nocapture
	@$(if $(ARGS),,$(MAKE) --no-print-directory breaker)

rude: ## Play 2,000 rude clients of each kind against a release build
	@scripts/setup run
	@$(CARGO) build --locked --release --bin grandstand
	@GRANDSTAND_BIN=$(target_dir)/release/grandstand \
		$(CARGO) test --locked --test it two_thousand -- --ignored --test-threads 1 --nocapture

bench: ## Run the benches, for 7 minutes after the build (ARGS=engine_hold for one of them)
	@scripts/setup run
	@$(CARGO) bench --locked --bench '$(or $(ARGS),*)'

bench-peers: ## Measure against the obvious ways to sell a seat, for docs/BENCHMARKS.md
	@CARGO="$(CARGO)" scripts/bench $(ARGS)

load: ## Run a load test on private servers (SCENARIO=rush, map, ...; ARGS="--people 10000")
	@scripts/setup run
	@$(CARGO) build --locked --release --bin grandstand --bin grandstand-load
	@exec $(target_dir)/release/grandstand load $(SCENARIO) --embedded $(ARGS)

lint: ## Run clippy and build the documentation; warnings are errors
	@$(CARGO) clippy --locked --all-targets -- -D warnings
	@RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items

fmt: ## Format the code, and check the subjects of the commits that are not on main yet
	@$(CARGO) fmt --all
	@scripts/commits

doc: ## Open the documentation of the code in the browser
	@$(CARGO) doc --locked --no-deps --document-private-items --open

clean: ## Remove all build output; the data in .grandstand stays
	@$(CARGO) clean
	@rm -rf web/node_modules .schemathesis
