#include "clickhouse/consumer_tables.h"

#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/assert.h"
#include "base/random.h"
#include "clickhouse/migrate.h"

namespace rh::clickhouse {
namespace {

constexpr std::string_view kCreateView = "CREATE MATERIALIZED VIEW IF NOT EXISTS roundhouse.";
constexpr std::string_view kFromRows = "FROM roundhouse.game_rounds AS r\n";
constexpr std::string_view kFromSomeRows =
    "FROM roundhouse.game_rounds AS r FINAL\n"
    "WHERE r.upload_id = {id:UUID} AND r.row_number BETWEEN {first:UInt64} AND {last:UInt64}\n";
constexpr std::string_view kConsumes = "staging_bets";
// All that queries/consumer/ makes, none of which keeps rows, in the order in which it is dropped:
// the view that makes the engine read first, and the table whose comment says of which DDL it is
// last, so that what was interrupted is begun again.
constexpr std::array<std::string_view, 6> kConsumersTables = {
    "staging_bets_mv",  "game_rounds_mv",    "dead_letters_mv",
    "dead_letters_all", "staging_bets_read", kConsumes};

// There while somebody makes the others.
constexpr std::string_view kMaking = "consumer_tables_are_made";
constexpr std::string_view kMakingSeconds = "30";  // far longer than it takes

// The words of a statement that makes a view.
struct View {
    std::string_view name;
    std::string_view table;
    std::string_view select;
};

View parse_view(std::string_view statement) {
    constexpr std::string_view kTo = " TO ";
    constexpr std::string_view kAs = " AS\n";
    const std::string_view text =
        statement.substr(statement.find(kCreateView) + kCreateView.size());
    const size_t to = text.find(kTo);
    const size_t as = text.find(kAs);
    RH_ASSERT(to < as && as != std::string_view::npos);
    return {.name = text.substr(0, to),
            .table = text.substr(to + kTo.size(), as - to - kTo.size()),
            .select = text.substr(as + kAs.size())};
}

std::vector<View> rollup_views() {
    std::vector<View> views;
    for (const EmbeddedFile& file : migration_files()) {
        for (const std::string_view statement : statements_of(file.text)) {
            if (is_rollup_view(statement)) {
                views.push_back(parse_view(statement));
            }
        }
    }
    return views;
}

std::string quoted(std::string_view text) {
    std::string literal = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') {
            literal += '\\';
        }
        literal += c;
    }
    return literal + "'";
}

// Those of `names` that the server has.
Result<std::string> present(const Client& owner, std::span<const std::string> names) {
    return ask_line(
        owner,
        "SELECT arrayStringConcat(arraySort(groupArray(name)), ', ') FROM system.tables "
        "WHERE database = 'roundhouse' AND name IN {names:Array(String)} FORMAT TSVRaw",
        {{"names", array_parameter(names)}});
}

// Changes with the text of the statements and with the settings in it.
Result<std::string> fingerprint(const Client& owner, std::string_view text) {
    return ask_line(owner, "SELECT hex(sipHash128({text:String})) FORMAT TSVRaw",
                    {{"text", std::string(text)}});
}

Result<void> drop(const Client& owner, std::string_view table) {
    RH_TRY(owner.query(fmt::format("DROP TABLE IF EXISTS roundhouse.{} SYNC", table), {},
                       kAnyDatabase));
    return {};
}

Result<bool> has_comment(const Client& owner, std::string_view table, std::string_view comment) {
    RH_ASSIGN(const std::string found,
              ask_line(owner,
                       "SELECT count() FROM system.tables WHERE database = 'roundhouse' AND "
                       "name = {name:String} AND comment = {comment:String} FORMAT TSVRaw",
                       {{"name", std::string(table)}, {"comment", std::string(comment)}}));
    return found == "1";
}

// Two processes at once would drop what the other has just made, and rows could be read while there
// is no view that keeps them. Whose mark stands in the comment of kMaking makes the tables; a mark
// of one that has died is removed. Error unavailable consumer_tables_are_made (retry).
Result<void> begin_making(const Client& owner) {
    const std::string mark = random_hex(8);
    RH_TRY(owner.query(fmt::format("CREATE TABLE IF NOT EXISTS roundhouse.{} (nothing UInt8) "
                                   "ENGINE = Memory COMMENT {}",
                                   kMaking, quoted(mark)),
                       {}, kAnyDatabase));
    RH_ASSIGN(const bool is_ours, has_comment(owner, kMaking, mark));
    if (is_ours) {
        return {};
    }
    RH_ASSIGN(const std::string dead,
              ask_line(owner,
                       "SELECT count() FROM system.tables WHERE database = 'roundhouse' AND "
                       "name = {name:String} AND metadata_modification_time < now() - "
                       "{seconds:UInt32} FORMAT TSVRaw",
                       {{"name", std::string(kMaking)}, {"seconds", std::string(kMakingSeconds)}}));
    if (dead == "1") {
        RH_TRY(drop(owner, kMaking));
    }
    return fail(ErrorKind::unavailable, "consumer_tables_are_made",
                fmt::format("Another process makes the tables of the ClickHouse at {} that consume "
                            "the topic. This takes seconds; try again.",
                            address_of(owner.endpoint())),
                Verdict::retry);
}

}  // namespace

bool is_rollup_view(std::string_view statement) {
    return statement.contains(kCreateView) && statement.contains(kFromRows);
}

std::vector<std::string> rollup_inserts() {
    std::vector<std::string> inserts;
    for (const View& view : rollup_views()) {
        std::string select(view.select);
        select.replace(select.find(kFromRows), kFromRows.size(), kFromSomeRows);
        inserts.push_back(fmt::format("INSERT INTO {} {}", view.table, select));
    }
    return inserts;
}

Result<void> check_consumer(const Client& owner, Consumer consumer) {
    std::vector<std::string> of_the_other = {fmt::format("{}_mv", kConsumes),
                                             std::string(kConsumes)};
    if (consumer == Consumer::clickhouse) {
        of_the_other.clear();
        for (const View& view : rollup_views()) {
            of_the_other.emplace_back(view.name);
        }
    }
    RH_ASSIGN(const std::string found, present(owner, of_the_other));
    if (found.empty()) {
        return {};
    }
    const bool is_clickhouse = consumer == Consumer::clickhouse;
    return fail(
        ErrorKind::conflict, "other_consumer",
        fmt::format("The tables of the ClickHouse at {} were begun with --consumer={}: it "
                    "has {}. Start with that, or stop every server, drop these on every "
                    "shard, and start with --consumer={}.",
                    address_of(owner.endpoint()), is_clickhouse ? "roundhouse" : "clickhouse",
                    found, is_clickhouse ? "clickhouse" : "roundhouse"));
}

Result<void> check_profile(const Client& owner) {
    RH_ASSIGN(const std::string right,
              ask_line(owner,
                       "SELECT countIf(name = 'distributed_foreground_insert' AND value = '1') + "
                       "countIf(name = 'max_partitions_per_insert_block' AND value = '0') "
                       "FROM system.settings FORMAT TSVRaw"));
    if (right == "2") {
        return {};
    }
    return fail(ErrorKind::conflict, "wrong_profile",
                fmt::format("--consumer=clickhouse needs distributed_foreground_insert = 1 and "
                            "max_partitions_per_insert_block = 0 in the default profile of the "
                            "ClickHouse at {}, as deploy/clickhouse/users.d/roundhouse.xml has "
                            "them.",
                            address_of(owner.endpoint())));
}

Result<void> migrate_consumer(const Client& owner, std::string_view cluster,
                              const KafkaSource& source) {
    Placeholders values = {{"{cluster}", std::string(cluster)},
                           {"{brokers}", quoted(source.brokers)},
                           {"{topic}", quoted(source.topic)},
                           {"{group}", quoted(source.group)},
                           {"{registry_url}", quoted(source.registry_url)}};
    std::string text;
    for (const EmbeddedFile& file : consumer_files()) {
        text += with_values(file.text, values);
    }
    RH_ASSIGN(const std::string settings, fingerprint(owner, text));
    const std::string comment = fmt::format("Consumes the topic; {}", settings);
    values.emplace_back("{settings}", quoted(comment));
    // Made once, and whole but for what a crash left out: nothing is dropped for that.
    RH_ASSIGN(const bool is_made, has_comment(owner, kConsumes, comment));
    if (is_made) {
        return apply_files(owner, consumer_files(), values);
    }
    RH_TRY(begin_making(owner));
    const auto made = [&]() -> Result<void> {
        RH_ASSIGN(const bool is_made_by_now, has_comment(owner, kConsumes, comment));
        if (!is_made_by_now) {
            for (const std::string_view table : kConsumersTables) {
                RH_TRY(drop(owner, table));
            }
        }
        return apply_files(owner, consumer_files(), values);
    }();
    const auto ended = drop(owner, kMaking);
    return made ? ended : made;
}

}  // namespace rh::clickhouse
