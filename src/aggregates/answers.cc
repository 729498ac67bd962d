#include "aggregates/answers.h"

#include <array>
#include <utility>

namespace rh::aggregates {
namespace {

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

}  // namespace

std::string_view BinaryRow::string() {
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

void read_key(BinaryRow& in, std::span<const KeyField> fields, Key& key) {
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
}

void read_row(BinaryRow& in, std::span<const KeyField> fields, Row& row) {
    read_key(in, fields, row.key);
    row.rounds = in.fixed<uint64_t>();
    for (model::MoneySum& sum : row.sums) {
        sum.micros = in.fixed<__int128>();
    }
}

Result<bool> BinaryRows::fill() {
    auto piece = stream_->next();
    if (!piece) {
        return std::unexpected(explained(std::move(piece).error()));
    }
    if (piece->empty()) {
        return taken_ == held_.size() ? Result<bool>(false) : bad_answer();
    }
    held_.erase(0, std::exchange(taken_, 0));
    held_ += *piece;
    return true;
}

Result<BinaryRows> rows_of(Result<std::unique_ptr<clickhouse::ResponseStream>> stream) {
    if (!stream) {
        return std::unexpected(explained(std::move(stream).error()));
    }
    return BinaryRows(std::move(*stream));
}

Result<BinaryRows> ask(const clickhouse::Client& client, const Statement& statement) {
    return rows_of(client.stream(statement.sql, statement.parameters, statement.settings));
}

std::unexpected<Error> page_changed() {
    return fail(ErrorKind::internal, "page_changed",
                "The stored figures of this version changed while a page was read. Ask again; if "
                "it stays, reconcile the uploads.",
                Verdict::retry);
}

}  // namespace rh::aggregates
