# What `make demo` and `make stack-demo` have in common; sourced by both, in the checkout's folder.
# shellcheck shell=bash
roundhouse=build/bin/roundhouse
rows=200000
server=

step() {
    if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
        printf '\n\033[1m%s\033[0m\n' "$*"
    else
        printf '\n%s\n' "$*"
    fi
}
# The named field of the first element of a JSON answer.
first() { /usr/bin/python3 -c 'import json,sys; print(json.load(sys.stdin)["data"][0][sys.argv[1]])' "$1"; }

# start_server SCRATCH: serves SCRATCH/data on a free port, for as long as it takes to be ready.
start_server() {
    "$roundhouse" serve --data "$1/data" --listen 127.0.0.1:0 >"$1/listening" 2>"$1/server.log" &
    server=$!
    local url=
    for _ in $(seq 1200); do
        url=$(grep -o 'http://[^ ]*' "$1/listening" || true)
        [ -n "$url" ] && break
        if ! kill -0 "$server" 2>/dev/null; then
            cat "$1/server.log" >&2
            return 1
        fi
        sleep 0.1
    done
    if [ -z "$url" ]; then
        echo "The server did not get ready within 120 s:" >&2
        cat "$1/server.log" >&2
        return 1
    fi
    export ROUNDHOUSE_SERVER="$url"
    echo "ready at $url"
}

stop_server() {
    if [ -n "$server" ]; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
}

# from_csv_to_verdict SCRATCH: steps 2 to 7; the exit code of the reconciliation.
from_csv_to_verdict() {
    step "2. Make a file of $rows rounds (UTF-16, as the public example of such files is; 1 row in 1,000 is bad)"
    "$roundhouse" generate --rows "$rows" --bad-share 0.001 --seed 1 --out "$1/rounds.csv"
    echo "$(wc -c <"$1/rounds.csv") bytes"

    step "3. Upload it: every row is validated, encoded as Avro, published, stored and aggregated"
    "$roundhouse" upload "$1/rounds.csv"
    local id player game
    id=$("$roundhouse" uploads --json | first id)

    step "4. Why rows were refused (the first three)"
    "$roundhouse" rejects "$id" --limit 3

    step "5. Hourly aggregates of one player"
    player=$("$roundhouse" aggregates --limit 1 --json | first player_id)
    "$roundhouse" aggregates --player-id "$player" --limit 5

    step "6. Daily aggregates of one game"
    game=$("$roundhouse" aggregates --limit 1 --json | first game_id)
    "$roundhouse" aggregates --game-id "$game" --group-by game_id --granularity day --limit 5

    step "7. Reconcile: recompute everything from the original file with other code, and compare"
    "$roundhouse" reconcile "$id"
}
