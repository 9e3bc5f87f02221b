# The one entry point for people and CI. `make help` lists the targets.
# Knobs: PREFIX, DESTDIR (install), TARGET (Rust target of the shipped binary), FEATURES (for a smaller one:
# FEATURES=schema builds without shell, regex, text diff, German, manual, JSON and TOML), FUZZ_SECONDS, ASAN_TOOLCHAIN (with ASAN_TOOLCHAIN=none: valgrind).

PREFIX ?= /usr/local
FEATURES ?= shell,regex,diff,german,manual,schema,json,toml
FUZZ_SECONDS ?= 600
CARGO ?= cargo
ASAN_TOOLCHAIN ?= nightly
MUSL := $(shell uname -m)-unknown-linux-musl
# A statically linked musl binary starts in a quarter of the time; without that target the host's has to do.
TARGET ?= $(shell rustup target list --installed 2>/dev/null | grep -x $(MUSL) || rustc -vV | sed -n 's/^host: //p')
SMALL = --profile ship --locked --target $(TARGET) --no-default-features --features schema --target-dir target/small
SHIPPED = target/$(TARGET)/ship/cms
export RUSTDOCFLAGS = -D warnings

# What is shipped holds no path of the machine it was built on, so that two builds in two folders are the same.
SYSROOT := $(shell rustc --print sysroot)
REMAPPED := $(CURDIR)=/cms $(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo $(SYSROOT)/lib/rustlib/src/rust=/rust
REMAP = $(addprefix --remap-path-prefix=,$(REMAPPED))
SHIP_CFLAGS = $(CFLAGS) $(addprefix -ffile-prefix-map=,$(REMAPPED))
# The flags of a build for TARGET: those of .cargo/config.toml do not count beside these.
# SHA-256 asks the processor what it can do, which in a virtual machine takes longer than all the hashing of a command.
TARGET_FLAGS = --cfg sha2_256_backend=\"soft\" $(if $(findstring musl,$(TARGET)),-Crelocation-model=static) $(REMAP)

.PHONY: help setup build demo test check fmt clippy docs unit fuzz-replay sizes bench stress soak fuzz msrv install uninstall clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what build and tests need: python3, strace, cc, valgrind, cmake, uthash, a musl target
	@missing=; for tool in python3 strace cc c++ man musl-gcc valgrind Xvfb cmake pkg-config zsh fish mandoc; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	[ -e "$${UTHASH_INCLUDE_DIR:-/usr/include}/uthash.h" ] || missing="$$missing uthash.h"; \
	/usr/bin/python3 -c 'import ensurepip, tkinter' 2>/dev/null || missing="$$missing python3-venv python3-tk"; \
	if [ -n "$$missing" ]; then echo "setup: installing$$missing (apt)"; \
	  sudo=$$(command -v sudo || true); [ "$$(id -u)" = 0 ] && sudo=; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq python3 python3-venv python3-tk xvfb strace gcc g++ libc6-dev man-db musl-tools valgrind cmake pkg-config uthash-dev libssl-dev zsh fish mandoc || \
	  echo "setup: could not install$$missing; tests that need them are skipped or fail"; fi
	@rustup target list --installed 2>/dev/null | grep -qx $(MUSL) || { echo "setup: adding the Rust target $(MUSL)"; \
	  rustup target add $(MUSL) 2>/dev/null || echo "setup: $(MUSL) is not to be had; building for the host instead"; }

build: setup ## build the command and the library as they are shipped: target/bin, target/lib
	@$(MAKE) --no-print-directory target/bin/cms lib

.PHONY: target/bin/cms
target/bin/cms:
	CFLAGS="$(SHIP_CFLAGS)" RUSTFLAGS="$(RUSTFLAGS) $(TARGET_FLAGS)" \
	  $(CARGO) build --profile ship --locked --target $(TARGET) --no-default-features --features "$(FEATURES)"
	@mkdir -p target/bin && cp $(SHIPPED) target/bin/cms && ln -sf cms target/bin/uci
	@echo "built target/bin/cms for $(TARGET): $$(stat -c %s target/bin/cms) bytes"

HOST := $(shell rustc -vV | sed -n 's/^host: //p')
# Its symbols get their versions from the linker: see ffi/versioned-cc. The path is relative, so that builds in two
# folders are the same.
VERSIONED = -- -Clinker=ffi/versioned-cc
LIB = -p cms-ffi --lib --profile ship-lib --locked --target $(HOST) --target-dir target/small

# Compares the exported symbols and their versions. The versions themselves are symbols of the type A.
SYMBOLS = nm -D --defined-only $(1)/libcms.so | sed '/ A /d; s/.* //' | LC_ALL=C sort | diff ffi/symbols.txt -

.PHONY: lib header examples
lib: ## build the C library: target/lib/libcms.so and libcms.a
	@if rustup component add rust-src 2>/dev/null; then \
	  echo "library: with a standard library built for size"; \
	  CFLAGS="$(SHIP_CFLAGS)" RUSTC_BOOTSTRAP=1 RUSTFLAGS="$(RUSTFLAGS) $(REMAP) --cfg cms_speed" \
	  $(CARGO) rustc $(LIB) -Z build-std=std,panic_unwind -Z build-std-features=optimize_for_size,panic-unwind $(VERSIONED); \
	else echo "library: rust-src is not to be had, so with the standard library as it comes"; \
	  CFLAGS="$(SHIP_CFLAGS)" RUSTFLAGS="$(RUSTFLAGS) $(REMAP)" $(CARGO) rustc $(LIB) $(VERSIONED); fi
	@mkdir -p target/lib && cp target/small/$(HOST)/ship-lib/libcms.so target/lib/libcms.so.0
	@cp target/small/$(HOST)/ship-lib/libcms.a target/lib/ && ln -sf libcms.so.0 target/lib/libcms.so
	@$(call SYMBOLS,target/lib) || { echo "lib: exports other symbols or versions than ffi/symbols.txt"; exit 1; }
	@echo "built target/lib/libcms.so: $$(stat -c %s target/lib/libcms.so.0) bytes"

.PHONY: lib-small
# For routers. No panic is caught and none unwinds, so there are no tables for that; equal instructions become functions.
SMALL_FLAGS = -Cpanic=immediate-abort -Cforce-unwind-tables=no -Cllvm-args=-enable-machine-outliner=always
# See `cms_has_feature` for what is left out.
SMALL_LIB = RUSTC_BOOTSTRAP=1 \
  RUSTFLAGS="-Zunstable-options $(SMALL_FLAGS) -Clink-arg=-Wl,--icf=all $(REMAP) --cfg cms_speed"
lib-small: ## build the C library for routers: target/lib-small/libcms.so, of the same name and functions
	@if rustup component add rust-src 2>/dev/null; then \
	  CFLAGS="$(SHIP_CFLAGS) -fno-asynchronous-unwind-tables" $(SMALL_LIB) \
	  $(CARGO) rustc $(LIB)/lib-small --no-default-features --features schema -Z build-std=std,panic_abort -Z build-std-features=optimize_for_size $(VERSIONED) && \
	  mkdir -p target/lib-small && cp target/small/lib-small/$(HOST)/ship-lib/libcms.so target/lib-small/libcms.so.0 && \
	  ln -sf libcms.so.0 target/lib-small/libcms.so && \
	  $(call SYMBOLS,target/lib-small) && \
	  echo "built target/lib-small/libcms.so: $$(stat -c %s target/lib-small/libcms.so.0) bytes" && \
	  c-examples/run.sh target/lib-small small; \
	else echo "lib-small: skipped, rust-src is not to be had"; fi

header: ## write include/cms.h, ffi/symbols.txt and what is new in ffi/abi.txt
	CMS_UPDATE_HEADER=1 $(CARGO) test --locked -p cms-ffi --test header
	CMS_UPDATE_HEADER=1 $(CARGO) test --locked -p cms-ffi --test abi a14_the_interface_only_grows

examples: ## build the C examples strictly, with AddressSanitizer, and run them
	@c-examples/run.sh target/lib

.PHONY: wheel python-test
wheel: setup lib ## build the Python wheel, with the library inside, and the sdist: target/python/dist
	@python/check.sh wheel target/lib target/python

python-test: setup lib ## test the Python wheel in a clean virtual environment, and its types
	@python/check.sh test target/lib target/python

demo: build ## build, then walk through the main job on a copy of a router's configuration
	@docs/demo.sh target/bin/cms

test: setup check ## install what is needed and run everything

check: fmt clippy docs unit loom uthash-asan fuzz-replay build bench-gate examples python-test ## all quality gates
	@docs/demo.sh target/bin/cms >/dev/null && echo "demo: ok"

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features -- -D warnings

docs: ## build the API documentation
	$(CARGO) doc --locked --no-deps --document-private-items --lib

unit:
	$(CARGO) test --locked --workspace
	$(CARGO) test --locked -p cms-ffi --no-default-features --lib
	$(CARGO) test --locked --no-default-features --features schema --lib schema::

UTHASH_TESTS = test --locked -p uthash-sys --lib
UTHASH_BINARY = $$(ls -t $$dir/debug/deps/uthash_sys-* | grep -v '\.' | head -1)

.PHONY: uthash-asan
uthash-asan: ## test the C of vendor/uthash-sys under AddressSanitizer, or valgrind without a nightly toolchain
	@if $(CARGO) +$(ASAN_TOOLCHAIN) --version >/dev/null 2>&1; then \
	  host=$$(rustc -vV | sed -n 's/^host: //p'); dir=target/asan/$$host; \
	  RUSTFLAGS=-Zsanitizer=address CFLAGS="-fsanitize=address -fno-omit-frame-pointer" \
	  $(CARGO) +$(ASAN_TOOLCHAIN) $(UTHASH_TESTS) --target-dir target/asan --target $$host && \
	  nm $(UTHASH_BINARY) | grep -q __asan_report_load && echo "uthash-asan: ok, under AddressSanitizer"; \
	else dir=target/valgrind; $(CARGO) $(UTHASH_TESTS) --target-dir $$dir --no-run && \
	  PROPTEST_CASES=32 valgrind -q --error-exitcode=1 --leak-check=full --errors-for-leak-kinds=definite,indirect --show-leak-kinds=definite,indirect \
	  $(UTHASH_BINARY) --test-threads=1 && echo "uthash-asan: ok, under valgrind"; fi

# What takes longest of the tests, by parts of their names: `make quick` leaves it out. New tests are in it from the start.
SLOW = auto_snapshots:: combinations:: completion::m26_cli_20 crash:: events_soak:: faults_list::confirm:: faults_list::locks:: \
  golden:: json_shapes:: install:: log::damage:: map::tests::damage:: map::tests::histories:: map::tests::publishing \
  mixed_soak:: processes:: scale:: scenarios:: stops:: stress:: texts_behind:: writer_kills:: x_h2_ \
  x_m9_a_list_of_4_mib
# In memory a sync takes no time.
MEMORY = $(firstword $(wildcard /dev/shm) $(TMPDIR) /tmp)

.PHONY: quick
quick: ## run the unit tests and the fast tests, in memory: less than a minute after a build
	TMPDIR=$(MEMORY) $(CARGO) test -q --no-fail-fast --locked --lib --test layers --test public_api --test it -- $(addprefix --skip ,$(SLOW))

fuzz-replay:
	$(CARGO) test --locked --manifest-path fuzz/Cargo.toml

stress: ## readers, killed writers, editors, a run directory that vanishes: for CMS_STRESS_SECONDS (60)
	CMS_STRESS_SECONDS=$${CMS_STRESS_SECONDS:-60} $(CARGO) test --locked --release --test it stress:: -- --nocapture

soak: stress soak-events soak-mixed ## what takes minutes: stress, events, flipped bits, power cuts, kills, stops, 32 writers, a day of writes
	CMS_EXHAUSTIVE=1 $(CARGO) test --locked --release --lib map::tests
	CMS_EXHAUSTIVE=1 CMS_KILLS=2000 CMS_COMMITS=200 CMS_DAY_COMMITS=25000 \
	  $(CARGO) test --locked --release --test it -- --nocapture \
	  scenarios:: faults_list::log:: writer_kills:: stops:: combinations:: a_day_of_writes

.PHONY: soak-mixed
soak-mixed: ## half an hour of everything at once: commits of all kinds, edits, kills, stops, two users; see tests/it/mixed_soak.rs
	CMS_SOAK_SECONDS=$${CMS_SOAK_SECONDS:-1800} $(CARGO) test --locked --release --test it -- --nocapture --exact \
	  mixed_soak::everything_at_once_loses_nothing_and_reads_nothing_old

.PHONY: soak-events
SOAK_EVENTS = $(CARGO) test --locked --release --test it -- --nocapture --exact
soak-events: ## 10 million events, seen by watchers that are killed all the time; a backlog of a million
	CMS_SOAK_EVENTS=$${CMS_SOAK_EVENTS:-10000000} $(SOAK_EVENTS) events_soak::each_watcher_sees_everything_in_order_however_often_it_is_killed
	CMS_SOAK_EVENTS=1000000 $(SOAK_EVENTS) events_soak::who_is_far_behind_misses_nothing_as_long_as_the_log_keeps_it

.PHONY: loom miri cross
loom: ## check the models of what writers and readers share, in every order of their steps
	RUSTFLAGS="--cfg loom --cfg crossbeam_loom" CARGO_PROFILE_DEV_OPT_LEVEL=1 \
	  $(CARGO) test --locked -p cms --lib --target-dir target/loom map::model

miri: ## run the tests of maps under Miri, which finds undefined behaviour (some minutes)
	@tests/miri.sh

.PHONY: reproducible
reproducible: ## build what is shipped twice, in two folders, and compare byte for byte (some minutes)
	@tests/reproducible.sh

cross: ## run the unit tests under qemu on machines of 32 bits and on a big-endian one (some minutes)
	@tests/cross.sh

fuzz: ## fuzz each target for FUZZ_SECONDS (needs a nightly toolchain and cargo-fuzz)
	@command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	for target in $$(cd fuzz && $(CARGO) +nightly fuzz list); do \
	  $(CARGO) +nightly fuzz run --features libfuzzer $$target -- -max_len=4096 -max_total_time=$(FUZZ_SECONDS) || exit 1; done

BENCHES = CMS_LIB=$(CURDIR)/target/lib/libcms.so $(CARGO) run --release --locked --manifest-path benches/Cargo.toml --

bench: build ## measure everything, with peers in the same run; rows also go to target/bench.jsonl
	$(MAKE) --no-print-directory target/bin/cms-small
	CMS_BIN=$(CURDIR)/target/bin/cms CMS_BIN_SMALL=$(CURDIR)/target/bin/cms-small $(BENCHES) $(BENCH)

bench-lookup: lib ## measure only the C library, beside uthash, hashbrown, LMDB, gvdb and libuci
	$(BENCHES) --jsonl target/bench-lookup.jsonl lookup scaling instructions mapsize publish $(BENCH)
	$(MAKE) --no-print-directory bench-publish

.PHONY: bench-gate
bench-gate: target/bin/cms lib ## count the instructions of ten operations, and compare them with benches/gate.tsv
	@benches/gate --target $(TARGET)

.PHONY: bench-inside
bench-inside: ## measure what runs inside a Rust program, with criterion: parsing, loads, reads, commits, export
	$(CARGO) bench --locked

bench-commit: target/bin/cms ## measure only commits, beside SQLite, LMDB, redb, stock uci and a bare log; TMPDIR must be on a disk
	CMS_BIN=$(CURDIR)/target/bin/cms $(BENCHES) --jsonl target/bench-commit.jsonl commit wear large $(BENCH)

beside-uci: target/bin/cms ## count what is lost where cms and stock uci commit to one package at the same time, on disk and tmpfs
	CMS_BIN=$(CURDIR)/target/bin/cms $(BENCHES) --jsonl target/beside-uci.jsonl beside $(BENCH)

bench-events: target/bin/cms lib ## measure only events, beside a futex, an eventfd, Redis and inotify; TMPDIR must be on a disk
	@command -v redis-server >/dev/null || { echo "bench-events: installing redis-server (apt); its service is not used"; \
	  sudo=$$(command -v sudo || true); [ "$$(id -u)" = 0 ] && sudo=; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends redis-server >/dev/null || \
	  echo "bench-events: redis-server is not to be had; it is left out"; }
	CMS_BIN=$(CURDIR)/target/bin/cms $(BENCHES) --jsonl target/bench-events.jsonl events $(BENCH)

.PHONY: bench-compare
bench-compare: ## compare two runs, worst rows first: BEFORE="a.jsonl ..." AFTER="b.jsonl ..."; benches/compare --help has the options
	@benches/compare --before $(BEFORE) --after $(AFTER) $(COMPARE)

bench-publish: ## measure what the map's part of a commit takes, by the size of the package
	$(CARGO) test --release --locked --lib -- --ignored --nocapture how_long_publishing_takes

sizes: build target/bin/cms-small lib-small ## print the sizes of the shipped binaries
	@stat -L -c '%s %n' target/bin/cms target/bin/cms-small target/lib/libcms.so target/lib-small/libcms.so

.PHONY: target/bin/cms-small
target/bin/cms-small:
	@if rustup component add rust-src 2>/dev/null; then \
	  echo "small build: with a standard library built for size"; \
	  CFLAGS="$(SHIP_CFLAGS) -fno-asynchronous-unwind-tables" RUSTC_BOOTSTRAP=1 \
	  RUSTFLAGS="-Zunstable-options $(SMALL_FLAGS) $(TARGET_FLAGS)" \
	  $(CARGO) build $(SMALL) -Z build-std=std,panic_abort -Z build-std-features=optimize_for_size; \
	else echo "small build: rust-src is not to be had, so with the standard library as it comes"; \
	  CFLAGS="$(SHIP_CFLAGS)" RUSTFLAGS="$(TARGET_FLAGS)" $(CARGO) build $(SMALL); fi
	@mkdir -p target/bin && cp target/small/$(TARGET)/ship/cms target/bin/cms-small

msrv: ## check with the oldest supported Rust, where it is installed
	$(CARGO) +$$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) check --locked

install: ## install into $(DESTDIR)$(PREFIX): cms, uci if there is none, library, header, man pages, completions
	PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" docs/install.sh target/bin/cms target/lib
uninstall: ## remove what install installed
	PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" docs/install.sh --remove
clean: ## remove what was built
	rm -rf target fuzz/target benches/target
