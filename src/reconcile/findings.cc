#include "reconcile/findings.h"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "model/money.h"
#include "model/timestamp.h"

namespace rh::reconcile {
namespace {

namespace json = boost::json;

constexpr size_t kPendingBytes = 256 * 1024;
constexpr size_t kReadBytes = 64 * 1024;

json::value figures_json(const std::optional<model::Totals>& figures) {
    if (!figures) {
        return nullptr;
    }
    json::object object;
    // Signed: an aggregate that lacks what the scope leaves out has fewer than none.
    object["rounds"] = static_cast<int64_t>(figures->rows);
    for (size_t i = 0; i < figures->sums.size(); ++i) {
        object[model::kAmountNames[i]] = model::to_string(figures->sums[i]);
    }
    return object;
}

std::string hour_text(uint32_t hour) {
    return model::format_rfc3339(int64_t{hour} * model::kMsPerHour);
}

std::unexpected<Error> bad_cursor() {
    return fail(ErrorKind::invalid_request, "bad_cursor",
                "The cursor is not one of this list. Take next_cursor of the page before, or leave "
                "it out to begin anew.");
}

}  // namespace

std::string to_json(const Discrepancy& discrepancy) {
    json::object object;
    object["player_id"] =
        discrepancy.has_player ? json::value(discrepancy.key.player) : json::value(nullptr);
    object["game_id"] = std::to_string(discrepancy.key.game);
    object["hour"] =
        discrepancy.has_hour ? json::value(hour_text(discrepancy.key.hour)) : json::value(nullptr);
    object["class"] = name(discrepancy.break_class);
    object["original"] = figures_json(discrepancy.original);
    object["stored"] = figures_json(discrepancy.stored);
    object["aggregated"] = figures_json(discrepancy.aggregated);
    if (!discrepancy.table.empty()) {
        object["table"] = discrepancy.table;
    }
    if (discrepancy.names) {
        object["provider"] = discrepancy.names->provider;
        object["game_name"] = discrepancy.names->game_name;
    }
    if (discrepancy.other_hour) {
        object["other_hour"] = hour_text(*discrepancy.other_hour);
    }
    return json::serialize(object);
}

Result<FindingsWriter> FindingsWriter::create(const std::string& path) {
    RH_ASSIGN(auto file, io::File::create(path));
    return FindingsWriter(std::move(file));
}

Result<void> FindingsWriter::add(const Discrepancy& discrepancy) {
    pending_ += to_json(discrepancy);
    pending_ += '\n';
    if (pending_.size() < kPendingBytes) {
        return {};
    }
    RH_TRY(file_.write_all(pending_));
    pending_.clear();
    return {};
}

Result<void> FindingsWriter::finish() {
    RH_TRY(file_.write_all(std::exchange(pending_, {})));
    RH_TRY(file_.sync());
    return file_.close();
}

Result<FindingsPage> read_findings(const std::string& path, uint64_t offset, size_t limit) {
    FindingsPage page;
    page.next_offset = offset;
    RH_ASSIGN(auto file, io::File::open_read(path));
    RH_ASSIGN(const uint64_t size, file.size());
    if (offset > size) {
        return bad_cursor();
    }
    if (offset > 0) {
        char before = 0;
        RH_ASSIGN(const size_t got, file.pread({&before, 1}, offset - 1));
        if (got != 1 || before != '\n') {
            return bad_cursor();
        }
    }
    RH_TRY(file.seek(offset));
    std::string buffer(kReadBytes, '\0');
    std::string line;
    while (page.lines.size() < limit) {
        RH_ASSIGN(const size_t got, file.read(buffer));
        if (got == 0) {
            break;
        }
        std::string_view rest(buffer.data(), got);
        while (!rest.empty() && page.lines.size() < limit) {
            const size_t end = rest.find('\n');
            line.append(rest.substr(0, end));
            if (end == std::string_view::npos) {
                break;
            }
            page.next_offset += line.size() + 1;
            page.lines.push_back(std::exchange(line, {}));
            rest.remove_prefix(end + 1);
        }
    }
    page.at_end = page.next_offset >= size;
    return page;
}

}  // namespace rh::reconcile
