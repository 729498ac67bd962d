#!/bin/sh
# In the image, as its user, with tools/image.sh's settings: from CSV to a verdict. Writes to the volume and to /tmp.
set -eu
if [ "$(id -u)" != 10001 ] || touch /usr/local/bin/written 2>/dev/null; then
    echo "The image runs as user $(id -u), or may write to its own files." >&2
    exit 1
fi

# wait_until TRIES PATTERN FILE LOG: until the server has written the pattern into the file; its log if it never does.
wait_until() {
    tries=0
    until grep -q "$2" "$3"; do
        tries=$((tries + 1))
        if ! kill -0 $server 2>/dev/null || [ $tries -gt "$1" ]; then
            cat "$4" >&2
            exit 1
        fi
        sleep 0.1
    done
}

roundhouse serve --listen 127.0.0.1:0 >/tmp/listening 2>/tmp/server.log &
server=$!
trap 'kill -TERM $server 2>/dev/null || true' EXIT
wait_until 1200 http /tmp/listening /tmp/server.log
ROUNDHOUSE_SERVER=$(grep -o 'http://[^ ]*' /tmp/listening)
export ROUNDHOUSE_SERVER
roundhouse health
roundhouse generate --rows 20000 --bad-share 0.001 --seed 1 --out /tmp/rounds.csv
roundhouse upload /tmp/rounds.csv
roundhouse aggregates --limit 3
roundhouse reconcile "$(roundhouse uploads --json | grep -o '"id":"[0-9a-f-]*"' | head -n 1 | cut -d '"' -f 4)"
# librdkafka is there and new enough: a log in Kafka gets as far as asking the broker that there is none.
kill -TERM $server
wait $server
roundhouse serve --data /tmp/kafka --keys-first-file '' --listen 127.0.0.1:0 --log kafka --kafka-brokers 127.0.0.1:9 \
    --registry-url http://127.0.0.1:9 2>/tmp/kafka.log &
server=$!
wait_until 600 kafka_unavailable /tmp/kafka.log /tmp/kafka.log
kill -TERM $server
wait $server || true
echo "smoke test passed"
