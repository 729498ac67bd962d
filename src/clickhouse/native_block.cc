#include "clickhouse/native_block.h"

#include <bit>

#include <fmt/format.h>

#include "base/varint.h"

namespace rh::clickhouse {
namespace {

static_assert(std::endian::native == std::endian::little, "Native is little-endian");

enum class At : uint8_t {
    upload_id,
    row_number,
    part,
    created_timestamp,
    game_instance_id,
    user_id,
    game_id,
    real_amount_bet,  // and the other three amounts
    game_name = 11,
    provider,
};

struct ColumnName {
    std::string_view name;
    std::string_view type;
};
constexpr std::array<ColumnName, 13> kColumnsOfBlock = {{
    {"upload_id", "UUID"},
    {"row_number", "UInt64"},
    {"part", "UInt32"},
    {"created_timestamp", "DateTime64(3, 'UTC')"},
    {"game_instance_id", "UInt64"},
    {"user_id", "String"},
    {"game_id", "UInt64"},
    {"real_amount_bet", "Decimal(18, 6)"},
    {"bonus_amount_bet", "Decimal(18, 6)"},
    {"real_amount_win", "Decimal(18, 6)"},
    {"bonus_amount_win", "Decimal(18, 6)"},
    {"game_name", "String"},
    {"provider", "String"},
}};

void append_text(std::string& out, std::string_view text) {
    append_varint(out, text.size());
    out += text;
}

template <class T>
void append_numbers(std::string& out, const model::Values<T>& values) {
    out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

void append_texts(std::string& out, const model::StringColumn& values) {
    for (size_t i = 0; i < values.size(); ++i) {
        append_text(out, values[i]);
    }
}

// A UUID's two halves as little-endian numbers, the first half first.
std::array<char, 16> native_uuid(const model::UploadId& id) {
    std::array<char, 16> bytes{};
    for (size_t i = 0; i < 16; ++i) {
        bytes[i] = static_cast<char>(id.bytes[i < 8 ? 7 - i : 23 - i]);
    }
    return bytes;
}

}  // namespace

NativeBlock::NativeBlock(const model::UploadId& upload_id, uint32_t part)
    : upload_id_(upload_id), part_(part) {}

void NativeBlock::append(const model::RowBatch& batch) {
    const auto column = [this](At at) -> std::string& { return data_[static_cast<size_t>(at)]; };
    const std::array<char, 16> uuid = native_uuid(upload_id_);
    for (size_t i = 0; i < batch.size(); ++i) {
        column(At::upload_id).append(uuid.data(), uuid.size());
        column(At::part).append(reinterpret_cast<const char*>(&part_), sizeof part_);
    }
    append_numbers(column(At::row_number), batch.row_number);
    append_numbers(column(At::created_timestamp), batch.created_ms);
    append_numbers(column(At::game_instance_id), batch.game_instance_id);
    append_texts(column(At::user_id), batch.user_id);
    append_numbers(column(At::game_id), batch.game_id);
    for (size_t a = 0; a < batch.amount.size(); ++a) {
        append_numbers(data_[static_cast<size_t>(At::real_amount_bet) + a], batch.amount[a]);
    }
    append_texts(column(At::game_name), batch.game_name);
    append_texts(column(At::provider), batch.provider);
    rows_ += batch.size();
}

std::vector<std::string_view> NativeBlock::encode() {
    if (rows_ == 0) {
        return {};
    }
    header_.clear();
    std::array<size_t, kColumns> header_ends{};
    append_varint(header_, kColumns);
    append_varint(header_, rows_);
    for (size_t c = 0; c < kColumns; ++c) {
        append_text(header_, kColumnsOfBlock[c].name);
        append_text(header_, kColumnsOfBlock[c].type);
        header_ends[c] = header_.size();
    }
    std::vector<std::string_view> pieces;
    size_t begin = 0;
    for (size_t c = 0; c < kColumns; ++c) {
        pieces.push_back(std::string_view(header_).substr(begin, header_ends[c] - begin));
        pieces.push_back(data_[c]);
        begin = header_ends[c];
    }
    return pieces;
}

void NativeBlock::clear() {
    rows_ = 0;
    for (std::string& column : data_) {
        column.clear();
    }
}

std::string_view insert_game_rounds_sql() {
    static const std::string kSql = [] {
        std::string names;
        for (const ColumnName& column : kColumnsOfBlock) {
            names += fmt::format("{}{}", names.empty() ? "" : ", ", column.name);
        }
        return fmt::format("INSERT INTO game_rounds ({}) FORMAT Native", names);
    }();
    return kSql;
}

const Settings& insert_settings() {
    static const Settings kSettings = {
        {"async_insert", "0"},
        {"use_strict_insert_block_limits", "0"},
        {"max_insert_block_size", "100000000"},
        {"min_insert_block_size_rows", "100000000"},
        {"min_insert_block_size_bytes", "0"},
        {"max_insert_threads", "1"},
        {"max_partitions_per_insert_block", "0"},
        // By default each table sorts and merges an inserted block by its engine's rule first. No
        // key stands twice in these blocks (see above), so that is a fifth of the processor time
        // for nothing.
        {"optimize_on_insert", "0"},
    };
    return kSettings;
}

}  // namespace rh::clickhouse
