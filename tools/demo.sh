#!/usr/bin/env bash
# 200,000 game rounds from CSV to reconciled aggregates, on loopback, in a scratch folder.
# Exit code 0 only if the reconciliation says matched.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/demo_steps.sh

scratch=$(mktemp -d "${TMPDIR:-/tmp}/roundhouse-demo.XXXXXX")
finish() {
    status=$?
    stop_server
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT

step "1. Start the server (HTTP API, Avro log, embedded ClickHouse) on loopback"
start_server "$scratch"
from_csv_to_verdict "$scratch" # ends it all unless the verdict is matched

step "What to look at next"
cat <<TEXT
Start it yourself:   build/bin/roundhouse serve --data ./data
then open            http://127.0.0.1:8080/         (uploads and links)
                     http://127.0.0.1:8080/docs     (the API)
send a file:         build/bin/roundhouse upload FILE.csv
read the figures:    curl 'http://127.0.0.1:8080/v1/aggregates?limit=5'
TEXT
