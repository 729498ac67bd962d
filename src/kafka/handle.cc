#include "kafka/handle.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"

namespace rh::kafka {
namespace {

constexpr size_t kErrorTextBytes = 512;
constexpr int kQuestionMs = 3'000;  // of the first one; such a question cannot be ended
constexpr int kStoppingMs = 1'000;

constexpr int64_t kRefusalMs = 60'000;
constexpr int64_t kFailureMs = 10'000;
constexpr int64_t kRepeatMs = 10'000;
constexpr size_t kRepeatsMax = 100;

// What librdkafka said on its threads: calls only say that no broker answers. One for all handles,
// which have the same settings.
struct Heard {
    struct Said {
        std::string text;
        int64_t at_ms = 0;

        bool within(int64_t ms) const { return !text.empty() && monotonic_ms() - at_ms < ms; }
    };
    std::mutex mutex;  // guards all below
    Said refusal;      // why a broker refused us, or we its certificate
    Said failure;      // the last connection that failed
    std::map<std::string, int64_t, std::less<>> logged_ms;
};

Heard& heard() {
    static Heard the_one;
    return the_one;
}

// Of "[thread]: broker: what happened (after 1ms in state CONNECT)" what stays the same.
std::string_view essence_of(std::string_view text) {
    if (const size_t end = text.find("]: "); end != std::string_view::npos) {
        text.remove_prefix(end + 3);
    }
    return text.substr(0, text.find(" (after "));
}

// Whether it was not said within the last seconds: every handle tries again several times a second.
bool note(int level, std::string_view facility, std::string_view text) {
    const std::string_view essence = essence_of(text);
    const std::lock_guard lock(heard().mutex);
    const int64_t now = monotonic_ms();
    if (text.contains("SASL authentication") || text.contains("SSL handshake") ||
        text.contains("mechanism handshake failed")) {
        heard().refusal = {std::string(essence), now};
    } else if (level <= 3 && facility == "FAIL") {
        heard().failure = {std::string(essence), now};
    }
    auto& logged = heard().logged_ms;
    const auto last = logged.find(essence);
    if (last != logged.end() && now - last->second < kRepeatMs) {
        return false;
    }
    if (logged.size() >= kRepeatsMax) {
        logged.clear();
    }
    logged.insert_or_assign(std::string(essence), now);
    return true;
}

std::string with_cause(std::string text) {
    const std::string trouble = connection_trouble();
    return trouble.empty() ? text : fmt::format("{} {}", text, trouble);
}

// librdkafka logs each connection that it loses and each attempt after it; what matters of that
// comes as errors of calls.
void log_line(const rd_kafka_t*, int level, const char* facility, const char* text) {
    const bool is_new = note(level, facility, text);
    // Connections come and go, and fenced producers are part of the plan; this is neither.
    const std::string_view said = text;
    const bool is_bad = said.contains("brokers are down") && !said.contains(" 0/");
    log_event(!is_new || level > 3 ? LogLevel::debug
              : is_bad             ? LogLevel::warning
                                   : LogLevel::info,
              "librdkafka", {{"facility", facility}, {"detail", text}});
}

bool is_fenced(rd_kafka_resp_err_t code) {
    return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
           code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING ||
           code == RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
}

// What another attempt would meet again: somebody must change something first.
bool is_lasting(rd_kafka_resp_err_t code) {
    switch (static_cast<int>(code)) {
        case RD_KAFKA_RESP_ERR__INVALID_ARG:
        case RD_KAFKA_RESP_ERR__STATE:
        case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
        case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        case RD_KAFKA_RESP_ERR__SSL:
        case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
        case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
        case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
            return true;
        default:
            return false;
    }
}

}  // namespace

std::string connection_trouble() {
    const std::lock_guard lock(heard().mutex);
    if (heard().refusal.within(kRefusalMs)) {
        return fmt::format("It was refused: {}.", heard().refusal.text);
    }
    if (heard().failure.within(kFailureMs)) {
        return fmt::format("The last connection that failed: {}.", heard().failure.text);
    }
    return {};
}

std::unexpected<Error> kafka_error(const Library& library, rd_kafka_resp_err_t code,
                                   std::string_view what, std::string_view detail) {
    const std::string text = fmt::format(
        "Kafka: {} failed: {} ({}).", what,
        detail.empty() ? std::string_view(library.err2str(code)) : detail, library.err2name(code));
    if (is_fenced(code)) {
        return fail(ErrorKind::conflict, "kafka_fenced", text);
    }
    if (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        return fail(ErrorKind::internal, "kafka_retention_lost",
                    text +
                        " Records that were not read yet are gone from the topic: its retention "
                        "is too short. See docs/operations.md.");
    }
    if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
        return fail(ErrorKind::unavailable, "kafka_name_taken",
                    text +
                        " Another process has the name of this one, as when a data directory was "
                        "copied, and they take each other's partitions. Stop one of them.",
                    Verdict::retry);
    }
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        return fail(ErrorKind::internal, "kafka_record_too_large",
                    text + " Raise max.message.bytes of the topic.");
    }
    if (is_lasting(code)) {
        return fail(ErrorKind::internal, "kafka_error", text);
    }
    return fail(ErrorKind::unavailable, "kafka_unavailable", with_cause(text), Verdict::retry);
}

Result<void> take_error(const Library& library, rd_kafka_error_t* error, std::string_view what) {
    if (error == nullptr) {
        return {};
    }
    auto failed =
        kafka_error(library, library.error_code(error), what, library.error_string(error));
    library.error_destroy(error);
    return failed;
}

Result<Handle> Handle::create(const Cluster& cluster, rd_kafka_type_t type,
                              const Settings& settings, const Callbacks& callbacks) {
    RH_ASSIGN(const Library* library, load_library(cluster.library));
    rd_kafka_conf_t* conf = library->conf_new();
    std::array<char, kErrorTextBytes> why{};
    const auto set = [&](const std::string& name, const std::string& value) -> Result<void> {
        if (library->conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) !=
            RD_KAFKA_CONF_OK) {
            return fail(ErrorKind::invalid_request, "kafka_setting",
                        fmt::format("librdkafka refuses a setting: {}.", why.data()));
        }
        return {};
    };
    auto prepared = [&]() -> Result<void> {
        RH_TRY(set("bootstrap.servers", cluster.brokers));
        RH_TRY(set("client.id", "roundhouse"));
        // A fresh client may not connect to a second broker for half of this time, and the first
        // one it has is always another than it needs then.
        RH_TRY(set("reconnect.backoff.ms", "20"));
        for (const auto& [name, value] : settings) {
            RH_TRY(set(name, value));
        }
        for (const auto& [name, value] : cluster.settings) {
            RH_TRY(set(name, value));
        }
        return {};
    }();
    if (!prepared) {
        library->conf_destroy(conf);
        return std::unexpected(std::move(prepared).error());
    }
    library->conf_set_log_cb(conf, log_line);
    library->conf_set_opaque(conf, callbacks.opaque);
    if (callbacks.delivered != nullptr) {
        library->conf_set_dr_msg_cb(conf, callbacks.delivered);
    }
    if (callbacks.rebalanced != nullptr) {
        library->conf_set_rebalance_cb(conf, callbacks.rebalanced);
    }
    rd_kafka_t* handle = library->create(type, conf, why.data(), why.size());
    if (handle == nullptr) {
        library->conf_destroy(conf);
        return fail(ErrorKind::internal, "kafka_error",
                    fmt::format("No Kafka client can be made: {}.", why.data()));
    }
    return Handle(library, handle, cluster.stop);
}

rd_kafka_resp_err_t Handle::ask(const std::function<rd_kafka_resp_err_t(int)>& question,
                                int within_ms) const {
    Patience patience(stop_, within_ms);
    // Longer from time to time, since brokers that are slow answer only whoever waits.
    for (int limit_ms = std::min(kQuestionMs, within_ms);; limit_ms *= 2) {
        const int now_ms = stop_.stop_requested() ? kStoppingMs : limit_ms;
        const int64_t begun = monotonic_ms();
        const auto code = question(now_ms);
        const bool nobody_answered =
            code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT;
        // An error that comes at once is an answer.
        if (!nobody_answered || monotonic_ms() - begun < now_ms / 2 || patience.is_over()) {
            return code;
        }
    }
}

Answer::Answer(const Handle& handle, int timeout_ms,
               const std::function<rd_kafka_resp_err_t(rd_kafka_queue_t*)>& ask)
    : library_(handle.library()), queue_(library_.queue_new(handle.get())), code_(ask(queue_)) {
    if (code_ != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    for (Patience patience(handle.stop(), timeout_ms); event_ == nullptr && !patience.is_over();) {
        event_ = library_.queue_poll(queue_, kSliceMs);
    }
    code_ = event_ == nullptr ? RD_KAFKA_RESP_ERR__TIMED_OUT : library_.event_error(event_);
}

Answer::~Answer() {
    if (event_ != nullptr) {
        library_.event_destroy(event_);
    }
    library_.queue_destroy(queue_);
}

std::unexpected<Error> Answer::error(std::string_view doing) const {
    return kafka_error(library_, code_, doing,
                       event_ == nullptr ? std::string_view()
                                         : std::string_view(library_.event_error_string(event_)));
}

Result<void> commit_offsets(const Handle& handle, const PartitionList& offsets,
                            std::string_view doing) {
    const Answer answer(handle, kAnswerMs, [&](rd_kafka_queue_t* queue) {
        return handle.library().commit_queue(handle.get(), offsets.get(), queue, nullptr, nullptr);
    });
    return answer.code() == RD_KAFKA_RESP_ERR_NO_ERROR ? Result<void>{} : answer.error(doing);
}

Result<void> Handle::check_alive(std::string_view what) const {
    std::array<char, kErrorTextBytes> why{};
    const auto code = library_->fatal_error(handle_, why.data(), why.size());
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? Result<void>{}
                                              : kafka_error(*library_, code, what, why.data());
}

PartitionList::PartitionList(const Library& library, const std::string& topic,
                             const std::vector<Position>& positions)
    : library_(library),
      list_(library.topic_partition_list_new(static_cast<int>(positions.size()))) {
    for (const Position& position : positions) {
        library.topic_partition_list_add(list_, topic.c_str(), position.partition)->offset =
            position.offset;
    }
}

PartitionList::PartitionList(const Library& library, const std::string& topic,
                             const std::vector<int32_t>& partitions)
    : library_(library),
      list_(library.topic_partition_list_new(static_cast<int>(partitions.size()))) {
    for (const int32_t partition : partitions) {
        library.topic_partition_list_add(list_, topic.c_str(), partition);
    }
}

}  // namespace rh::kafka
