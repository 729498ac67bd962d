# Every gate of the project; .ci/run and the README call these and hold no logic of their own.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
SHELL := /bin/bash

.PHONY: build programs deps bench-deps demo stack-demo image test unit system bench fmt lint sanitize clean

build: deps build/release/build.ninja  ## the program at build/bin/roundhouse
	cmake --build build/release --target roundhouse

programs: deps build/release/build.ninja  ## the program and those of the tests
	cmake --build build/release

build/release/build.ninja: CMakePresets.json
	cmake --preset release

deps:      ## what building and testing need: Debian packages, libchdb, Python packages
	tools/deps.sh

bench-deps: deps  ## what `make bench` and its test need beyond that: the programs it is measured against
	tools/deps.sh --bench

demo: build  ## a file of 200,000 rounds from CSV to reconciled aggregates
	tools/demo.sh

stack-demo: build  ## the same on Kafka, a schema registry and a ClickHouse cluster of two shards
	tools/stack_demo.sh

image:     ## the Dockerfile built without Docker, and its program run; leaves build/image.tar
	tools/image.sh

test: programs lint bench-deps  ## every test; the last line counts them
	build/venv/bin/python tools/run_tests.py

unit: programs
	build/venv/bin/python tools/run_tests.py --only unit

system: programs bench-deps
	build/venv/bin/python tools/run_tests.py --only system

bench: build bench-deps  ## measures, as ratios of things run in the same minutes (docs/benchmarks.md)
	cmake --build build/release --target csv_bench avro_bench raw_producer judge_file
	build/venv/bin/python bench/run.py --micro build/release/bench

fmt: deps  ## formats C++ and Python
	git ls-files '*.cc' '*.h' | xargs clang-format-19 -i
	build/venv/bin/ruff format tests tools tools/stack bench
	build/venv/bin/ruff check --fix tests tools tools/stack bench

lint: build  ## formatting, include directions, sizes, shell, Python
	git ls-files '*.cc' '*.h' | xargs clang-format-19 --dry-run -Werror
	build/venv/bin/python tools/tidy.py
	build/venv/bin/ruff format --check tests tools tools/stack bench
	build/venv/bin/ruff check tests tools tools/stack bench
	git ls-files '*.sh' demo test .ci/run | xargs shellcheck --severity=warning

clang-tidy: programs  ## the slow half of lint: clang-tidy over every source
	tools/clang_tidy.sh

sanitize: build  ## unit tests and the main system tests under address, undefined and thread sanitizers
	tools/sanitize.sh

clean:
	rm -rf build/release build/bin build/asan build/tsan
