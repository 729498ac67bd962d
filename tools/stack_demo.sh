#!/usr/bin/env bash
# What demo.sh shows, on the real stack: ZooKeeper, Kafka, a schema registry and two ClickHouse shards, all on
# loopback and in a scratch folder. Exit code 0 only if the reconciliation says matched and the stack has gone.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/demo_steps.sh

scratch=$(mktemp -d "${TMPDIR:-/tmp}/roundhouse-stack-demo.XXXXXX")
stack() { tools/stack --dir "$scratch/stack" "$@"; }
finish() {
    status=$?
    stop_server
    stack down || status=1
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT

step "1. Start the stack (ZooKeeper, Kafka, a schema registry, two ClickHouse shards) and the server on it"
stack up
variables=$(stack env)
eval "$variables"
start_server "$scratch"
from_csv_to_verdict "$scratch" # ends it all unless the verdict is matched

step "8. Where the rows lie: half of Kafka's partitions on each shard"
for shard in "$STACK_CLICKHOUSE_1" "$STACK_CLICKHOUSE_2"; do
    curl --silent --show-error --fail "$shard" --data-binary "
        SELECT concat(toString(count()), ' rows in game_rounds, of partitions ',
            arrayStringConcat(arraySort(groupUniqArray(part)), ',')) FROM roundhouse.game_rounds FINAL"
done

step "What to look at next"
cat <<TEXT
Start it yourself:   tools/stack up && eval "\$(tools/stack env)"
                     build/bin/roundhouse serve --data ./data-kafka
end it:              tools/stack down
the topics:          docs/formats/kafka.md
TEXT
