#include "avro/game_round_codec.h"

#include <array>
#include <bit>
#include <cstring>
#include <span>

#include <fmt/format.h>

#include "avro/varint.h"
#include "base/assert.h"
#include "base/embedded.h"
#include "model/money.h"

namespace rh::avro {

std::span<const EmbeddedFile> schema_files();  // made by cmake/rh_embed.cmake

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr size_t kUuidChars = 36;
constexpr size_t kDecimalBytesMax = 8;  // 18 digits need 60 bits and a sign
// A length and the 36 characters; the same in every record of an upload.
using EncodedUploadId = std::array<char, 1 + kUuidChars>;

// Five longs, four decimals with their lengths, three string lengths, the upload's id.
constexpr size_t kRowBytesMaxWithoutText =
    5 * kLongBytesMax + 4 * (1 + kDecimalBytesMax) + 3 * kLongBytesMax + sizeof(EncodedUploadId);
// Every field of one byte (decimals of two), and the upload's id.
constexpr size_t kRowBytesMin = 3 + 3 + 4 * 2 + sizeof(EncodedUploadId) + 1;

EncodedUploadId encoded_upload_id(const model::UploadId& id) {
    EncodedUploadId encoded{};
    encoded[0] = kUuidChars * 2;  // zig-zag
    std::memcpy(encoded.data() + 1, model::to_string(id).data(), kUuidChars);
    return encoded;
}

// 0.05 is 50,000 micros = 0xC350; as two's complement its first bit would say negative, so it takes
// three bytes: length 6 (zig-zag of 3), then 00 C3 50. Writes 8 bytes after the length, of which
// the first ones count: the caller leaves that much room.
char* put_decimal(char* at, int64_t micros) {
    const auto magnitude = static_cast<uint64_t>(micros ^ (micros >> 63));
    const int bytes = (64 - std::countl_zero(magnitude)) / 8 + 1;
    *at++ = static_cast<char>(bytes * 2);
    const uint64_t big_endian = std::byteswap(static_cast<uint64_t>(micros) << (64 - 8 * bytes));
    std::memcpy(at, &big_endian, sizeof(big_endian));
    return at + bytes;
}

char* put_string(char* at, const model::StringColumn& column, size_t i) {
    const std::string_view text = column[i];
    at = put_long(at, static_cast<int64_t>(text.size()));
    return at + text.copy(at, text.size());  // unlike memcpy, of no bytes from null too
}

char* put_record(char* at, const model::RowBatch& batch, size_t i, const EncodedUploadId& upload) {
    at = put_long(at, batch.created_ms[i]);
    at = put_long(at, batch.game_instance_id[i]);
    at = put_string(at, batch.user_id, i);
    at = put_long(at, batch.game_id[i]);
    for (const auto& amounts : batch.amount) {
        at = put_decimal(at, amounts[i]);
    }
    at = put_string(at, batch.game_name, i);
    at = put_string(at, batch.provider, i);
    std::memcpy(at, upload.data(), upload.size());
    return put_long(at + upload.size(), static_cast<int64_t>(batch.row_number[i]));
}

size_t text_bytes(const model::StringColumn& column, size_t begin, size_t end) {
    const uint32_t first = begin == 0 ? 0 : column.ends[begin - 1];
    return begin == end ? 0 : column.ends[end - 1] - first;
}

// This and the next two are inlined by force, so that a record's fields stay in registers on their
// way into columns: decode_rows takes 5.3 ms for a cell with it, and 6.1 without.
[[gnu::always_inline]] inline bool get_decimal(const char*& at, const char* end, int64_t& micros) {
    int64_t bytes = 0;
    if (!get_long(at, end, bytes) || bytes < 1 || bytes > 8 || end - at < bytes) {
        return false;
    }
    uint64_t big_endian = 0;
    if (end - at >= 8) {
        std::memcpy(&big_endian, at, 8);
    } else {
        std::memcpy(&big_endian, at, static_cast<size_t>(bytes));
    }
    micros = static_cast<int64_t>(std::byteswap(big_endian)) >> (64 - 8 * bytes);
    at += bytes;
    return micros >= -model::kMoneyMicrosMax && micros <= model::kMoneyMicrosMax;
}

[[gnu::always_inline]] inline bool get_string(const char*& at, const char* end,
                                              std::string_view& text) {
    int64_t bytes = 0;
    if (!get_long(at, end, bytes) || bytes < 0 || end - at < bytes) {
        return false;
    }
    text = {at, static_cast<size_t>(bytes)};
    at += bytes;
    return true;
}

[[gnu::always_inline]] inline bool get_record(const char*& at, const char* end, GameRound& round) {
    bool good = get_long(at, end, round.created_ms) && get_long(at, end, round.game_instance_id) &&
                get_string(at, end, round.user_id) && get_long(at, end, round.game_id);
    for (int64_t& amount : round.amount) {
        good = good && get_decimal(at, end, amount);
    }
    int64_t row_number = 0;
    good = good && get_string(at, end, round.game_name) && get_string(at, end, round.provider) &&
           get_string(at, end, round.upload_id) && round.upload_id.size() == kUuidChars &&
           get_long(at, end, row_number) && row_number >= 1;
    round.row_number = static_cast<uint64_t>(row_number);
    return good;
}

// Where the next string of a column goes: room for all of it is there already.
struct TextSink {
    explicit TextSink(model::StringColumn& of, size_t text_bytes_max)
        : column(of), chars(of.chars.size()) {
        column.chars.resize(chars + text_bytes_max);
    }

    void put(std::string_view text, size_t row) {
        chars += text.copy(column.chars.data() + chars, text.size());
        column.ends[row] = static_cast<uint32_t>(chars);
    }

    model::StringColumn& column;
    size_t chars;
};

std::unexpected<Error> damaged(size_t row, std::string_view what) {
    return fail(ErrorKind::internal, "avro_damaged",
                fmt::format("Record {} of an Avro block {}. The file is damaged and must be "
                            "written again.",
                            row, what));
}

// Writes rounds into rows for which there is room.
class RowWriter {
  public:
    RowWriter(model::RowBatch& batch, size_t text_bytes_max)
        : batch_(batch),
          user_id_(batch.user_id, text_bytes_max),
          game_name_(batch.game_name, text_bytes_max),
          provider_(batch.provider, text_bytes_max) {}

    void put(const GameRound& round, size_t i) {
        batch_.row_number[i] = round.row_number;
        batch_.created_ms[i] = round.created_ms;
        batch_.game_instance_id[i] = round.game_instance_id;
        batch_.game_id[i] = round.game_id;
        for (size_t a = 0; a < round.amount.size(); ++a) {
            batch_.amount[a][i] = round.amount[a];
        }
        user_id_.put(round.user_id, i);
        game_name_.put(round.game_name, i);
        provider_.put(round.provider, i);
    }

  private:
    model::RowBatch& batch_;
    TextSink user_id_, game_name_, provider_;
};

// Appends the rows' records, each with `prefix` before it, and tells where each one ends in `out`.
template <class Ended>
void encode(const model::RowBatch& batch, size_t begin, size_t end, const model::UploadId& id,
            std::string_view prefix, std::string& out, Ended ended) {
    RH_ASSERT(begin <= end && end <= batch.size());
    const EncodedUploadId upload = encoded_upload_id(id);
    const size_t held = out.size();
    const auto append = [&](char* data, size_t) {
        char* at = data + held;
        for (size_t i = begin; i < end; ++i) {
            at += prefix.copy(at, prefix.size());
            at = put_record(at, batch, i, upload);
            ended(static_cast<size_t>(at - data));
        }
        return static_cast<size_t>(at - data);
    };
    out.resize_and_overwrite(
        held + (end - begin) * prefix.size() + encoded_bytes_max(batch, begin, end), append);
}

}  // namespace

std::string_view game_round_schema() { return schema_files().front().text; }

size_t encoded_bytes_max(const model::RowBatch& batch, size_t begin, size_t end) {
    return (end - begin) * kRowBytesMaxWithoutText + text_bytes(batch.user_id, begin, end) +
           text_bytes(batch.game_name, begin, end) + text_bytes(batch.provider, begin, end);
}

void encode_rows(const model::RowBatch& batch, size_t begin, size_t end, const model::UploadId& id,
                 std::string& out) {
    encode(batch, begin, end, id, {}, out, [](size_t) {});
}

void encode_messages(const model::RowBatch& batch, size_t begin, size_t end,
                     const model::UploadId& id, std::string_view prefix, std::string& out,
                     std::vector<size_t>& ends) {
    encode(batch, begin, end, id, prefix, out, [&](size_t at) { ends.push_back(at); });
}

std::optional<GameRound> read_record(std::string_view record) {
    const char* at = record.data();
    const char* const end = at + record.size();
    GameRound round;
    if (!get_record(at, end, round) || at != end) {
        return std::nullopt;
    }
    return round;
}

bool append_row(const GameRound& round, model::RowBatch& batch) {
    const auto fits = [](const model::StringColumn& column, std::string_view text) {
        return column.chars.size() + text.size() <= UINT32_MAX;
    };
    if (!fits(batch.user_id, round.user_id) || !fits(batch.game_name, round.game_name) ||
        !fits(batch.provider, round.provider)) {
        return false;
    }
    batch.row_number.push_back(round.row_number);
    batch.created_ms.push_back(round.created_ms);
    batch.game_instance_id.push_back(round.game_instance_id);
    batch.game_id.push_back(round.game_id);
    for (size_t a = 0; a < round.amount.size(); ++a) {
        batch.amount[a].push_back(round.amount[a]);
    }
    batch.user_id.push_back(round.user_id);
    batch.game_name.push_back(round.game_name);
    batch.provider.push_back(round.provider);
    return true;
}

Result<void> decode_rows(std::string_view bytes, uint64_t rows, const model::UploadId& id,
                         model::RowBatch& batch) {
    const size_t held = batch.size();
    if (rows > bytes.size() / kRowBytesMin || rows > model::kCellRows - held) {
        return damaged(0, fmt::format("and {} more cannot fit into {} bytes and one cell", rows,
                                      bytes.size()));
    }
    for (const auto* text : {&batch.user_id, &batch.game_name, &batch.provider}) {
        if (text->chars.size() + bytes.size() > UINT32_MAX) {
            return damaged(0, "has more text than a batch can hold");
        }
    }
    const std::string upload = model::to_string(id);
    RowWriter writer(batch, bytes.size());
    batch.resize(held + rows);
    GameRound round;
    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    for (size_t i = held; i < held + rows; ++i) {
        if (!get_record(at, end, round) || round.upload_id != upload) {
            batch.truncate(held);
            return damaged(i - held, "is not a game round of this upload");
        }
        writer.put(round, i);
        const uint64_t number = round.row_number;
        if (i > 0 && (number <= batch.row_number[i - 1] ||
                      model::cell_of(number) != model::cell_of(batch.row_number[0]))) {
            batch.truncate(held);
            return damaged(i - held, "is out of order");
        }
    }
    if (at != end) {
        batch.truncate(held);
        return damaged(rows, "is followed by bytes that belong to no record");
    }
    batch.truncate(held + rows);
    return {};
}

}  // namespace rh::avro
