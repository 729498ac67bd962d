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
    if (auto sent = send(letters); !sent) {
        producer_.reset();
        return sent;
    }
    return {};
}

Result<void> DeadLetters::send(const std::vector<DeadLetter>& letters) {
    const std::string to = topic_ + "-dead-letters";
    if (producer_ == nullptr) {
        RH_ASSIGN(const auto admin, kafka::Admin::create(cluster_));
        RH_TRY(admin->ensure_topic(to, 1));
        RH_ASSIGN(producer_, kafka::Producer::create(cluster_, {}));
    }
    kafka::Delivery delivery(1);
    for (const DeadLetter& letter : letters) {
        RH_TRY(producer_->send_with_headers(
            to, {.key = letter.key, .value = letter.value, .partition = 0},
            {{"topic", topic_},
             {"partition", std::to_string(letter.partition)},
             {"offset", std::to_string(letter.offset)},
             {"reason", std::string(letter.reason)},
             {"detail", letter.detail}},
            delivery));
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
