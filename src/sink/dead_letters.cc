#include "sink/dead_letters.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/varint.h"

namespace rh::sink {
namespace {

constexpr std::string_view kInsertSql =
    "INSERT INTO dead_letters (topic, part, offset, reason, detail, key, value, seen_at) "
    "FORMAT RowBinary";

// A message may be as large as the topic of rows takes them, and then has no room for headers in a
// topic with the same limit. The whole of it is in the table.
constexpr size_t kKeyBytesMax = 100'000;
constexpr size_t kValueBytesMax = 800'000;

kafka::Headers headers_of(const DeadLetter& letter, const std::string& topic) {
    kafka::Headers headers = {{"topic", topic},
                              {"partition", std::to_string(letter.partition)},
                              {"offset", std::to_string(letter.offset)},
                              {"reason", std::string(letter.reason)},
                              {"detail", letter.detail}};
    if (letter.key.size() > kKeyBytesMax || letter.value.size() > kValueBytesMax) {
        headers.emplace_back("cut", fmt::format("key of {} bytes, value of {} bytes",
                                                letter.key.size(), letter.value.size()));
    }
    return headers;
}

template <class Number>
void put_number(std::string& out, Number number) {
    for (size_t byte = 0; byte < sizeof(number); ++byte) {
        out += static_cast<char>(static_cast<uint64_t>(number) >> (8 * byte));
    }
}

void put_text(std::string& out, std::string_view text) {
    append_varint(out, text.size());
    out += text;
}

}  // namespace

Result<void> DeadLetters::keep(const std::vector<DeadLetter>& letters) {
    for (size_t shard = 0; shard < store_.shards(); ++shard) {
        std::string body;
        for (const DeadLetter& letter : letters) {
            if (letter.partition % store_.shards() != shard) {
                continue;
            }
            put_text(body, topic_);
            put_number(body, letter.partition);
            put_number(body, letter.offset);
            put_text(body, letter.reason);
            put_text(body, letter.detail);
            put_text(body, letter.key);
            put_text(body, letter.value);
            put_number(body, now_ms());
        }
        if (body.empty()) {
            continue;
        }
        const std::string_view piece = body;
        RH_TRY(store_.owner(shard).insert(kInsertSql, {&piece, 1}, {}, {{"async_insert", "0"}}));
    }
    return send(letters);
}

Result<void> DeadLetters::send(const std::vector<DeadLetter>& letters) {
    auto sent = produce(letters);
    if (!sent) {
        producer_.reset();
    }
    return sent;
}

Result<void> DeadLetters::produce(const std::vector<DeadLetter>& letters) {
    const std::string to = dead_letter_topic(topic_);
    if (producer_ == nullptr) {
        RH_ASSIGN(const auto admin, kafka::Admin::create(cluster_));
        RH_TRY(admin->ensure_topic(to, 1));
        RH_ASSIGN(producer_, kafka::Producer::create(cluster_, {}));
    }
    kafka::Delivery delivery(1);
    for (const DeadLetter& letter : letters) {
        RH_TRY(producer_->send_with_headers(
            to,
            {.key = std::string_view(letter.key).substr(0, kKeyBytesMax),
             .value = std::string_view(letter.value).substr(0, kValueBytesMax),
             .partition = 0},
            headers_of(letter, topic_), delivery));
    }
    return producer_->flush(delivery);
}

Result<uint64_t> DeadLetters::count() const {
    uint64_t sum = 0;
    for (size_t shard = 0; shard < store_.shards(); ++shard) {
        RH_ASSIGN(const std::string line,
                  store_.owner(shard).query("SELECT count() FROM dead_letters FINAL "
                                            "WHERE topic = {topic:String} FORMAT TSV",
                                            {{"topic", topic_}}));
        uint64_t count = 0;
        std::from_chars(line.data(), line.data() + line.size(), count);
        sum += count;
    }
    return sum;
}

}  // namespace rh::sink
