#!/usr/bin/env bash
# Unit tests under address+undefined and under thread sanitizers, then the main system tests against each
# of the two instrumented programs, and a part of the CSV reader's comparisons with others. The engine runs in
# the ordinary program (tools/sanitize_engine.c); librdkafka's threads are made such as the thread sanitizer knows
# (tools/sanitize_threads.c).
set -euo pipefail
cd "$(dirname "$0")/.."
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=$PWD/tools/sanitize_threads.supp"
for kind in tsan asan; do
    cmake --preset "$kind" >/dev/null
    cmake --build "build/$kind"
    mkdir -p "build/$kind/lib"
    rm -f "build/$kind/lib/libchdb.so"  # it may be a link to the real one, which is not to be written to
    clang-19 -std=c11 -Wall -Wextra -Werror -shared -fPIC "-DPROGRAM=\"$PWD/build/bin/roundhouse\"" \
        -o "build/$kind/lib/libchdb.so" tools/sanitize_engine.c
    ln -sf "$PWD/build/lib/librdkafka.so.1" "build/$kind/lib/"
    threads=
    if [ "$kind" = tsan ]; then
        threads="$PWD/build/tsan/lib/sanitize_threads.so"
        clang-19 -std=c11 -Wall -Wextra -Werror -shared -fPIC -o "$threads" tools/sanitize_threads.c
    fi
    for test in build/"$kind"/tests/*_test; do
        echo "== $kind $test"
        LD_PRELOAD=$threads "$test" --gtest_brief=1
    done
    LD_PRELOAD=$threads RH_BINARY="$PWD/build/$kind/bin/roundhouse" RH_TEST_KILLS=6 build/venv/bin/python -m pytest -q \
        tests/system/test_ahead.py tests/system/test_kills.py tests/system/test_uploads.py
    RH_READ_MANY="$PWD/build/$kind/tests/read_many" build/venv/bin/python -m pytest -q \
        tests/system/test_csv_differential.py -k broken
done
