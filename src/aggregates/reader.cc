#include "aggregates/reader.h"

#include <array>
#include <cstring>
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

// Calls `each` for every whole row of the answer, as they come.
template <class Each>
Result<void> read_rows(const clickhouse::Client& client, const Statement& statement, Each each) {
    auto stream = client.stream(statement.sql, statement.parameters, statement.settings);
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

std::unexpected<Error> page_changed() {
    return fail(ErrorKind::internal, "page_changed",
                "The stored figures of this version changed while a page was read. Ask again; if "
                "it stays, reconcile the uploads.",
                Verdict::retry);
}

}  // namespace

Result<Page> Reader::page(const Query& query, uint64_t version, const std::optional<Key>& after,
                          uint64_t rows_max) const {
    const std::vector<KeyField> fields = key_fields(query);
    std::vector<Key> ends;
    if (!fields.empty() && is_walkable(query)) {
        RH_TRY(
            read_rows(client_, find_page_end(query, version, after, rows_max), [&](BinaryRow& in) {
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
    const Statement sums = sum_page(query, version, after, last, rows_max + 1);
    RH_TRY(read_rows(client_, sums, [&](BinaryRow& in) {
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

Result<uint64_t> Reader::count(const Query& query, uint64_t version) const {
    if (key_fields(query).empty()) {
        return 1;
    }
    uint64_t rows = 0;
    RH_TRY(read_rows(client_, count_rows(query, version), [&](BinaryRow& in) {
        const auto counted = in.fixed<uint64_t>();
        rows = in.ok() ? counted : rows;
    }));
    return rows;
}

}  // namespace rh::aggregates
