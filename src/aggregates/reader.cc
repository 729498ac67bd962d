#include "aggregates/reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "aggregates/sql.h"

namespace rh::aggregates {
namespace {

// One row of RowBinary: fixed-width values little endian, strings after their length as a varint.
// A value that is not wholly there clears ok().
class BinaryRow {
  public:
    explicit BinaryRow(std::string_view bytes) : rest_(bytes) {}

    template <class T>
    T fixed() {
        T value{};
        const std::string_view bytes = take(sizeof(T));
        if (ok_) {
            std::memcpy(&value, bytes.data(), sizeof(T));
        }
        return value;
    }

    std::string_view string() {
        uint64_t length = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto byte = fixed<uint8_t>();
            length |= static_cast<uint64_t>(byte & 127) << shift;
            if (byte < 128) {
                break;
            }
        }
        return take(length);
    }

    bool ok() const { return ok_; }
    std::string_view rest() const { return rest_; }

  private:
    std::string_view take(uint64_t bytes) {
        if (bytes > rest_.size()) {
            ok_ = false;
            return {};
        }
        const std::string_view taken = rest_.substr(0, bytes);
        rest_.remove_prefix(bytes);
        return taken;
    }

    std::string_view rest_;
    bool ok_ = true;
};

bool is_in(const std::vector<size_t>& shards, size_t shard) {
    return std::ranges::find(shards, shard) != shards.end();
}

Key read_key(BinaryRow& in, const std::vector<KeyField>& fields) {
    Key key;
    for (const KeyField field : fields) {
        switch (field) {
            case KeyField::player:
                key.player_id = in.string();
                break;
            case KeyField::game:
                key.game_id = in.fixed<uint64_t>();
                break;
            case KeyField::period:
                key.period = in.fixed<int64_t>();
                break;
        }
    }
    return key;
}

std::unexpected<Error> bad_answer() {
    return fail(ErrorKind::internal, "clickhouse_error",
                "ClickHouse's answer ends inside a row. Ask again.", Verdict::retry);
}

// An error of ClickHouse in the words of the API: what a person can do about it.
Error explained(Error error) {
    // What one query may use, as the reading user's profile has it. A server that is short of
    // memory as a whole is another matter, which passes.
    constexpr std::array<std::string_view, 7> kLimits = {"uery memory limit exceeded",
                                                         "TIMEOUT_EXCEEDED",
                                                         "TOO_SLOW",
                                                         "TOO_MANY_ROWS",
                                                         "TOO_MANY_BYTES",
                                                         "TOO_MANY_ROWS_OR_BYTES",
                                                         "clickhouse_query_limit"};
    for (const std::string_view limit : kLimits) {
        if (error.message.contains(limit) || error.code == limit) {
            return {ErrorKind::invalid_content, "query_too_large",
                    "The question needs more time or memory than one query may use. Ask for a "
                    "shorter time (`from`, `to`), fewer players or games, or a coarser grouping.",
                    Verdict::give_up};
        }
    }
    return error;
}

using Answer = Result<std::unique_ptr<clickhouse::ResponseStream>>;

// Calls `each` for every whole row of the answer, as they come.
template <class Each>
Result<void> read_rows(Answer stream, Each each) {
    if (!stream) {
        return std::unexpected(explained(std::move(stream).error()));
    }
    std::string held;  // begins with the row that is not yet whole
    while (true) {
        auto piece = (*stream)->next();
        if (!piece) {
            return std::unexpected(explained(std::move(piece).error()));
        }
        if (piece->empty()) {
            return held.empty() ? Result<void>() : bad_answer();
        }
        held += *piece;
        std::string_view rest = held;
        while (!rest.empty()) {
            BinaryRow row(rest);
            each(row);
            if (!row.ok()) {
                break;
            }
            rest = row.rest();
        }
        held.erase(0, held.size() - rest.size());
    }
}

void add(Row& sum, const Row& row) {
    sum.rounds += row.rounds;
    for (size_t i = 0; i < sum.sums.size(); ++i) {
        sum.sums[i].micros += row.sums[i].micros;
    }
}

std::unexpected<Error> page_changed() {
    return fail(ErrorKind::internal, "page_changed",
                "The stored figures of this version changed while a page was read. Ask again; if "
                "it stays, reconcile the uploads.",
                Verdict::retry);
}

// At most `rows_max` rows of one shard.
Result<Page> page_of(const clickhouse::Client& client, const Query& query, uint64_t version,
                     const std::optional<Key>& after, uint64_t rows_max) {
    const std::vector<KeyField> fields = key_fields(query);
    const auto ask = [&client](const Statement& statement) {
        return client.stream(statement.sql, statement.parameters, statement.settings);
    };
    std::vector<Key> ends;
    if (!fields.empty() && is_walkable(query)) {
        RH_TRY(read_rows(ask(find_page_end(query, version, after, rows_max)), [&](BinaryRow& in) {
            Key key = read_key(in, fields);
            if (in.ok()) {
                ends.push_back(std::move(key));
            }
        }));
    }
    // With fewer rows than a page has, there is no end to stop at; without a walk, the row after
    // the page says that there is more.
    const std::optional<Key> last = ends.empty() ? std::nullopt : std::optional(ends.front());
    Page page;
    RH_TRY(read_rows(ask(sum_page(query, version, after, last, rows_max + 1)), [&](BinaryRow& in) {
        Row row{read_key(in, fields), in.fixed<uint64_t>(), {}};
        for (model::MoneySum& sum : row.sums) {
            sum.micros = in.fixed<__int128>();
        }
        if (in.ok()) {
            page.rows.push_back(std::move(row));
        }
    }));
    if (last && (page.rows.size() != rows_max || page.rows.back().key != *last)) {
        return page_changed();
    }
    page.more = ends.size() > 1;
    if (page.rows.size() > rows_max) {
        page.more = true;
        page.rows.pop_back();
    }
    return page;
}

// One server gathers the keys of all shards, in no order: on disk, where they need much memory.
const clickhouse::Settings kDistributedSettings = {
    {"optimize_aggregation_in_order", "0"},
    {"max_bytes_before_external_group_by", "400000000"},
    {"max_bytes_ratio_before_external_group_by", "0"},
};

// A page of which each shard knows its own share. Whatever shard had more than `rows_max` rows
// gave so many, so up to the last row that stays none is missing.
Page merged(std::vector<Page> pages, const Query& query, uint64_t rows_max) {
    Page all;
    for (Page& page : pages) {
        all.more = all.more || page.more;
        std::ranges::move(page.rows, std::back_inserter(all.rows));
    }
    std::ranges::sort(
        all.rows, [&](const Row& a, const Row& b) { return comes_before(query, a.key, b.key); });
    size_t kept = 0;
    for (size_t i = 0; i < all.rows.size(); ++i) {
        Row& row = all.rows[i];
        if (kept > 0 && all.rows[kept - 1].key == row.key) {
            add(all.rows[kept - 1], row);
        } else if (kept == rows_max) {
            all.more = true;
            break;
        } else if (kept++ != i) {
            all.rows[kept - 1] = std::move(row);
        }
    }
    all.rows.resize(kept);
    return all;
}

}  // namespace

Result<Page> Reader::page(const Query& query, uint64_t version, const std::optional<Key>& after,
                          uint64_t rows_max, const Reach& reach) const {
    if (store_.shards() == 1) {
        return page_of(store_.reader(0), query, version, after, rows_max);
    }
    auto answers = store_.on_every_shard([&](size_t shard) -> Result<Page> {
        return is_in(reach.without, shard)
                   ? Result<Page>(Page{})
                   : page_of(store_.reader(shard), query, version, after, rows_max);
    });
    std::vector<Page> pages;
    std::vector<size_t> missing = reach.without;
    std::optional<Error> silence;
    for (size_t shard = 0; shard < answers.size(); ++shard) {
        if (answers[shard]) {
            pages.push_back(std::move(*answers[shard]));
            continue;
        }
        if (!reach.partial || answers[shard].error().code != "shard_unavailable") {
            return std::unexpected(std::move(answers[shard]).error());
        }
        missing.push_back(shard);
        silence = std::move(answers[shard]).error();
    }
    if (silence && missing.size() == store_.shards()) {
        return std::unexpected(std::move(*silence));
    }
    Page page = merged(std::move(pages), query, rows_max);
    std::ranges::sort(missing);
    page.missing = std::move(missing);
    return page;
}

Result<uint64_t> Reader::count(const Query& query, uint64_t version) const {
    if (key_fields(query).empty()) {
        return 1;
    }
    uint64_t rows = 0;
    Statement counting = count_rows(query, version, store_.all(rollup_of(query)));
    if (store_.is_cluster()) {
        counting.settings = kDistributedSettings;
    }
    RH_TRY(read_rows(store_.stream(counting.sql, counting.parameters, counting.settings,
                                   clickhouse::Store::User::reader),
                     [&](BinaryRow& in) {
                         const auto counted = in.fixed<uint64_t>();
                         rows = in.ok() ? counted : rows;
                     }));
    return rows;
}

}  // namespace rh::aggregates
