// One request on a worker thread, from its complete head to the end of the answer: gate, target,
// route, key, query, handler; every refusal as problem+json. http/server.cc calls it and goes on
// with the connection as the outcome says.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

#include "http/client_stream.h"
#include "http/server.h"

namespace rh::http {

// What all sessions of a server share. Outlives them.
struct SessionContext {
    ServerOptions options;
    Router router;
    Authenticator authenticate;
    Observer observe;
    std::atomic<bool> stopping = false;
    std::atomic<bool> drained = false;  // time is up: bodies that have not come are given up
    std::atomic<unsigned> transfers_taken = 0;  // slots (slot.h)
    std::atomic<unsigned> answers_taken = 0;
};

struct SessionOutcome {
    enum class Next : uint8_t {
        keep_alive,
        linger,  // close, but read what still comes for a while, so the answer is not reset away
        reset,   // an answer without a length was cut: the client must not take it for whole
    };
    Next next = Next::linger;
    std::string received;  // bytes read beyond the request
    uint64_t discard = 0;  // bytes of the request's body that were not read and still come
};

// `received` begins with a complete head of `head_bytes`. Throws nothing.
SessionOutcome run_session(SessionContext& context, int fd, std::string received, size_t head_bytes,
                           const std::string& peer);

// A whole answer that closes the connection, for refusals without a handler.
std::string closing_answer(const Error& error);

}  // namespace rh::http
