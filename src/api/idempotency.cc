#include "api/idempotency.h"

#include <algorithm>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "io/file.h"
#include "receive/sha256.h"

namespace rh::api {
namespace {

namespace json = boost::json;

constexpr int64_t kKeptMs = 24LL * 60 * 60 * 1000;
constexpr int64_t kSweepMs = 60LL * 60 * 1000;
constexpr size_t kKeyBytesMax = 255;

struct Record {
    int64_t created_at = 0;
    IdempotencyStore::Kept kept;
};

// nullopt for a file that is none of ours: the request is then done as if it were the first.
std::optional<Record> parse_record(const std::string& text) {
    try {
        const json::object object = json::parse(text).as_object();
        Record record{.created_at = json::value_to<int64_t>(object.at("created_at")),
                      .kept = {.fingerprint = json::value_to<std::string>(object.at("fingerprint")),
                               .response = {}}};
        http::Response& response = record.kept.response;
        response.status = json::value_to<int>(object.at("status"));
        response.content_type = json::value_to<std::string>(object.at("content_type"));
        response.body = json::value_to<std::string>(object.at("body"));
        for (const auto& pair : object.at("headers").as_array()) {
            response.headers.emplace_back(json::value_to<std::string>(pair.as_array().at(0)),
                                          json::value_to<std::string>(pair.as_array().at(1)));
        }
        return record;
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

std::string record_text(std::string_view fingerprint, const http::Response& response) {
    json::array headers;
    for (const auto& [name, value] : response.headers) {
        headers.emplace_back(json::array{name, value});
    }
    return json::serialize(json::object{{"created_at", now_ms()},
                                        {"fingerprint", fingerprint},
                                        {"status", response.status},
                                        {"content_type", response.content_type},
                                        {"body", response.body},
                                        {"headers", std::move(headers)}});
}

}  // namespace

IdempotencyStore::Ticket::Ticket(Ticket&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)),
      name_(std::move(other.name_)),
      kept_(std::move(other.kept_)) {}

IdempotencyStore::Ticket::~Ticket() {
    if (store_ != nullptr) {
        const std::lock_guard lock(store_->mutex_);
        store_->running_.erase(name_);
    }
}

Result<std::unique_ptr<IdempotencyStore>> IdempotencyStore::open(
    const std::string& data_directory) {
    std::unique_ptr<IdempotencyStore> store(new IdempotencyStore(data_directory + "/idempotency"));
    RH_TRY(io::make_directories(store->directory_));
    RH_TRY(store->remove_old());
    store->last_sweep_ms_ = now_ms();
    return store;
}

Result<void> IdempotencyStore::remove_old() {
    RH_ASSIGN(const auto names, io::list_directory(directory_));
    for (const std::string& name : names) {
        const std::string path = directory_ + "/" + name;
        const auto text = io::read_file(path);
        const auto record = text ? parse_record(*text) : std::nullopt;
        if (!record || now_ms() - record->created_at > kKeptMs) {
            RH_TRY(io::remove_file(path));
        }
    }
    return {};
}

Result<IdempotencyStore::Ticket> IdempotencyStore::begin(std::string_view key_id,
                                                         std::string_view idempotency_key) {
    const bool printable =
        std::ranges::all_of(idempotency_key, [](char c) { return c > ' ' && c < 0x7f; });
    if (idempotency_key.empty() || idempotency_key.size() > kKeyBytesMax || !printable) {
        return fail(ErrorKind::invalid_request, "bad_idempotency_key",
                    fmt::format("Idempotency-Key has 1 to {} printable ASCII characters without "
                                "blanks.",
                                kKeyBytesMax));
    }
    const std::string name =
        receive::hex(receive::sha256(fmt::format("{}\n{}", key_id, idempotency_key)));
    {
        const std::lock_guard lock(mutex_);
        if (!running_.insert(name).second) {
            return fail(ErrorKind::conflict, "idempotency_key_in_use",
                        "A request with this Idempotency-Key is running. Wait for its end, then "
                        "send this one again to get the same answer.",
                        Verdict::retry);
        }
    }
    Ticket ticket(*this, name);
    RH_ASSIGN(ticket.kept_, load(name));
    return ticket;
}

Result<std::optional<IdempotencyStore::Kept>> IdempotencyStore::load(
    const std::string& name) const {
    if (!io::exists(path_of(name))) {
        return std::nullopt;
    }
    RH_ASSIGN(const std::string text, io::read_file(path_of(name)));
    auto record = parse_record(text);
    if (!record || now_ms() - record->created_at > kKeptMs) {
        return std::nullopt;
    }
    return std::move(record->kept);
}

Result<void> IdempotencyStore::keep(const Ticket& ticket, std::string_view fingerprint,
                                    const http::Response& response) {
    bool sweep = false;
    {
        const std::lock_guard lock(mutex_);
        sweep = now_ms() - last_sweep_ms_ > kSweepMs;
        last_sweep_ms_ = sweep ? now_ms() : last_sweep_ms_;
    }
    if (sweep) {
        RH_TRY(remove_old());
    }
    return io::write_file_durably(path_of(ticket.name_), record_text(fingerprint, response));
}

}  // namespace rh::api
