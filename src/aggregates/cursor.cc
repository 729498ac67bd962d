#include "aggregates/cursor.h"

#include <array>
#include <cstring>
#include <optional>

#include <xxhash.h>

#include "aggregates/period.h"
#include "base/base64.h"
#include "base/varint.h"

namespace rh::aggregates {
namespace {

// Layout: format number, fingerprint (8 bytes), version, period, game_id (varints; the period
// zigzag), player_id (the rest), then 4 bytes of the XXH3 of all before. Little endian.
constexpr char kFormat = 1;
constexpr size_t kChecksumBytes = 4;
constexpr size_t kTextBytesMax = 1024;

std::optional<uint64_t> take_varint(std::string_view& in) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
        const auto byte = static_cast<uint8_t>(in.front());
        in.remove_prefix(1);
        value |= static_cast<uint64_t>(byte & 127) << shift;
        if (byte < 128) {
            return value;
        }
    }
    return std::nullopt;
}

template <class T>
void put_fixed(std::string& out, T value) {
    std::array<char, sizeof(T)> bytes{};
    std::memcpy(bytes.data(), &value, sizeof(T));
    out.append(bytes.data(), bytes.size());
}

uint32_t checksum(std::string_view payload) {
    return static_cast<uint32_t>(XXH3_64bits(payload.data(), payload.size()));
}

std::unexpected<Error> bad_cursor() {
    return fail(ErrorKind::invalid_request, "bad_cursor",
                "The cursor is damaged. Send `next_cursor` of the page before as it was given, or "
                "leave `cursor` out to begin again.");
}

}  // namespace

std::string encode_cursor(const Cursor& cursor, const Query& query) {
    std::string bytes(1, kFormat);
    put_fixed(bytes, fingerprint(query));
    append_varint(bytes, cursor.version);
    const auto period = static_cast<uint64_t>(cursor.after.period);
    append_varint(bytes, cursor.after.period < 0 ? ~(period << 1) : period << 1);
    append_varint(bytes, cursor.after.game_id);
    bytes += cursor.after.player_id;
    put_fixed(bytes, checksum(bytes));
    return base64url_encode(bytes);
}

Result<Cursor> decode_cursor(std::string_view text, const Query& query) {
    const auto bytes = text.size() <= kTextBytesMax ? base64url_decode(text) : std::nullopt;
    if (!bytes || bytes->size() < 1 + sizeof(uint64_t) + kChecksumBytes ||
        bytes->front() != kFormat) {
        return bad_cursor();
    }
    std::string_view rest = *bytes;
    uint32_t sum = 0;
    std::memcpy(&sum, rest.data() + rest.size() - kChecksumBytes, sizeof(sum));
    rest.remove_suffix(kChecksumBytes);
    if (sum != checksum(rest)) {
        return bad_cursor();
    }
    rest.remove_prefix(1);
    uint64_t made_for = 0;
    std::memcpy(&made_for, rest.data(), sizeof(made_for));
    rest.remove_prefix(sizeof(made_for));
    const auto version = take_varint(rest);
    const auto period = take_varint(rest);
    const auto game_id = take_varint(rest);
    if (!version || !period || !game_id) {
        return bad_cursor();
    }
    if (made_for != fingerprint(query)) {
        return fail(ErrorKind::invalid_request, "cursor_mismatch",
                    "The cursor belongs to another query. Repeat the parameters of the first page "
                    "(only `limit` and `format` may change), or leave `cursor` out to begin "
                    "again.");
    }
    Cursor cursor{*version, {std::string(rest), *game_id, 0}};
    cursor.after.period = static_cast<int64_t>(*period >> 1 ^ (~(*period & 1) + 1));
    if (!valid_period(query.granularity, cursor.after.period)) {
        return bad_cursor();
    }
    return cursor;
}

}  // namespace rh::aggregates
