#include "cli/upload_report.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/harmless.h"
#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/text.h"
#include "model/row_batch.h"

namespace rh::cli {

namespace {

// Before that its counts and sums are zeros, which are no figures.
bool was_read_whole(const boost::json::object& upload) {
    return !text_at(object_at(upload, "stages"), "accepted").empty();
}

std::string counts_text(const boost::json::object& upload) {
    const auto& rows = object_at(upload, "rows");
    const auto& totals = object_at(upload, "totals");
    const auto& empty = object_at(upload, "empty_amounts");
    std::string out = fmt::format(
        "  rows: {} read = {} accepted + {} rejected; {}\n", with_commas(count_at(rows, "read")),
        with_commas(count_at(rows, "accepted")), with_commas(count_at(rows, "rejected")),
        counted(count_at(rows, "blank"), "blank line"));
    for (const auto amount : model::kAmountNames) {
        out += fmt::format("  {:<17} {}", amount, aligned_amount(shown_at(totals, amount), 20));
        const uint64_t without = count_at(empty, amount);
        out += without == 0 ? "\n" : fmt::format("   ({} without)\n", counted(without, "row"));
    }
    return out;
}

// Of an upload with replaces=.
std::string correction_text(std::string_view state, std::string_view replaced) {
    if (state == "stored") {
        return fmt::format("takes the place of {}, which is voided", replaced);
    }
    if (state == "refused" || state == "failed" || state == "cancelled") {
        return fmt::format("has not taken the place of {}, which counts as before", replaced);
    }
    return fmt::format("{} the place of {} when it is stored",
                       state == "checked" ? "would take" : "takes", replaced);
}

}  // namespace

std::string upload_text(const boost::json::object& upload) {
    const std::string id = shown_at(upload, "id");
    const std::string state = shown_at(upload, "state");
    const std::string voided = shown_at(upload, "voided_version");
    const std::string name = shown_at(upload, "filename");
    std::string out = fmt::format(
        "{}: {}{}{}{}\n", name.empty() ? "file without a name" : name, state,
        id.empty() ? "" : " as " + id,
        flag_at(upload, "duplicate") ? " (it was there already; nothing is counted twice)" : "",
        voided.empty() ? "" : ", voided: not in the figures from version " + voided + " on");
    out +=
        fmt::format("  {}, {}, delimiter {}\n", byte_size(count_at(upload, "bytes")),
                    shown_at(upload, "encoding"),
                    text_at(upload, "delimiter") == "\t" ? "tab" : shown_at(upload, "delimiter"));
    if (const std::string replaces = shown_at(upload, "replaces"); !replaces.empty()) {
        out += fmt::format("  {}\n", correction_text(state, replaces));
    }
    if (was_read_whole(upload)) {
        out += counts_text(upload);
    } else {
        out += text_at(upload, "finished_at").empty()
                   ? fmt::format("  rows and sums: not known yet; roundhouse uploads {}\n", id)
                   : "  rows and sums: not known; it ended before all of it was read\n";
    }
    if (const auto* warnings = upload.if_contains("warnings"); warnings && warnings->is_array()) {
        for (const auto& warning : warnings->get_array()) {
            out +=
                fmt::format("  warning: {}\n",
                            warning.is_object() ? in_flags(shown_at(warning.get_object(), "detail"))
                                                : harmless(text_of(warning)));
        }
    }
    const auto& error = object_at(upload, "error");
    if (!error.empty()) {
        out +=
            fmt::format("  {}: {}\n", shown_at(error, "code"), in_flags(shown_at(error, "detail")));
        if (const std::string trace = shown_at(error, "trace_id"); !trace.empty()) {
            out += fmt::format("  trace_id {}\n", trace);
        }
    }
    const bool kept = state != "checked" || flag_at(upload, "dry_run");  // `check` keeps nothing
    if (count_at(object_at(upload, "rows"), "rejected") != 0 && kept && !id.empty()) {
        out += fmt::format("  refused rows: roundhouse rejects {}\n", id);
    }
    return out;
}

int upload_exit_code(const boost::json::object& upload, bool strict) {
    const std::string state = shown_at(upload, "state");
    if (state == "failed" || state == "refused" || state == "cancelled") {
        return kExitFailure;
    }
    if (find_warning(upload, "would_be_refused") != nullptr) {  // the end of a dry run
        return kExitFailure;
    }
    const bool rejects = count_at(object_at(upload, "rows"), "rejected") != 0;
    return strict && rejects ? kExitRejects : kExitOk;
}

}  // namespace rh::cli
