// Server-sent events on an Exchange: begin() sends the head, event() one event, and heartbeat()
// a comment when nothing was sent for 15 s, so proxies and clients know that the stream lives. One
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "http/exchange.h"

namespace rh::http {

class SseWriter {
  public:
    explicit SseWriter(Exchange& exchange, int64_t heartbeat_ms = 15'000)
        : exchange_(exchange), heartbeat_ms_(heartbeat_ms) {}

    Result<void> begin();
    // `data` may have several lines. Without an id the client keeps the last one.
    Result<void> event(std::string_view name, std::optional<uint64_t> id, std::string_view data);
    // Sends a comment if it is time. Error: the client is gone.
    Result<void> heartbeat();

  private:
    Exchange& exchange_;
    const int64_t heartbeat_ms_;
    int64_t last_ms_ = 0;
};

// The number in Last-Event-ID; nullopt if there is none.
std::optional<uint64_t> last_event_id(const Request& request);

}  // namespace rh::http
