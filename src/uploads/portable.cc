#include "uploads/portable.h"

#include <utility>

#include <boost/json.hpp>

#include "model/money.h"
#include "model/row_batch.h"

namespace rh::uploads {
namespace {

namespace json = boost::json;

template <class T>
json::value value_or_null(const std::optional<T>& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

json::object request_object(const Request& request) {
    return {{"filename", request.filename},
            {"encoding", csv::name(request.encoding)},
            {"encoding_detected", request.encoding_detected},
            {"bom", request.bom},
            {"delimiter", std::string(1, request.csv.delimiter)},
            {"timezone_offset_minutes", request.csv.timezone_offset_minutes},
            {"empty_amount_is_reject", request.csv.empty_amount_is_reject},
            {"allow_negative", request.csv.allow_negative},
            {"abort_on_error", request.abort_on_error},
            {"errors_max", value_or_null(request.errors_max)},
            {"label", request.label},
            {"replaces", request.replaces ? json::value(model::to_string(*request.replaces))
                                          : json::value(nullptr)}};
}

// Getters of parts that may be missing or of another type; the first that is makes `good` false.
class Parts {
  public:
    explicit Parts(const json::object& object) : object_(object) {}

    bool good = true;

    const json::value& get(std::string_view key) {
        static const json::value kNone;
        const json::value* found = object_.if_contains(key);
        good = good && found != nullptr;
        return found != nullptr ? *found : kNone;
    }
    std::string text(std::string_view key) {
        const auto* found = get(key).if_string();
        good = good && found != nullptr;
        return found != nullptr ? std::string(*found) : std::string();
    }
    int64_t number(std::string_view key) {
        const auto* found = get(key).if_int64();
        good = good && found != nullptr;
        return found != nullptr ? *found : 0;
    }
    uint64_t count(std::string_view key) {
        const int64_t found = number(key);
        good = good && found >= 0;
        return static_cast<uint64_t>(found);
    }
    bool flag(std::string_view key) {
        const auto* found = get(key).if_bool();
        good = good && found != nullptr;
        return found != nullptr && *found;
    }
    const json::object& object(std::string_view key) {
        static const json::object kNone;
        const auto* found = get(key).if_object();
        good = good && found != nullptr;
        return found != nullptr ? *found : kNone;
    }
    const json::array& array(std::string_view key) {
        static const json::array kNone;
        const auto* found = get(key).if_array();
        good = good && found != nullptr;
        return found != nullptr ? *found : kNone;
    }
    bool is_null(std::string_view key) { return get(key).is_null(); }
    // `value`, which must be there.
    template <class T>
    T insist(std::optional<T> value) {
        good = good && value;
        return value.value_or(T{});
    }

  private:
    const json::object& object_;
};

bool read_request(const json::object& object, Request& request) {
    Parts parts(object);
    request.filename = parts.text("filename");
    request.encoding = parts.insist(csv::parse_encoding(parts.text("encoding")));
    request.encoding_detected = parts.flag("encoding_detected");
    request.bom = parts.flag("bom");
    const std::string delimiter = parts.text("delimiter");
    parts.good = parts.good && delimiter.size() == 1;
    request.csv.delimiter = delimiter.empty() ? ',' : delimiter[0];
    request.csv.timezone_offset_minutes =
        static_cast<int32_t>(parts.number("timezone_offset_minutes"));
    request.csv.empty_amount_is_reject = parts.flag("empty_amount_is_reject");
    request.csv.allow_negative = parts.flag("allow_negative");
    request.abort_on_error = parts.flag("abort_on_error");
    if (!parts.is_null("errors_max")) {
        request.errors_max = parts.count("errors_max");
    }
    request.label = parts.text("label");
    if (!parts.is_null("replaces")) {
        request.replaces = parts.insist(model::parse_upload_id(parts.text("replaces")));
    }
    return parts.good;
}

bool read_lists(Parts& parts, Upload& upload) {
    bool good = true;
    for (const json::value& column : parts.array("ignored_columns")) {
        good = good && column.is_string();
        upload.ignored_columns.emplace_back(column.is_string() ? column.get_string() : "");
    }
    for (const auto& [code, count] : parts.object("faults")) {
        good = good && count.is_int64();
        upload.faults[code] = count.is_int64() ? static_cast<uint64_t>(count.get_int64()) : 0;
    }
    for (const json::value& value : parts.array("warnings")) {
        if (!value.is_object()) {
            return false;
        }
        Parts warning(value.get_object());
        upload.warnings.push_back({.code = warning.text("code"),
                                   .detail = warning.text("detail"),
                                   .count = warning.count("count"),
                                   .upload_id = warning.text("upload_id")});
        good = good && warning.good;
    }
    return good && parts.good;
}

}  // namespace

std::string portable_text(const Upload& upload) {
    json::object object = {{"id", model::to_string(upload.id)},
                           {"state", name(upload.state)},
                           {"request", request_object(upload.request)},
                           {"bytes", upload.bytes},
                           {"sha256", upload.sha256},
                           {"rows_read", upload.rows.read},
                           {"rows_accepted", upload.rows.accepted},
                           {"rows_rejected", upload.rows.rejected},
                           {"rows_blank", upload.rows.blank},
                           {"created_ms_min", upload.created_ms_min},
                           {"created_ms_max", upload.created_ms_max},
                           {"created_at", upload.created_at},
                           {"finished_at", value_or_null(upload.finished_at)},
                           {"error_code", upload.error_code},
                           {"error_message", upload.error_message},
                           {"trace_id", upload.trace_id}};
    for (size_t a = 0; a < model::kAmountNames.size(); ++a) {
        const std::string name(model::kAmountNames[a]);
        object[name] = model::to_string(upload.totals.sums[a]);
        object["empty_" + name] = upload.empty_amounts[a];
    }
    json::array ignored;
    for (const std::string& column : upload.ignored_columns) {
        ignored.emplace_back(column);
    }
    json::object faults;
    for (const auto& [code, count] : upload.faults) {
        faults[code] = count;
    }
    json::array warnings;
    for (const Warning& warning : upload.warnings) {
        warnings.emplace_back(json::object{{"code", warning.code},
                                           {"detail", warning.detail},
                                           {"count", warning.count},
                                           {"upload_id", warning.upload_id}});
    }
    object["ignored_columns"] = std::move(ignored);
    object["faults"] = std::move(faults);
    object["warnings"] = std::move(warnings);
    return json::serialize(object);
}

std::optional<Upload> parse_portable(std::string_view text) {
    boost::system::error_code failed;
    const json::value value = json::parse(text, failed);
    if (failed || !value.is_object()) {
        return std::nullopt;
    }
    Parts parts(value.get_object());
    Upload upload;
    upload.state = parts.insist(parse_state(parts.text("state")));
    upload.id = parts.insist(model::parse_upload_id(parts.text("id")));
    parts.good = read_request(parts.object("request"), upload.request) && parts.good;
    upload.bytes = parts.count("bytes");
    upload.sha256 = parts.text("sha256");
    upload.rows = {.read = parts.count("rows_read"),
                   .accepted = parts.count("rows_accepted"),
                   .rejected = parts.count("rows_rejected"),
                   .blank = parts.count("rows_blank")};
    upload.totals.rows = upload.rows.accepted;
    for (size_t a = 0; a < model::kAmountNames.size(); ++a) {
        const std::string name(model::kAmountNames[a]);
        upload.totals.sums[a] = parts.insist(model::parse_money_sum(parts.text(name)));
        upload.empty_amounts[a] = parts.count("empty_" + name);
    }
    upload.created_ms_min = parts.number("created_ms_min");
    upload.created_ms_max = parts.number("created_ms_max");
    upload.created_at = parts.number("created_at");
    if (!parts.is_null("finished_at")) {
        upload.finished_at = parts.number("finished_at");
    }
    upload.error_code = parts.text("error_code");
    upload.error_message = parts.text("error_message");
    upload.trace_id = parts.text("trace_id");
    const bool has_lists = read_lists(parts, upload);
    return has_lists && parts.good ? std::optional(std::move(upload)) : std::nullopt;
}

}  // namespace rh::uploads
