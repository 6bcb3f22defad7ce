.DEFAULT_GOAL := help
.PHONY: help setup demo test check package bench load clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing: wasm toolchain, Node, npm and Python tools, browser, services for tests
	@scripts/setup.sh all

demo: ## set up, build, and run the demonstration
	@scripts/demo.sh

test: ## set up, check, build, and run every suite
	@scripts/test.sh

check: ## formatting, lints, types, and the Rust tests
	@scripts/check.sh

package: ## release builds into dist/, each installed and imported once
	@scripts/package.sh
	@scripts/check-packages.sh

bench: ## compare with peers, release builds, into docs/benchmarks.md
	@scripts/bench.sh

load: ## drive a store from several processes and check every answer; STORE=postgresql://... OPTIONS="--processes 8"
	@scripts/load.sh $(STORE) $(OPTIONS)

clean: ## remove what was built (keeps .tools, .venv and node_modules)
	rm -rf target dist node/lib node/*.node wasm/lib wasm/pkg wasm/pkg-testing wasm/pkg-archive examples/admin-panel/public/strongroom-web
	find python -name '__pycache__' -prune -exec rm -rf {} +
	rm -f python/src/strongroom/*.so
