#!/usr/bin/env bash
# Installs what is missing: Debian packages, libchdb and librdkafka into build/lib, the tests' Python packages
# into build/venv. Prints nothing and changes nothing when all is there. With --program without the Python packages,
# with --bench also what roundhouse is measured against, into build/bench-venv and build/bench-rust.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

packages() {
    grep -v '^#' tools/packages.txt
    command -v npm >/dev/null || echo npm
    if [ "${1:-}" = --bench ]; then
        echo wrk
        command -v cargo >/dev/null || echo cargo-web  # Debian's newer one; `cargo` is too old for the crate
    fi
}

missing=()
while read -r package; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done < <(packages "$@")
if [ "${#missing[@]}" -gt 0 ]; then
    echo "Installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# libchdb is half a gigabyte: kept once a user, linked into each checkout.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/roundhouse"
while read -r package sha256; do
    kept="$cache/$sha256/libchdb.so"
    if [ ! -e "$kept" ]; then
        echo "Fetching $package (170 MB) by npm" >&2
        mkdir -p "$cache/$sha256"
        scratch=$(mktemp -d "$cache/fetch.XXXXXX")
        trap 'rm -rf "$scratch"' EXIT
        archive="$scratch/$(npm pack "$package" --silent --pack-destination "$scratch" | tail -n 1)"
        echo "$sha256  $archive" | sha256sum --check --quiet
        tar -xzf "$archive" -C "$scratch" package/libchdb.so
        mv "$scratch/package/libchdb.so" "$kept"
        rm -rf "$scratch"
        trap - EXIT
    fi
    if ! [ build/lib/libchdb.so -ef "$kept" ] && ! cmp -s "$kept" build/lib/libchdb.so; then
        mkdir -p build/lib
        ln -f "$kept" build/lib/libchdb.so 2>/dev/null || cp "$kept" build/lib/libchdb.so
    fi
done < <(grep -v '^#' tools/npm-packages.txt)

# The librdkafka inside the confluent-kafka package: self-contained (libc only), and newer than Debian's, which
# can send messages twice.
if [ "${1:-}" = --program ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    package=$(sed -n 's/^\(confluent-kafka\)[^=]*/\1/p' tests/requirements.txt)
    echo "Fetching librdkafka ($package) by pip" >&2
    /usr/bin/python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$scratch" "$package"
    /usr/bin/python3 -m zipfile -e "$scratch"/confluent_kafka-*.whl "$scratch/wheel"
    cp "$scratch"/wheel/confluent_kafka.libs/librdkafka-*.so.1 build/lib/librdkafka.so.1
    exit
fi

python_packages() {
    local venv=$1 requirements=$2
    local stamp=$venv/requirements.sha256
    if ! sha256sum --check --status "$stamp" 2>/dev/null; then
        echo "Installing the Python packages of $requirements into $venv" >&2
        /usr/bin/python3 -m venv --clear "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
        sha256sum "$requirements" > "$stamp"
    fi
}
python_packages build/venv tests/requirements.txt

for library in build/venv/lib/python3*/site-packages/confluent_kafka.libs/librdkafka-*.so.1; do
    cmp -s "$library" build/lib/librdkafka.so.1 || cp "$library" build/lib/librdkafka.so.1
done

if [ "${1:-}" = --bench ]; then
    python_packages build/bench-venv bench/requirements.txt
    # With the linker that is there: rustc would look for one of the name cc.
    RUSTFLAGS="-C linker=clang-19" CARGO_TARGET_DIR=build/bench-rust cargo build --quiet --release --locked \
        --manifest-path bench/contenders/rust_csv/Cargo.toml
fi
