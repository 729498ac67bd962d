#include "clickhouse/exception.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace rh::clickhouse {
namespace {

constexpr size_t kMessageBytesMax = 2'000;

int exception_number(std::string_view text) {
    constexpr std::string_view kPrefix = "Code: ";
    int number = 0;
    if (const size_t at = text.find(kPrefix); at != std::string_view::npos) {
        const std::string_view digits = text.substr(at + kPrefix.size());
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    }
    return number;
}

void erase_all(std::string& text, std::string_view what) {
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
        text.erase(at, what.size());
    }
}

std::string readable(std::string_view text) {
    std::string message(text.substr(0, text.find("Stack trace:")));
    erase_all(message, "DB::Exception: ");
    if (const size_t version = message.rfind(" (version "); version != std::string::npos) {
        message.erase(version);
    }
    while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) {
        message.pop_back();
    }
    if (message.size() > kMessageBytesMax) {
        message.resize(kMessageBytesMax);
        message += "…";
    }
    return message;
}

template <size_t N>
bool contains(const std::array<int, N>& numbers, int number) {
    return std::ranges::find(numbers, number) != numbers.end();
}

}  // namespace

Error exception_error(std::string_view text) {
    // Too many queries at once, memory of the server or of the query, network between servers, too
    // many parts, all connections tried, aborted at a shutdown, overloaded. Of Replicated tables:
    // no session of the Keeper, too few replicas for a quorum, nobody knows whether they have it,
    // this one lacks what a quorum has, a replica has not deleted yet, the Keeper does not answer.
    constexpr std::array kTryAgain = {202, 209, 210, 236, 241, 252, 279, 743,
                                      242, 285, 286, 319, 289, 341, 999};
    // Rows, time and result size that the user's profile allows.
    constexpr std::array kLimits = {158, 159, 160, 396};
    constexpr int kNotEnoughSpace = 243;
    const int number = exception_number(text);
    const std::string message = readable(text);
    if (number == kNotEnoughSpace || text.find("No space left on device") != text.npos) {
        return {ErrorKind::storage_full, "storage_full",
                fmt::format("ClickHouse has no space left: {}. Free some space.", message),
                Verdict::retry};
    }
    if (contains(kLimits, number)) {
        return {ErrorKind::unavailable, "clickhouse_query_limit",
                fmt::format("The query is too large for this server: {}. Ask for a narrower range.",
                            message),
                Verdict::give_up};
    }
    if (contains(kTryAgain, number)) {
        return {ErrorKind::unavailable, "clickhouse_unavailable",
                fmt::format("ClickHouse cannot do this now: {}", message), Verdict::retry};
    }
    return {ErrorKind::internal, "clickhouse_error", fmt::format("ClickHouse: {}", message),
            Verdict::give_up};
}

ExceptionFilter::ExceptionFilter(std::string_view tag) : tag_(tag) {
    if (!tag.empty()) {
        marker_ = fmt::format("\r\n__exception__\r\n{}\r\n", tag);
    }
}

std::string_view ExceptionFilter::push(std::string_view piece) {
    if (marker_.empty()) {
        return piece;
    }
    held_ += piece;
    if (found_) {
        return {};
    }
    const size_t at = held_.find(marker_);
    found_ = at != std::string::npos;
    const size_t kept = found_ ? 0 : std::min(held_.size(), marker_.size() - 1);
    const size_t data = found_ ? at : held_.size() - kept;
    ready_.assign(held_, 0, data);
    held_.erase(0, found_ ? at + marker_.size() : data);
    return ready_;
}

Result<std::string_view> ExceptionFilter::finish() {
    if (!found_) {
        ready_ = std::exchange(held_, {});
        return std::string_view(ready_);
    }
    // The text ends before the line with its length.
    std::string_view text = held_;
    if (const size_t tail = text.rfind(" " + tag_); tail != std::string_view::npos) {
        text = text.substr(0, text.rfind('\n', tail));
    }
    return std::unexpected(exception_error(text));
}

}  // namespace rh::clickhouse
