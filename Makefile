# Hyper-Pi: what a person types. `make help` lists it.

PREFIX ?= /usr/local
DESTDIR ?=
PI ?= pi-demo
BUILD ?= .build
SWIFT ?= swift

# The versions of a real pi that test-pi installs and tests.
PI_VERSIONS ?= 0.79.7 0.84.3 0.84.4000 0.87.0 1.0.3
PI_NEWEST := 1.0.3
REAL_PIS := $(BUILD)/real-pi

TOOLS := hypivisor pi-socket hypi-ls hypi-attach hypi-spawn hypi-dirs pi-demo
RELEASE_FLAGS := -c release --scratch-path $(BUILD)
ifeq ($(shell uname -s),Linux)
# Nothing is loaded into a program that would look for its symbols.
RELEASE_FLAGS += --static-swift-stdlib -Xlinker -s -Xlinker --no-export-dynamic
endif
RELEASE_BIN = $(BUILD)/release
# A shell that is not bash leaves the tilde of PREFIX=~/.local as it is.
override PREFIX := $(patsubst ~/%,$(HOME)/%,$(PREFIX))

BINDIR := $(DESTDIR)$(PREFIX)/bin
BASH_DIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSH_DIR := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISH_DIR := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
MAN_DIR := $(DESTDIR)$(PREFIX)/share/man/man1

.PHONY: all release demo test test-pi browser-test interop fuzz sanitize autobahn lint completions screens bench bench-quick install uninstall clean help packages

all: release ## Build the release programs (the default)

packages:
	@Tests/Scripts/install-packages.sh libssl-dev libreadline-dev zlib1g-dev pkg-config

# A libstdc++ without a shared one beside it, which the linker would prefer.
STATIC_LIBRARIES := $(abspath $(BUILD))/static
release: packages
	@mkdir -p "$(STATIC_LIBRARIES)"
	@library="$$("$$(dirname "$$(command -v $(SWIFT))")/clang" -print-file-name=libstdc++.a 2>/dev/null)"; \
	if [ -f "$$library" ]; then ln -sf "$$library" "$(STATIC_LIBRARIES)/libstdc++.a"; fi
	HYPI_STATIC_LIBRARIES="$(STATIC_LIBRARIES)" $(SWIFT) build $(RELEASE_FLAGS)
	@touch "$(RELEASE_BIN)/.complete"

demo: release ## Start a hypivisor and two agents, talk to them, break things, clean up (PI=pi for a real pi, which it installs)
	@Tests/Scripts/install-packages.sh jq
	@pi="$(PI)"; \
	if [ "$$pi" = pi ]; then pi=$$(Tests/Scripts/install-pi.sh "$(PI_NEWEST)" "$(REAL_PIS)/$(PI_NEWEST)") || exit 1; fi; \
	Tests/Scripts/demo.sh "$(RELEASE_BIN)" "$$pi"

TEST_PACKAGES := iproute2 jq tmux mandoc man-db cron bash zsh fish python3 libfaketime
test: packages ## Build and run all tests
	@Tests/Scripts/install-packages.sh $(TEST_PACKAGES)
	$(SWIFT) build --build-tests --scratch-path $(BUILD) --explicit-target-dependency-import-check error
	@Tests/Scripts/run-tests.sh "$(BUILD)"

test-pi: packages ## Test with real versions of pi, which it installs (PI_VERSIONS='0.79.7 1.0.3', TURNS=200)
	@Tests/Scripts/install-packages.sh python3
	@for version in $(PI_VERSIONS); do \
		Tests/Scripts/install-pi.sh "$$version" "$(REAL_PIS)/$$version" >/dev/null || exit 1; \
	done
	$(SWIFT) build --build-tests --scratch-path $(BUILD)
	HYPI_TEST_PIS="$(foreach version,$(PI_VERSIONS),$(version)=$(abspath $(REAL_PIS))/$(version)/bin/pi)" \
		HYPI_TEST_TURNS="$(TURNS)" \
		$(SWIFT) test --skip-build --no-parallel --scratch-path $(BUILD) --filter RealPiTests

browser-test: packages ## Put a real browser with a hostile page in front of hypivisor and pi-socket
	@Tests/Scripts/install-packages.sh chromium python3
	$(SWIFT) build --build-tests --scratch-path $(BUILD)
	$(SWIFT) test --skip-build --no-parallel --scratch-path $(BUILD) --filter BrowserTests

# A package of its own: swift-nio-ssl, which it compares with, is none of the programs' dependencies.
INTEROP := --package-path Tests/Interop --scratch-path $(BUILD)-interop
# ws is a package of Debian; elsewhere its tests are left out.
INTEROP_NODE := $(if $(filter Linux,$(shell uname -s)),nodejs node-ws)
interop: packages ## Hold our TLS and WebSocket against swift-nio-ssl, Python's websockets and Node's ws (which it installs)
	@Tests/Scripts/install-packages.sh openssl python3 $(INTEROP_NODE)
	@Tests/Interop/install-websockets.sh "$(BUILD)/venv"
	HYPI_INTEROP_PYTHON="$(abspath $(BUILD))/venv/bin/python3" HYPI_INTEROP_NODE="$(if $(INTEROP_NODE),$$(command -v node))" \
		$(SWIFT) test $(INTEROP) --no-parallel

FUZZ_INPUTS ?= 10000000
FUZZ_FLAGS := -c release --scratch-path $(BUILD)-fuzz -Xswiftc -enable-testing
fuzz: packages ## Give everything that reads a peer's bytes 10 million damaged inputs (FUZZ_INPUTS=n)
	$(SWIFT) build $(FUZZ_FLAGS) --build-tests
	HYPI_FUZZ_ITERATIONS=$(FUZZ_INPUTS) $(SWIFT) test $(FUZZ_FLAGS) --skip-build --no-parallel --filter FuzzTests

sanitize: packages ## Run all tests under the address sanitizer and the thread sanitizer
	@Tests/Scripts/install-packages.sh $(TEST_PACKAGES)
	@Tests/Scripts/sanitize.sh address
	@Tests/Scripts/sanitize.sh thread

autobahn: packages ## Run Autobahn's WebSocket test suite against all that HypiNet can be (WSTEST='python2.7 -m ...')
	@test -n "$(WSTEST)" || { echo "make autobahn: set WSTEST to what starts wstest of autobahntestsuite" >&2; exit 1; }
	@Tests/Scripts/install-packages.sh jq
	$(SWIFT) build --scratch-path $(BUILD)
	@Tests/Scripts/autobahn.sh "$$($(SWIFT) build --scratch-path $(BUILD) --show-bin-path)" "$(WSTEST)"

lint: ## Check format, documentation comments and the arrows between targets
	@Tests/Scripts/install-packages.sh jq
	$(SWIFT) format lint --strict -r Sources Tests Package.swift
	@Tests/Scripts/check-arrows.sh "$(SWIFT)"
	@Tests/Scripts/check-requirements.sh
	@Tests/Scripts/check-numbers.sh

completions: ## Write the completion scripts anew
	$(SWIFT) build --scratch-path $(BUILD)
	@for tool in $(TOOLS); do \
		bin="$$($(SWIFT) build --scratch-path $(BUILD) --show-bin-path)/$$tool" && \
		"$$bin" --generate-completion-script bash > completions/$$tool.bash && \
		"$$bin" --generate-completion-script zsh > completions/_$$tool && \
		"$$bin" --generate-completion-script fish > completions/$$tool.fish || exit 1; \
	done

screens: release ## Take the README's screens of the chat anew (needs tmux)
	@Tests/Scripts/install-packages.sh tmux
	@Tests/Scripts/screens.sh "$(RELEASE_BIN)"

BENCH_PEERS := curl gcc jq nodejs node-ws python3 python3-venv redis-tools socat websocketd
bench: release ## Measure the release programs, each Tests/Bench/*.sh in turn: a quarter of an hour
	@if [ "$$(uname -s)" = Linux ]; then Tests/Scripts/install-packages.sh $(BENCH_PEERS); fi
	@Tests/Scripts/describe-machine.sh
	@failed=""; \
	for script in Tests/Bench/*.sh; do \
		echo "== $$script" && begin=$$(date +%s) && \
		"$$script" "$(RELEASE_BIN)" || failed="$$failed $$script"; \
		echo "-- $$script: $$(( $$(date +%s) - begin )) s"; \
	done; \
	[ -z "$$failed" ] || { echo "make bench: not as promised:$$failed" >&2; exit 1; }

bench-quick: release ## Guard the ratios of the benchmarks, with wide margins, in less than a minute
	@Tests/Scripts/bench-quick.sh "$(RELEASE_BIN)"

install: ## Install programs, completions and manual pages under PREFIX (default /usr/local); DESTDIR is honoured
	@test -x "$(RELEASE_BIN)/hypivisor" || $(MAKE) release
	@newer=$$(find Sources Package.swift -newer "$(RELEASE_BIN)/.complete" -type f 2>/dev/null | head -n 1); \
	test -z "$$newer" || { echo "make install: $$newer is newer than the programs (run 'make' first)" >&2; exit 1; }
	install -d "$(BINDIR)" "$(BASH_DIR)" "$(ZSH_DIR)" "$(FISH_DIR)" "$(MAN_DIR)"
	for tool in $(TOOLS); do \
		install -m 755 "$(RELEASE_BIN)/$$tool" "$(BINDIR)/$$tool" && \
		install -m 644 "completions/$$tool.bash" "$(BASH_DIR)/$$tool" && \
		install -m 644 "completions/_$$tool" "$(ZSH_DIR)/_$$tool" && \
		install -m 644 "completions/$$tool.fish" "$(FISH_DIR)/$$tool.fish" && \
		"$(RELEASE_BIN)/$$tool" --generate-manual > "$(MAN_DIR)/$$tool.1" && \
		chmod 644 "$(MAN_DIR)/$$tool.1" || exit 1; \
	done

uninstall: ## Remove what install put there
	for tool in $(TOOLS); do \
		rm -f "$(BINDIR)/$$tool" "$(BASH_DIR)/$$tool" "$(ZSH_DIR)/_$$tool" "$(FISH_DIR)/$$tool.fish" \
			"$(MAN_DIR)/$$tool.1"; \
	done

clean: ## Remove what was built
	rm -rf "$(BUILD)"

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20
