#include "reconcile/record.h"

#include <array>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/utf8.h"
#include "model/money.h"
#include "model/timestamp.h"

namespace rh::reconcile {
namespace {

namespace json = boost::json;

json::object totals_json(const model::Totals& totals) {
    json::object object;
    object["rows"] = totals.rows;
    for (size_t i = 0; i < totals.sums.size(); ++i) {
        object[model::kAmountNames[i]] = model::to_string(totals.sums[i]);
    }
    return object;
}

json::value time_json(std::optional<int64_t> ms) {
    return ms ? json::value(model::format_rfc3339(*ms)) : json::value(nullptr);
}

json::object scope_json(const Scope& scope) {
    json::object object;
    object["from"] = time_json(scope.from_ms);
    object["to"] = time_json(scope.to_ms);
    json::array games;
    for (const uint64_t game : scope.games) {
        games.emplace_back(std::to_string(game));
    }
    object["game_id"] = std::move(games);
    json::array providers;
    for (const auto& provider : scope.providers) {
        providers.emplace_back(provider);
    }
    object["provider"] = std::move(providers);
    return object;
}

std::string_view name(RunState state) {
    switch (state) {
        case RunState::running:
            return "running";
        case RunState::done:
            return "done";
        case RunState::failed:
            return "failed";
    }
    return "";
}

json::object public_json(const Reconciliation& r) {
    json::object object;
    const bool done = r.state == RunState::done;
    object["id"] = r.id;
    object["upload_id"] =
        r.upload_id ? json::value(model::to_string(*r.upload_id)) : json::value(nullptr);
    object["state"] = name(r.state);
    object["verdict"] = done ? json::value(r.matched ? "matched" : "mismatched") : json::value();
    object["totals"] = done ? json::value(json::object{{"original", totals_json(r.original)},
                                                       {"stored", totals_json(r.stored)},
                                                       {"aggregated", totals_json(r.aggregated)}})
                            : json::value();
    object["rows"] = json::object{{"read", r.rows.read},
                                  {"accepted", r.rows.accepted},
                                  {"rejected", r.rows.rejected},
                                  {"blank", r.rows.blank}};
    object["discrepancies"] = r.discrepancies;
    object["created_at"] = time_json(r.created_at);
    object["finished_at"] = time_json(r.finished_at);
    object["version"] = r.version;
    if (r.statement) {
        object["filename"] = r.statement->filename;
        object["scope"] = scope_json(r.scope);
    }
    json::array warnings;
    for (const Warning& warning : r.warnings) {
        warnings.push_back(json::object{
            {"code", warning.code}, {"detail", warning.detail}, {"count", warning.count}});
    }
    object["warnings"] = std::move(warnings);
    json::array examples;
    for (const RejectedRow& row : r.rejected_examples) {
        examples.push_back(json::object{{"row", row.row}, {"detail", row.detail}});
    }
    object["rejected_examples"] = std::move(examples);
    if (r.state == RunState::failed) {
        object["error"] = json::object{{"type", "/problems/" + r.error_code},
                                       {"code", r.error_code},
                                       {"detail", r.error_message}};
    } else {
        object["error"] = nullptr;
    }
    return object;
}

// Reads what public_json and to_record wrote; json's exceptions are caught by parse_record.
model::Totals totals_from(const json::value& value) {
    const auto& object = value.as_object();
    model::Totals totals;
    totals.rows = object.at("rows").to_number<uint64_t>();
    for (size_t i = 0; i < totals.sums.size(); ++i) {
        const auto sum = model::parse_money_sum(object.at(model::kAmountNames[i]).as_string());
        totals.sums[i] = sum.value_or(model::MoneySum{});
    }
    return totals;
}

std::optional<int64_t> time_from(const json::value& value) {
    return value.is_null() ? std::nullopt : model::parse_rfc3339(value.as_string());
}

std::string text_from(const json::value& value) { return std::string(value.as_string()); }

void read_statement(const json::object& object, Reconciliation& r) {
    StatementOptions options;
    options.filename = text_from(object.at("filename"));
    const auto& hidden = object.at("statement").as_object();
    options.charset = parse_charset(hidden.at("encoding").as_string());
    const auto delimiter = text_from(hidden.at("delimiter"));
    options.delimiter = delimiter.empty() ? std::nullopt : std::optional(delimiter[0]);
    options.timezone_offset_minutes = hidden.at("timezone_minutes").to_number<int32_t>();
    options.allow_negative = hidden.at("allow_negative").as_bool();
    options.empty_amount_is_invalid = hidden.at("empty_amount_is_invalid").as_bool();
    r.statement = std::move(options);
    const auto& scope = object.at("scope").as_object();
    r.scope.from_ms = time_from(scope.at("from"));
    r.scope.to_ms = time_from(scope.at("to"));
    for (const auto& game : scope.at("game_id").as_array()) {
        r.scope.games.push_back(std::stoull(text_from(game)));
    }
    for (const auto& provider : scope.at("provider").as_array()) {
        r.scope.providers.push_back(text_from(provider));
    }
}

Reconciliation read_record(const json::object& object) {
    Reconciliation r;
    r.id = text_from(object.at("id"));
    if (!object.at("upload_id").is_null()) {
        r.upload_id = model::parse_upload_id(object.at("upload_id").as_string());
    }
    if (object.contains("statement")) {
        read_statement(object, r);
    }
    const auto state = text_from(object.at("state"));
    r.state = state == "done"      ? RunState::done
              : state == "running" ? RunState::running
                                   : RunState::failed;
    if (r.state == RunState::done) {
        r.matched = object.at("verdict").as_string() == "matched";
        const auto& totals = object.at("totals").as_object();
        r.original = totals_from(totals.at("original"));
        r.stored = totals_from(totals.at("stored"));
        r.aggregated = totals_from(totals.at("aggregated"));
    }
    const auto& rows = object.at("rows").as_object();
    r.rows.read = rows.at("read").to_number<uint64_t>();
    r.rows.accepted = rows.at("accepted").to_number<uint64_t>();
    r.rows.rejected = rows.at("rejected").to_number<uint64_t>();
    r.rows.blank = rows.at("blank").to_number<uint64_t>();
    r.discrepancies = object.at("discrepancies").to_number<uint64_t>();
    r.version = object.at("version").to_number<uint64_t>();
    for (const auto& warning : object.at("warnings").as_array()) {
        r.warnings.push_back({text_from(warning.at("code")), text_from(warning.at("detail")),
                              warning.at("count").to_number<uint64_t>()});
    }
    for (const auto& row : object.at("rejected_examples").as_array()) {
        r.rejected_examples.push_back(
            {row.at("row").to_number<uint64_t>(), text_from(row.at("detail"))});
    }
    if (const auto& error = object.at("error"); !error.is_null()) {
        r.error_code = text_from(error.at("code"));
        r.error_message = text_from(error.at("detail"));
    }
    r.created_at = time_from(object.at("created_at")).value_or(0);
    r.finished_at = time_from(object.at("finished_at"));
    return r;
}

// A statement's values may be any bytes, and JSON is UTF-8 only.
std::string text_of(const json::object& object) { return to_valid_utf8(json::serialize(object)); }

}  // namespace

std::string to_json(const Reconciliation& reconciliation) {
    return text_of(public_json(reconciliation));
}

std::string to_record(const Reconciliation& reconciliation) {
    json::object object = public_json(reconciliation);
    if (reconciliation.statement) {
        const StatementOptions& options = *reconciliation.statement;
        object["statement"] = json::object{
            {"encoding", options.charset ? name(*options.charset) : std::string_view()},
            {"delimiter", options.delimiter ? std::string(1, *options.delimiter) : std::string()},
            {"timezone_minutes", options.timezone_offset_minutes},
            {"allow_negative", options.allow_negative},
            {"empty_amount_is_invalid", options.empty_amount_is_invalid}};
    }
    return text_of(object);
}

Result<Reconciliation> parse_record(std::string_view text) {
    try {
        return read_record(json::parse(to_valid_utf8(text)).as_object());
    } catch (const std::exception&) {  // its text names places in a library's source
        return fail(ErrorKind::internal, "record_damaged",
                    "The record.json of this reconciliation is damaged, so its verdict is lost. "
                    "Reconcile again; its directory in reconciliations/ can be removed.");
    }
}

std::string new_id() {
    std::array<uint8_t, 16> bytes{};
    RH_ASSERT(::getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0F) | 0x40);
    bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3F) | 0x80);
    return model::to_string(model::UploadId{bytes});
}

bool is_id(std::string_view text) {
    const auto parsed = model::parse_upload_id(text);
    return parsed && model::to_string(*parsed) == text;
}

}  // namespace rh::reconcile
