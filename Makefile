# The front door: every stage of CI is a target here.
.DEFAULT_GOAL := help
.PHONY: seam bench-faults help bootstrap build test check asan tsan release mutations fuzz-smoke sim cut withdraw crash e2e accept fidelity judges bench bench-proxy bench-pairs fmt floors clean

SEEDS ?= 1000
CYCLES ?= 200
STREAMS ?= 500
FUZZ_SECONDS ?= 30
JOBS ?= $(shell nproc)

help:         ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

bootstrap:    ## install what is missing
	tools/bootstrap

build: build/dev/build.ninja    ## build preset dev
	cmake --build build/dev -j $(JOBS)

build/%/build.ninja:
	cmake --preset $* > /dev/null

test: build   ## unit tests, about a minute
	ctest --test-dir build/dev --output-on-failure -j $(JOBS)

asan: build/asan/build.ninja    ## unit tests under address and undefined-behaviour sanitizers
	cmake --build build/asan -j $(JOBS)
	ctest --test-dir build/asan --output-on-failure -j $(JOBS)

tsan: build/tsan/build.ninja    ## unit tests under the thread sanitizer
	cmake --build build/tsan -j $(JOBS)
	ctest --test-dir build/tsan --output-on-failure -j $(JOBS)

release: build/release/build.ninja    ## what is installed and measured
	cmake --build build/release -j $(JOBS) --target perdure

check: floors test asan sim cut withdraw crash fidelity judges accept e2e    ## floors, unit tests, asan, every campaign and every judge

floors:       ## who may include whom, and other rules of the house
	python3 tools/floors.py

mutations: build/asan/build.ninja    ## inputs made of each fuzzer's corpus by chance, under asan, 8 s each: bounded, not guided
	cmake --build build/asan -j $(JOBS) --target fuzzers
	ctest --test-dir build/asan --output-on-failure -L mutations -j $(JOBS)

fuzz-smoke: build/fuzz/build.ninja    ## every fuzzer for FUZZ_SECONDS
	cmake --build build/fuzz -j $(JOBS) --target fuzzers
	for f in build/fuzz/*_fuzz; do echo "== $$f"; mkdir -p build/fuzz/corpus/$$(basename $$f); \
	  $$f -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 build/fuzz/corpus/$$(basename $$f) tests/corpus/$$(basename $$f) || exit 1; done; \
	echo "fuzz-smoke: every fuzzer ran $(FUZZ_SECONDS) s and found nothing"

sim: build    ## deterministic simulation: SEEDS=n, or SEED=n to replay one
	build/dev/perdure_sim $(if $(SEED),--seed $(SEED) --verbose,--seeds $(SEEDS))

cut: build    ## answers cut at every token, over every pair of upstream dialects, after two planted bugs that it must catch
	build/dev/perdure_cut --scenario text --plant double-overlap
	build/dev/perdure_cut --pair chat,messages --plant lost-remainder
	build/dev/perdure_cut

withdraw: release    ## a supplier is withdrawn under STREAMS=n running answers, with real clients
	tools/bootstrap --e2e
	PERDURE_BINARY=build/release/perdure build/e2e/venv/bin/python tests/withdraw/withdraw.py --streams $(STREAMS)

seam: build   ## answers of real models cut and gone on with by real models; ARGS=--write puts the result into docs/seams.md
	python3 -m pytest -q tests/seam/judge_test.py
	python3 tests/seam/seam.py $(ARGS)

crash: build  ## kill -9 campaign, after two planted bugs that it must catch: CYCLES=n
	python3 tests/crash/crash.py --cycles 40 --plant sync-off
	python3 tests/crash/crash.py --cycles 40 --plant send-before-commit
	python3 tests/crash/crash.py --cycles $(CYCLES)

e2e: build    ## official SDKs against the real binary
	tools/bootstrap --e2e
	build/e2e/venv/bin/python -m pytest -q -n "$$(nproc)" --dist loadfile tests/e2e

accept: build    ## what a server of Open Responses has to answer, over HTTP and WebSocket
	tools/bootstrap --e2e
	build/e2e/venv/bin/python -m pytest -q tests/accept

fidelity: build  ## every pair of dialects, recorded answers, a generated corpus: ARGS=--write makes docs/fidelity.md
	tools/bootstrap --e2e
	build/e2e/venv/bin/python tests/fidelity/fidelity.py $(ARGS)

judges: build    ## our codecs against other people's implementations
	tools/bootstrap --e2e
	build/e2e/venv/bin/python -m pytest -q tests/judges

bench: release    ## journal, routing, start, stored against unstored, a million sessions: ARGS=--write
	cmake --build build/release -j $(JOBS)
	python3 bench/run.py $(ARGS)

bench-proxy: release    ## what a relayed request costs beside nginx: ARGS='--bifrost --portkey --litellm --write'
	cmake --build build/release -j $(JOBS) --target fixed_upstream load
	bench/peers
	python3 bench/proxy.py $(ARGS)

bench-faults: release    ## how many clients get the whole answer through Perdure and through others: ARGS=--write
	bench/peers
	python3 bench/faults.py $(ARGS)

bench-pairs: release    ## what translating costs beside relaying, for each pair of dialects: ARGS=--write
	cmake --build build/release -j $(JOBS) --target fixed_upstream load
	python3 bench/pairs.py $(ARGS)

fmt:          ## format the sources
	git ls-files 'src/*.h' 'src/*.cc' 'tests/*.h' 'tests/*.cc' 'bench/*.h' 'bench/*.cc' | xargs clang-format-19 -i

clean:        ## remove what was built
	rm -rf build
