#include "base/kill_point.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>

#include "base/assert.h"

namespace rh {
namespace {

constexpr std::array<std::string_view, 21> kKillPoints = {
    "receive_spooling",       // some bytes are in the spool, the rest is not there yet
    "receive_before_ledger",  // the original is complete and synced, the ledger does not know it
    "receive_after_ledger",   // the upload is in the ledger, 202 is not sent yet
    "validate_middle",        // a part of the rows is in the staged log
    "ahead_before_insert",    // as far as that; nothing of the next cells is in ClickHouse
    "ahead_after_insert",     // as far as that; cells are in ClickHouse, their file is not judged
    "validate_before_seal",   // all rows are in the staged log, it is not synced
    "publish_before_rename",  // the log is staged and synced, not visible
    "publish_after_rename",   // the log is visible, the ledger says publishing
    "kafka_before_commit",    // rows are sent and their record, the transaction is open
    "kafka_after_commit",     // committed, more rows follow
    "kafka_before_unstage",   // the manifest is in Kafka, the ledger says publishing
    "sink_before_insert",     // nothing of the next cells is in ClickHouse
    "sink_after_insert",      // cells are in ClickHouse, the checkpoint does not know
    "sink_after_checkpoint",  // cells and checkpoint agree, more cells follow
    "kafka_between_rollups",  // raw rows are in ClickHouse, some of the rollups' are
    "kafka_letters_sent",     // dead letters are in their topic, the mark does not know
    "sink_before_audit",      // all cells are in ClickHouse
    "stored_before_uploads_row",  // audited, the row in `uploads` is not written
    "stored_before_ledger",       // the row in `uploads` is written, the ledger does not know
    "stored_after_ledger",        // stored, nobody was told
};

std::atomic<const std::string_view*> armed = nullptr;
std::atomic<int> countdown = 0;

}  // namespace

std::span<const std::string_view> kill_points() { return kKillPoints; }

bool arm_kill_point_from_environment() {
    const char* value = std::getenv(kKillAtVariable);
    if (value == nullptr || *value == '\0') {
        return true;
    }
    std::string_view name = value;
    int nth = 1;
    if (const auto colon = name.find(':'); colon != std::string_view::npos) {
        const auto digits = name.substr(colon + 1);
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), nth);
        if (parsed.ec != std::errc{} || nth < 1) {
            return false;
        }
        name = name.substr(0, colon);
    }
    const auto* const found = std::ranges::find(kKillPoints, name);
    if (found == kKillPoints.end()) {
        return false;
    }
    countdown = nth;
    armed = found;
    return true;
}

void kill_point(std::string_view name) {
    const std::string_view* target = armed.load(std::memory_order_relaxed);
    if (target == nullptr) {
        return;
    }
    RH_ASSERT(std::ranges::find(kKillPoints, name) != kKillPoints.end());
    if (*target == name && countdown.fetch_sub(1) == 1) {
        std::raise(SIGKILL);
    }
}

}  // namespace rh
