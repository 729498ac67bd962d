#include "api/upload_json.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/utf8.h"
#include "csv/encoding.h"
#include "http/problem.h"
#include "http/text.h"
#include "model/money.h"
#include "model/row_batch.h"
#include "model/timestamp.h"
#include "model/upload_id.h"

namespace rh::api {
namespace {

namespace json = boost::json;
using uploads::State;
using uploads::Upload;

json::value time_or_null(std::optional<int64_t> ms) {
    return ms ? json::value(model::format_rfc3339(*ms)) : json::value(nullptr);
}

template <class T>
json::value value_or_null(const std::optional<T>& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

json::value text_or_null(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(to_valid_utf8(text));
}

json::object rows_of(const Upload& upload) {
    return {{"read", upload.rows.read},
            {"accepted", upload.rows.accepted},
            {"rejected", upload.rows.rejected},
            {"blank", upload.rows.blank}};
}

json::object totals_of(const Upload& upload) {
    json::object totals;
    for (size_t i = 0; i < model::kAmountNames.size(); ++i) {
        totals[model::kAmountNames[i]] = model::to_string(upload.totals.sums[i]);
    }
    return totals;
}

json::object empty_amounts_of(const Upload& upload) {
    json::object counts;
    for (size_t i = 0; i < model::kAmountNames.size(); ++i) {
        counts[model::kAmountNames[i]] = upload.empty_amounts[i];
    }
    return counts;
}

json::object progress_of(const Upload& upload,
                         const std::optional<uploads::ProgressBoard::Change>& change) {
    if (change && !uploads::is_final(upload.state)) {
        return {{"stage", change->progress.stage},
                {"rows", change->progress.rows},
                {"bytes", change->progress.bytes},
                {"of_bytes", change->progress.of_bytes}};
    }
    const bool ended = uploads::is_final(upload.state);
    return {{"stage", uploads::name(upload.state)},
            {"rows", upload.rows.read},
            {"bytes", ended ? upload.bytes : 0},
            {"of_bytes", upload.bytes}};
}

// Rows that each stage has finished with; null while it has not. A stage that ended has the count
// of the one before it, or the upload would have failed.
json::object stages_of(const Upload& upload) {
    const auto accepted = [&](bool reached) {
        return reached ? json::value(upload.rows.accepted) : json::value(nullptr);
    };
    const bool judged = upload.state != State::validating && upload.rows.read > 0;
    const bool logged = upload.state == State::storing || upload.state == State::stored;
    return {{"accepted", accepted(judged)},
            {"published", accepted(logged)},
            {"stored", accepted(upload.state == State::stored)}};
}

json::object options_of(const uploads::Request& request) {
    return {{"encoding_detected", request.encoding_detected},
            {"bom", request.bom},
            {"timezone", uploads::timezone_text(request.csv.timezone_offset_minutes)},
            {"empty_amount", request.csv.empty_amount_is_reject ? "reject" : "zero"},
            {"allow_negative", request.csv.allow_negative},
            {"on_error", request.abort_on_error ? "abort" : "quarantine"},
            {"max_errors", value_or_null(request.errors_max)}};
}

json::array errors_of(std::span<const uploads::StoredReject> rejects) {
    json::array errors;
    for (const auto& [line, reject] : rejects) {
        for (const model::Fault& fault : reject.faults) {
            if (errors.size() == kErrorsShownMax) {
                return errors;
            }
            errors.emplace_back(json::object{
                {"code", model::name(fault.code)},
                {"line", reject.line},
                {"column",
                 fault.column < 0
                     ? json::value(nullptr)
                     : json::value(model::kColumnNames[static_cast<size_t>(fault.column)])},
                {"value", fault.value},
                {"detail", fault.detail}});
        }
    }
    return errors;
}

// Of a problem that an upload ended with.
int status_of_end(const Upload& upload) {
    if (upload.state == State::refused) {
        return 422;
    }
    return upload.error_code == "not_replaceable" ? 409 : 500;
}

json::value error_of(const Upload& upload, std::span<const uploads::StoredReject> rejects) {
    if (upload.error_code.empty()) {
        return nullptr;
    }
    const std::string path = fmt::format("/v1/uploads/{}", model::to_string(upload.id));
    json::object error{{"type", fmt::format("/problems/{}", upload.error_code)},
                       {"title", http::title_of(upload.error_code)},
                       {"status", status_of_end(upload)},
                       {"detail", to_valid_utf8(upload.error_message)},
                       {"instance", path},
                       {"code", upload.error_code},
                       {"trace_id", upload.trace_id}};
    if (!rejects.empty()) {
        error["errors"] = errors_of(rejects);
        error["rejects"] = path + "/rejects";
    }
    return error;
}

json::array warnings_of(const Upload& upload) {
    json::array warnings;
    for (const uploads::Warning& warning : upload.warnings) {
        warnings.emplace_back(json::object{{"code", warning.code},
                                           {"detail", to_valid_utf8(warning.detail)},
                                           {"count", warning.count},
                                           {"upload_id", text_or_null(warning.upload_id)}});
    }
    return warnings;
}

}  // namespace

std::string upload_json(const Upload& upload,
                        const std::optional<uploads::ProgressBoard::Change>& change, bool duplicate,
                        std::span<const uploads::StoredReject> rejects) {
    const uploads::Request& request = upload.request;
    json::object faults;
    for (const auto& [code, count] : upload.faults) {
        faults[code] = count;
    }
    json::array ignored;
    for (const std::string& column : upload.ignored_columns) {
        ignored.emplace_back(to_valid_utf8(column));
    }
    const bool has_times = upload.created_ms_min != 0 || upload.created_ms_max != 0;
    json::object object{
        {"id", model::to_string(upload.id)},
        {"state", uploads::name(upload.state)},
        {"filename", to_valid_utf8(request.filename)},
        {"bytes", upload.bytes},
        {"sha256", upload.sha256},
        {"encoding", csv::name(request.encoding)},
        {"delimiter", std::string(1, request.csv.delimiter)},
        {"rows", rows_of(upload)},
        {"totals", totals_of(upload)},
        {"empty_amounts", empty_amounts_of(upload)},
        {"duplicate", duplicate},
        {"progress", progress_of(upload, change)},
        {"stages", stages_of(upload)},
        {"created_at", model::format_rfc3339(upload.created_at)},
        {"finished_at", time_or_null(upload.finished_at)},
        {"error", error_of(upload, rejects)},
        {"warnings", warnings_of(upload)},
        {"faults", std::move(faults)},
        {"ignored_columns", std::move(ignored)},
        {"first_round_at",
         has_times ? json::value(model::format_rfc3339(upload.created_ms_min)) : nullptr},
        {"last_round_at",
         has_times ? json::value(model::format_rfc3339(upload.created_ms_max)) : nullptr},
        {"held_by", text_or_null(upload.held_by)},
        {"stored_version", value_or_null(upload.stored_version)},
        {"voided_version", value_or_null(upload.voided_version)},
        {"label", text_or_null(request.label)},
        {"replaces", request.replaces ? json::value(model::to_string(*request.replaces)) : nullptr},
        {"dry_run", request.dry_run},
        {"options", options_of(request)}};
    return json::serialize(object);
}

}  // namespace rh::api
