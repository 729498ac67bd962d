#include "http/sse.h"

#include <algorithm>
#include <charconv>
#include <string>

#include <fmt/format.h>

#include "base/clock.h"

namespace rh::http {

Result<void> SseWriter::begin() {
    last_ms_ = monotonic_ms();
    // no-transform and X-Accel-Buffering keep proxies from holding events back.
    return exchange_.begin(
        200, "text/event-stream",
        {{"Cache-Control", "no-store, no-transform"}, {"X-Accel-Buffering", "no"}});
}

Result<void> SseWriter::event(std::string_view name, std::optional<uint64_t> id,
                              std::string_view data) {
    std::string text = id ? fmt::format("id: {}\n", *id) : std::string();
    text += fmt::format("event: {}\n", name);
    while (true) {
        const size_t end = data.find('\n');
        text += fmt::format("data: {}\n", data.substr(0, end));
        if (end == std::string_view::npos) {
            break;
        }
        data.remove_prefix(end + 1);
    }
    text += '\n';
    last_ms_ = monotonic_ms();
    return exchange_.write(text);
}

Result<void> SseWriter::heartbeat() {
    const int64_t now = monotonic_ms();
    if (now - last_ms_ < heartbeat_ms_) {
        return {};
    }
    last_ms_ = now;
    return exchange_.write(": still here\n\n");
}

std::optional<uint64_t> last_event_id(const Request& request) {
    const std::string_view text = request.header("last-event-id");
    uint64_t id = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
    const bool whole = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
    return whole ? std::optional(id) : std::nullopt;
}

}  // namespace rh::http
