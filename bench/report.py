"""The figures of a run as Markdown."""

from goals import goals


def seconds(figure: dict) -> str:
    return f"{figure['median']:.2f} s ({figure['least']:.2f} to {figure['most']:.2f})"


def times(figure: dict) -> str:
    return f"{figure['median']:.2f} ({figure['least']:.2f} to {figure['most']:.2f})"


def megabytes(count: float) -> str:
    return f"{count / 1e6:.0f} MB"


def through_kafka(f: dict, rows: int, small: int) -> list[str]:
    per_second = rows / f["publish_alone_s"]["median"] / 1e6
    return [
        "",
        f"Through Kafka onto two shards, all on the same cores; {f['repeats']} repeats after one that does not count, "
        "the broker warmed up before.",
        "",
        "| measured | roundhouse | rival | ratio |",
        "|---|---|---|---|",
        f"| publishing: received file to judged and committed in Kafka ({per_second:.2f} M rows/s), rates against "
        f"librdkafka sending the same messages; nobody reads either topic | {seconds(f['publish_alone_s'])} | "
        f"{seconds(f['raw_s'])} | {times(f['publish_alone_rate_ratio'])} |",
        f"| the same while both shards store the rows | {seconds(f['publish_s'])} | {seconds(f['raw_s'])} | "
        f"{times(f['publish_rate_ratio'])} |",
        f"| first byte to stored, against the embedded topology | {seconds(f['kafka_s'])} | "
        f"{seconds(f['embedded_s'])} | {times(f['kafka_ratio'])} |",
        f"| peak memory of the server | {megabytes(f['peak_memory_bytes']['most'])} | | |",
        *contenders(f"CSV through Kafka to stored and aggregated, {small:,} rows", f["by_script"], small),
    ]


def contenders(heading: str, f: dict, rows: int) -> list[str]:
    return [
        "",
        f"| {heading} | time | times ours | M rows/s | processor time | peak memory |",
        "|---|---|---|---|---|---|",
        *[
            f"| {name} | {seconds(figure['seconds'])} | {times(figure['ratio']) if 'ratio' in figure else ''} | "
            f"{rows / figure['seconds']['median'] / 1e6:.2f} | {seconds(figure['cpu_s'])} | "
            f"{megabytes(figure['peak_memory_bytes'])} |"
            for name, figure in f.items()
        ],
    ]


def columns(f: dict, rows: int) -> list[str]:
    return [
        *contenders(f"CSV ({megabytes(f['bytes'])}) to typed columns, 1 thread", f["one_thread"], rows),
        *contenders("the same, 2 threads", f["two_threads"], rows),
        "",
        "| roundhouse's reader alone | time | row rate, of UTF-8's |",
        "|---|---|---|",
        *[
            f"| {name} | {seconds(figure['seconds'])} | {times(figure['rate_ratio'])} |"
            for name, figure in f["inputs"].items()
        ],
    ]


def milliseconds(figure: dict) -> str:
    return f"{figure['median'] * 1e3:.1f} ms ({figure['least'] * 1e3:.1f} to {figure['most'] * 1e3:.1f})"


def answers(f: dict) -> list[str]:
    game, deep, export = f["by_game"], f["deep_page"], f["export"]
    return [
        "",
        "| a player's first 100 aggregates | roundhouse p50, p99 | ClickHouse p50, p99 | ratio p50, p99 | answers a s |",
        "|---|---|---|---|---|",
        *[
            f"| {load['clients']} at a time | "
            + " | ".join(
                f"{milliseconds(load[side]['p50_s'])}, {milliseconds(load[side]['p99_s'])}"
                for side in ("roundhouse", "clickhouse")
            )
            + f" | {times(load['p50_ratio'])}, {times(load['p99_ratio'])} | "
            f"{load['roundhouse']['per_s']['median']:.0f}, {load['clickhouse']['per_s']['median']:.0f} |"
            for load in f["latencies"]
        ],
        "",
        "| answers of roundhouse | this | that | ratio |",
        "|---|---|---|---|",
        f"| a game's page, a player's page ({game['rows']} rows, p50) | {milliseconds(game['first_s'])} | "
        f"{milliseconds(game['second_s'])} | {times(game['ratio'])} |",
        f"| page {deep['page']:,}, page 1 (p50) | {milliseconds(deep['first_s'])} | "
        f"{milliseconds(deep['second_s'])} | {times(deep['ratio'])} |",
        f"| all {export['rows']:,} hourly rows as CSV, ClickHouse's own CSV; rates | {seconds(export['ours_s'])} | "
        f"{seconds(export['clickhouse_s'])} | {times(export['rate_ratio'])} |",
        f"| start on an empty data directory, until it is ready | {seconds(f['start_s'])} | | |",
    ]


def sizes(those: list[dict]) -> list[str]:
    return [
        "",
        "| larger files, UTF-8 | first byte to stored | M rows/s | ClickHouse's INSERT | peak memory of the server | "
        "written | start with it |",
        "|---|---|---|---|---|---|---|",
        *[
            f"| {size['rows']:,} rows | {seconds(size['seconds'])} | "
            f"{size['rows'] / size['seconds']['median'] / 1e6:.2f} | "
            f"{seconds(size['insert_s']) if size['insert_s'] else ''} | {megabytes(size['peak_memory_bytes'])} | "
            f"{megabytes(size['written_bytes']['median'])} | {seconds(size['restart_s'])} |"
            for size in those
        ],
    ]


def markdown(f: dict) -> str:
    machine, small = f["machine"], f["small_rows"]
    lines = [
        f"{f['started']}, commit {f['commit']}; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_bytes'] / 1e9:.0f} GB, Linux {machine['kernel']}; load average "
        f"{times(f['load_average'])}; {f['rows']:,} rows, {f['repeats']} repeats. Median (least to most).",
        "",
        "| goal | | reached | |",
        "|---|---|---|---|",
        *[goal.row() for goal in goals(f)],
        "",
        "| measured | roundhouse | ClickHouse alone | ratio |",
        "|---|---|---|---|",
        f"| UTF-16 file, first byte to stored, against INSERT … FORMAT CSV of the same rows in UTF-8 | "
        f"{seconds(f['store_s'])} | {seconds(f['insert_s'])} | {times(f['store_ratio'])} |",
        f"| the same, against the fastest settings of that INSERT | {seconds(f['store_s'])} | "
        f"{seconds(f['tuned_insert_s'])} | {times(f['store_tuned_ratio'])} |",
        f"| the first one, from UTF-8 on both sides | {seconds(f['store_utf8_s'])} | {seconds(f['insert_s'])} | "
        f"{times(f['store_utf8_ratio'])} |",
        f"| processor time, server and engine | {seconds(f['store_cpu_s'])} | {seconds(f['insert_cpu_s'])} | "
        f"{times(f['cpu_ratio'])} |",
        f"| written to disk | {megabytes(f['store_written_bytes']['median'])} | "
        f"{megabytes(f['insert_written_bytes']['median'])} | "
        f"{f['store_written_bytes']['median'] / max(f['insert_written_bytes']['median'], 1):.2f} |",
        f"| reconciliation, against one full outer join by hand | {seconds(f['reconcile_s'])} | "
        f"{seconds(f['join_by_hand_s'])} | {times(f['reconcile_ratio'])} |",
        "",
        "| roundhouse alone, UTF-16 | |",
        "|---|---|",
        *[f"| stage {name} | {seconds(figure)} |" for name, figure in f["stages_s"].items()],
        f"| processor time of the server | {seconds(f['server_cpu_s'])} |",
        f"| processor time of its ClickHouse | {seconds(f['engine_cpu_s'])} |",
        *[f"| on disk: {name} | {megabytes(size)} |" for name, size in f["disk_bytes"].items()],
        f"| peak memory of the server at {f['rows']:,} rows | {megabytes(f['peak_memory_bytes']['most'])} |",
        *sizes(f["sizes"]),
        *columns(f["typed_columns"], f["rows"]),
        *contenders("CSV to Avro records, no codec, 1 thread", f["avro_records"]["full"], f["rows"]),
        *contenders(f"the same, {small:,} rows", f["avro_records"]["small"], small),
        *contenders(f"CSV to stored and aggregated, {small:,} rows", f["by_script"], small),
        *answers(f["answers"]),
        *(through_kafka(f["kafka"], f["rows"], small) if f["kafka"] else []),
    ]
    return "\n".join(lines) + "\n"
