#!/bin/sh
# In the image, as its user, with tools/image.sh's settings: from CSV to a verdict. Writes to the volume and to /tmp.
set -eu
if [ "$(id -u)" != 10001 ] || touch /usr/local/bin/written 2>/dev/null; then
    echo "The image runs as user $(id -u), or may write to its own files." >&2
    exit 1
fi
roundhouse serve --listen 127.0.0.1:0 >/tmp/listening 2>/tmp/server.log &
server=$!
trap 'kill -TERM $server 2>/dev/null || true' EXIT
tries=0
until grep -q http /tmp/listening; do
    tries=$((tries + 1))
    if ! kill -0 $server 2>/dev/null || [ $tries -gt 1200 ]; then
        cat /tmp/server.log >&2
        exit 1
    fi
    sleep 0.1
done
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
tries=0
until grep -q kafka_unavailable /tmp/kafka.log; do
    tries=$((tries + 1))
    if ! kill -0 $server 2>/dev/null || [ $tries -gt 600 ]; then
        cat /tmp/kafka.log >&2
        exit 1
    fi
    sleep 0.1
done
kill -TERM $server
wait $server || true
echo "smoke test passed"
