#include "sink/unknown_rows.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "sink/leftovers.h"

namespace rh::sink {
namespace {

constexpr int64_t kRestMs = 5'000;
constexpr int64_t kShareOfTime = 20;
constexpr size_t kUploadsAtOnce = 1'000;

}  // namespace

Result<void> UnknownRows::look() {
    const int64_t begun = monotonic_ms();
    if (begun < next_at_) {
        return {};
    }
    RH_ASSIGN(const auto uncommitted, uncommitted_uploads(store_));
    std::set<model::UploadId> unknown(uncommitted.begin(), uncommitted.end());
    const auto is_known = [this](const auto& id) { return control_.published(id).has_value(); };
    std::erase_if(unknown, is_known);
    if (!unknown.empty()) {  // catching up waits for transactions that are open
        RH_TRY(control_.catch_up());
        std::erase_if(unknown, is_known);
    }
    std::set<model::UploadId> twice;
    std::ranges::set_intersection(unknown, suspects_, std::inserter(twice, twice.end()));
    suspects_ = std::move(unknown);
    Found found{.rows = 0, .uploads = twice.size()};
    RH_ASSIGN(found.rows, count(twice));
    const int64_t now = monotonic_ms();
    next_at_ = now + std::max(kRestMs, kShareOfTime * (now - begun));
    const std::scoped_lock lock(mutex_);
    if (found.rows > found_.rows) {
        log_event(LogLevel::error,
                  "rows of uploads that no process has published are in ClickHouse; they count "
                  "nowhere",
                  {{"rows", found.rows},
                   {"uploads", found.uploads},
                   {"one_of_them", model::to_string(*twice.begin())}});
    }
    found_ = found;
    return {};
}

Result<uint64_t> UnknownRows::count(const std::set<model::UploadId>& uploads) const {
    uint64_t rows = 0;
    std::vector<std::string> ids;
    for (auto upload = uploads.begin(); upload != uploads.end();) {
        ids.clear();
        for (; upload != uploads.end() && ids.size() < kUploadsAtOnce; ++upload) {
            ids.push_back(model::to_string(*upload));
        }
        const clickhouse::Parameters parameters = {{"ids", clickhouse::array_parameter(ids)}};
        for (const auto& answer : store_.on_every_shard([&](size_t shard) {
                 return store_.owner(shard).query(
                     "SELECT count() FROM game_rounds FINAL WHERE upload_id IN {ids:Array(UUID)} "
                     "FORMAT TSV",
                     parameters);
             })) {
            RH_TRY(answer);
            uint64_t here = 0;
            std::from_chars(answer->data(), answer->data() + answer->size(), here);
            rows += here;
        }
    }
    return rows;
}

UnknownRows::Found UnknownRows::found() const {
    const std::scoped_lock lock(mutex_);
    return found_;
}

}  // namespace rh::sink
