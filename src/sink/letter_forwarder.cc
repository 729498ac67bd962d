#include "sink/letter_forwarder.h"

#include <charconv>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "base/base64.h"
#include "base/kill_point.h"
#include "base/split.h"

namespace rh::sink {
namespace {

// Sent in one go: so many, or as many as have so many bytes, but at least one.
constexpr size_t kLettersMax = 1'000;
constexpr uint64_t kBytesMax = 8ULL << 20;

constexpr std::string_view kLettersSql =
    "SELECT {} FROM dead_letters FINAL WHERE topic = {{topic:String}} "
    "AND offset >= {{marks:Array(Int64)}}[part + 1] AND offset < {{taken:Array(Int64)}}[part + 1] "
    "ORDER BY part, offset LIMIT {} FORMAT TSVRaw";
constexpr std::string_view kBytes = "length(key) + length(value) + length(detail)";
constexpr std::string_view kAll =
    "part, offset, reason, base64Encode(detail), base64Encode(key), base64Encode(value)";

template <class Number>
bool parse_number(std::string_view text, Number& number) {
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
}

std::optional<DeadLetter> parse_letter(std::string_view line) {
    const auto fields = split(line, '\t');
    if (fields.size() != 6) {
        return std::nullopt;
    }
    DeadLetter letter;
    auto detail = base64_decode(fields[3]);
    auto key = base64_decode(fields[4]);
    auto value = base64_decode(fields[5]);
    if (!parse_number(fields[0], letter.partition) || !parse_number(fields[1], letter.offset) ||
        !detail || !key || !value) {
        return std::nullopt;
    }
    letter.reason = fields[2];
    letter.detail = std::move(*detail);
    letter.key = std::move(*key);
    letter.value = std::move(*value);
    return letter;
}

size_t count_of_some(std::string_view sizes) {
    size_t count = 0;
    uint64_t sum = 0;
    for (const std::string_view line : lines_of(sizes)) {
        uint64_t bytes = 0;
        parse_number(line, bytes);
        sum += bytes;
        if (count > 0 && sum > kBytesMax) {
            break;
        }
        ++count;
    }
    return count;
}

}  // namespace

Result<void> LetterForwarder::forward(kafka::Admin& admin, const Offsets& taken) {
    RH_ASSIGN(const Offsets marks,
              admin.committed(group_, topic_, static_cast<int32_t>(taken.size())));
    std::vector<int64_t> from;
    std::vector<int64_t> to;
    for (size_t partition = 0; partition < taken.size(); ++partition) {
        from.push_back(marks[partition].value_or(0));
        to.push_back(taken[partition].value_or(0));
    }
    for (size_t shard = 0; shard < store_.shards(); ++shard) {
        bool more = true;
        while (more) {
            RH_ASSIGN(more, forward_some(admin, shard, from, to));
        }
    }
    return {};
}

// Whether there may be more.
Result<bool> LetterForwarder::forward_some(kafka::Admin& admin, size_t shard,
                                           std::vector<int64_t>& marks,
                                           const std::vector<int64_t>& taken) {
    const clickhouse::Client& owner = store_.owner(shard);
    const clickhouse::Parameters range = {{"topic", topic_},
                                          {"marks", clickhouse::array_parameter(marks)},
                                          {"taken", clickhouse::array_parameter(taken)}};
    RH_ASSIGN(const std::string sizes,
              owner.query(fmt::format(kLettersSql, kBytes, kLettersMax), range));
    const size_t count = count_of_some(sizes);
    if (count == 0) {
        return false;
    }
    RH_ASSIGN(const std::string text, owner.query(fmt::format(kLettersSql, kAll, count), range));
    std::vector<DeadLetter> letters;
    std::map<int32_t, int64_t> next;
    for (const std::string_view line : lines_of(text)) {
        auto letter = parse_letter(line);
        if (!letter) {
            return fail(ErrorKind::internal, "clickhouse_error",
                        "ClickHouse's dead letters cannot be read.");
        }
        next[static_cast<int32_t>(letter->partition)] = letter->offset + 1;
        letters.push_back(std::move(*letter));
    }
    RH_TRY(letters_.send(letters));
    kill_point("kafka_letters_sent");
    std::vector<kafka::Position> positions;
    for (const auto& [partition, offset] : next) {
        positions.push_back({.partition = partition, .offset = offset});
        marks[static_cast<size_t>(partition)] = offset;
    }
    RH_TRY(admin.commit(group_, topic_, positions));
    return true;
}

}  // namespace rh::sink
