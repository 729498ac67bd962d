#include "publish/outcome.h"

#include <fmt/format.h>

#include "base/plural.h"
#include "csv/utf8.h"

namespace rh::publish {

void write_report(const Validated& validated, uploads::Upload& upload) {
    const csv::Report& report = validated.report;
    upload.rows = report.rows;
    upload.totals = report.totals;
    upload.empty_amounts = report.empty_amounts;
    upload.ignored_columns.clear();
    for (const std::string& column : report.ignored_columns) {
        upload.ignored_columns.push_back(csv::printable_name(column));
    }
    upload.faults.clear();
    for (const auto& [code, count] : report.faults) {
        upload.faults[std::string(model::name(code))] = count;
    }
    const bool any = report.rows.accepted > 0;
    upload.created_ms_min = any ? report.created_ms_min : 0;
    upload.created_ms_max = any ? report.created_ms_max : 0;
    upload.warnings.clear();
    if (report.ends_in_line) {
        upload.warnings.push_back(
            {.code = "no_final_line_end",
             .detail = fmt::format("The last line has no line end. If the file was cut off there, "
                                   "rows are missing, and the last one may lack digits: compare "
                                   "the {} with what the sender counts.",
                                   counted(report.rows.read, "row")),
             .count = 1,
             .upload_id = ""});
    }
    if (const auto& duplicates = validated.duplicates; duplicates.ids > 0) {
        upload.warnings.push_back(
            {.code = "duplicate_game_instance_id",
             .detail =
                 fmt::format("The file has {} more than once ({} beyond the first), for example "
                             "{}. All of the rows are counted.",
                             counted(duplicates.ids, "game_instance_id"),
                             counted(duplicates.repeats, "row"), duplicates.smallest.value_or(0)),
             .count = duplicates.ids,
             .upload_id = ""});
    }
}

uploads::Warning would_be_refused(const Refusal& refusal, const model::RowCounts& rows) {
    return {.code = "would_be_refused",
            .detail = fmt::format("{}: {}", refusal.code, refusal.message()),
            .count = rows.rejected,
            .upload_id = ""};
}

uploads::Warning overlaps_unknown(std::string_view reason) {
    return {.code = "overlaps_unknown",
            .detail = fmt::format("Stored uploads with rows in the same games and hours were not "
                                  "looked for: {} They are when the file is stored.",
                                  reason),
            .count = 1,
            .upload_id = ""};
}

uint64_t rejects_max(const uploads::Request& request) {
    return request.abort_on_error ? 0 : request.errors_max.value_or(UINT64_MAX);
}

std::string Refusal::message() const {
    return reason +
           " Nothing was published. The list of rejects says why; correct the rows and send the "
           "file again.";
}

Refusal judge_by_policy(const uploads::Request& request, const model::RowCounts& rows) {
    if (rows.rejected > rejects_max(request)) {
        const bool abort = request.abort_on_error;
        return {.code = abort ? "rejects_found" : "too_many_rejects",
                .reason = fmt::format("{} of {} {} refused, and {}.", rows.rejected,
                                      counted(rows.read, "row"), rows.rejected == 1 ? "is" : "are",
                                      abort ? std::string("on_error=abort bears none")
                                            : fmt::format("max_errors={} bears no more",
                                                          request.errors_max.value_or(0)))};
    }
    if (rows.accepted == 0) {
        return {.code = "no_accepted_rows",
                .reason = fmt::format("Of {}, none is accepted, so nothing is left to store.",
                                      counted(rows.read, "row"))};
    }
    return {};
}

}  // namespace rh::publish
