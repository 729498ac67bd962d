// Idempotency-Key: the first answer to a request is kept for 24 hours under DIR/idempotency, one
// file a key, and given again to the same request. Keys of different API keys are different, also
// of two that have the same name. Any thread.
//
// A crash between the work and the kept answer is harmless: the same file is the same upload, so
// the repeated request is answered as a duplicate.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/exchange.h"

namespace rh::api {

class IdempotencyStore {
  public:
    // Creates the directory and removes answers that are too old.
    static Result<std::unique_ptr<IdempotencyStore>> open(const std::string& data_directory);

    struct Kept {
        std::string fingerprint;  // of the first request
        http::Response response;
    };
    // Held while a request with the key runs; a second one is refused meanwhile.
    class Ticket {
      public:
        Ticket(IdempotencyStore& store, std::string name)
            : store_(&store), name_(std::move(name)) {}
        Ticket(Ticket&& other) noexcept;
        Ticket& operator=(Ticket&&) = delete;
        ~Ticket();
        const std::optional<Kept>& kept() const { return kept_; }

      private:
        friend class IdempotencyStore;
        IdempotencyStore* store_;
        std::string name_;
        std::optional<Kept> kept_;
    };
    // Errors: invalid_request bad_idempotency_key (1 to 255 printable ASCII characters); conflict
    // idempotency_key_in_use.
    Result<Ticket> begin(std::string_view key_id, std::string_view idempotency_key);
    // Keeps the first answer, durably.
    Result<void> keep(const Ticket& ticket, std::string_view fingerprint,
                      const http::Response& response);

  private:
    explicit IdempotencyStore(std::string directory) : directory_(std::move(directory)) {}
    Result<void> remove_old();
    Result<std::optional<Kept>> load(const std::string& name) const;
    std::string path_of(const std::string& name) const { return directory_ + "/" + name + ".json"; }

    const std::string directory_;
    std::mutex mutex_;
    std::set<std::string> running_;  // guarded by mutex_
    int64_t last_sweep_ms_ = 0;      // guarded by mutex_
};

}  // namespace rh::api
