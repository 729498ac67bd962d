// `roundhouse reconcile FILE_OR_ID`: is what is served what was uploaded, or what a provider
// states?
#include <chrono>
#include <optional>
#include <thread>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/row_flags.h"
#include "cli/rows.h"
#include "cli/send_file.h"
#include "cli/text.h"
#include "model/row_batch.h"
#include "model/upload_id.h"

namespace rh::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{200};
constexpr std::array<std::string_view, 3> kSides = {"original", "stored", "aggregated"};

struct Arguments {
    std::string what;
    RowFlags rows;
    std::string from, to;
    std::vector<std::string> game_ids, providers;
    uint64_t show = 20;
    bool strict = false;
};

// A file of that name would be a statement.
std::optional<model::UploadId> upload_of(const Arguments& arguments) {
    return io::exists(arguments.what) ? std::nullopt : model::parse_upload_id(arguments.what);
}

Result<void> check_arguments(const Arguments& arguments, bool is_upload) {
    const auto& [encoding, delimiter, timezone, empty_amount, allow_negative] = arguments.rows;
    const bool scoped = !arguments.from.empty() || !arguments.to.empty() ||
                        !arguments.game_ids.empty() || !arguments.providers.empty();
    const bool read_as = !encoding.empty() || !delimiter.empty() || !timezone.empty() ||
                         !empty_amount.empty() || allow_negative;
    if (is_upload && (scoped || read_as)) {
        return fail(ErrorKind::invalid_request, "usage",
                    fmt::format("An upload is reconciled whole, and read as when it came: {} "
                                "belong to a statement's file.",
                                scoped ? "--from, --to, --game-id and --provider"
                                       : "the flags that say how rows are read"));
    }
    const std::string& what = arguments.what;
    if (!is_upload && what != "-" && !io::exists(what)) {
        return fail(ErrorKind::not_found, "file_not_found",
                    fmt::format("There is no file {}, and it is no whole id of an upload. "
                                "`roundhouse uploads` lists the ids.",
                                what));
    }
    return {};
}

Result<boost::json::object> begin(const ApiClient& api, const Arguments& arguments,
                                  Progress& progress) {
    io::HttpRequest request;
    request.method = "POST";
    const auto id = upload_of(arguments);
    RH_TRY(check_arguments(arguments, id.has_value()));
    if (id) {
        const std::string body = fmt::format(R"({{"upload_id":"{}"}})", model::to_string(*id));
        const std::string_view piece = body;
        request.target = "/v1/reconciliations";
        request.headers.emplace_back("Content-Type", "application/json");
        request.body = std::span(&piece, 1);
        return api.send(std::move(request));
    }
    Query query = query_of(arguments.rows);
    query.emplace_back("filename", file_name_of(arguments.what));
    query.emplace_back("from", arguments.from);
    query.emplace_back("to", arguments.to);
    for (const auto& game : arguments.game_ids) {
        query.emplace_back("game_id", game);
    }
    for (const auto& provider : arguments.providers) {
        query.emplace_back("provider", provider);
    }
    uint64_t of_bytes = 0;
    RH_ASSIGN(FileBody body, FileBody::open(arguments.what, [&](uint64_t bytes) {
                  progress.show("sending", bytes, of_bytes, true);
              }));
    of_bytes = body.bytes().value_or(0);
    request.target = with_query("/v1/reconciliations", query);
    request.headers.emplace_back("Content-Type", "text/csv");
    body.attach(request);
    return api.send(std::move(request));
}

Result<boost::json::object> wait(const ApiClient& api, const Arguments& arguments) {
    Progress progress(file_name_of(arguments.what));
    RH_ASSIGN(boost::json::object reconciliation, begin(api, arguments, progress));
    const std::string target = "/v1/reconciliations/" + text_at(reconciliation, "id");
    while (text_at(reconciliation, "state") == "running") {
        progress.show("comparing", 0, 0, false);
        std::this_thread::sleep_for(kPoll);
        RH_ASSIGN(reconciliation, api.get(target));
    }
    return reconciliation;
}

// Rows that were refused: of an upload, or of a statement, which are then not compared.
uint64_t rejected_rows(const boost::json::object& reconciliation) {
    return count_at(object_at(reconciliation, "rows"), "rejected");
}

// Says of what was compared that it agrees, and of nothing else.
std::string matched_text(const boost::json::object& reconciliation) {
    if (find_warning(reconciliation, "upload_voided") != nullptr) {
        return "matched: every row is kept exactly once; the upload is voided, so none is in the "
               "figures\n";
    }
    const uint64_t rejected = rejected_rows(reconciliation);
    const auto* const warning = find_warning(reconciliation, "rows_out_of_scope");
    const uint64_t outside = warning != nullptr ? count_at(*warning, "count") : 0;
    if (rejected + outside == 0) {
        return "matched: every row is counted exactly once\n";
    }
    if (!text_at(reconciliation, "upload_id").empty()) {
        return "matched: every accepted row is counted exactly once\n";
    }
    std::string reasons = rejected > 0 ? with_commas(rejected) + " not valid" : "";
    if (outside > 0) {
        reasons +=
            fmt::format("{}{} out of scope", reasons.empty() ? "" : ", ", with_commas(outside));
    }
    return fmt::format(
        "matched, but {} of the statement {} not compared ({}); every other row is "
        "counted exactly once\n",
        counted(rejected + outside, "row"), rejected + outside == 1 ? "was" : "were", reasons);
}

std::string examples_text(const boost::json::object& reconciliation) {
    std::string out;
    if (const auto* examples = reconciliation.if_contains("rejected_examples");
        examples != nullptr && examples->is_array()) {
        for (const auto& example : examples->get_array()) {
            out += fmt::format("  row {}: {}\n", text_at(example.as_object(), "row"),
                               text_at(example.as_object(), "detail"));
        }
    }
    return out;
}

std::string totals_text(const boost::json::object& reconciliation) {
    const auto& totals = object_at(reconciliation, "totals");
    const auto& rows = object_at(reconciliation, "rows");
    std::string out =
        fmt::format("{:<18}{:>24}{:>24}{:>24}\n", "", kSides[0], kSides[1], kSides[2]);
    const auto add = [&](std::string_view name) {
        out += fmt::format("{:<18}", name);
        for (const auto side : kSides) {
            out += aligned_amount(text_at(object_at(totals, side), name), 24);
        }
        out += '\n';
    };
    add("rows");
    for (const auto amount : model::kAmountNames) {
        add(amount);
    }
    if (!rows.empty()) {
        out += fmt::format(
            "rows: {} read = {} accepted + {} rejected; {}\n", with_commas(count_at(rows, "read")),
            with_commas(count_at(rows, "accepted")), with_commas(count_at(rows, "rejected")),
            counted(count_at(rows, "blank"), "blank line"));
    }
    for (const auto* const warning : warnings_of(reconciliation)) {
        out += fmt::format("warning: {}\n", in_flags(text_at(*warning, "detail")));
    }
    return out + examples_text(reconciliation) +
           fmt::format("reconciliation {} at version {}\n", text_at(reconciliation, "id"),
                       text_at(reconciliation, "version"));
}

// "3 rounds 1.5/0/0.3/0", or "-" for a side that has nothing.
std::string side_text(const boost::json::object& side) {
    if (side.empty()) {
        return "-";
    }
    std::string amounts;
    for (const auto amount : model::kAmountNames) {
        amounts += (amounts.empty() ? "" : "/") + text_at(side, amount);
    }
    return fmt::format("{} {}", counted(count_at(side, "rounds"), "round"), amounts);
}

Result<void> print_discrepancies(const ApiClient& api, const Arguments& arguments,
                                 const boost::json::object& reconciliation) {
    const uint64_t of = count_at(reconciliation, "discrepancies");
    const std::string path =
        fmt::format("/v1/reconciliations/{}/discrepancies", text_at(reconciliation, "id"));
    if (of == 0) {
        return {};  // the balance differs, or the totals
    }
    RH_ASSIGN(const auto page,
              api.get(with_query(path, {{"limit", std::to_string(arguments.show)}})));
    const auto* data = page.if_contains("data");
    if (data == nullptr || !data->is_array()) {
        return {};
    }
    RH_TRY(write_out("figures: rounds, then real bet / bonus bet / real win / bonus win\n"));
    RowPrinter printer(RowFormat::table, {"player_id", "game_id", "hour", "class", "other_hour",
                                          "table", "original", "stored", "aggregated"});
    std::vector<Cells> rows;
    for (const auto& item : data->get_array()) {
        const auto& one = item.get_object();
        Cells cells = {text_at(one, "player_id"),  text_at(one, "game_id"),
                       text_at(one, "hour"),       text_at(one, "class"),
                       text_at(one, "other_hour"), text_at(one, "table")};
        for (const auto side : kSides) {
            cells.push_back(side_text(object_at(one, side)));
        }
        rows.push_back(std::move(cells));
    }
    RH_TRY(printer.print(rows));
    if (of > rows.size()) {
        RH_TRY(
            write_out(fmt::format("… and {} more; --show N prints more of them, and GET {} has "
                                  "all\n",
                                  with_commas(of - rows.size()), path)));
    }
    return {};
}

Result<int> reconcile(const Arguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(const app::Resolved settings, invocation.settings());
    RH_ASSIGN(const ApiClient api, ApiClient::open(settings.config));
    RH_ASSIGN(const boost::json::object reconciliation, wait(api, arguments));
    const std::string verdict = text_at(reconciliation, "verdict");
    const bool done = text_at(reconciliation, "state") == "done";
    if (invocation.json) {
        RH_TRY(write_out(boost::json::serialize(reconciliation) + "\n"));
    } else {
        if (done) {
            RH_TRY(write_out(totals_text(reconciliation)));
        }
        if (!done) {
            const auto& error = object_at(reconciliation, "error");
            say(error.empty() ? "The reconciliation failed; it says nothing about the figures."
                              : in_flags(text_at(error, "detail")));
        } else if (verdict == "matched") {
            RH_TRY(write_out(matched_text(reconciliation)));
        } else {
            RH_TRY(write_out(
                fmt::format("{}: {}\n", verdict,
                            counted(count_at(reconciliation, "discrepancies"), "discrepancy"))));
            RH_TRY(print_discrepancies(api, arguments, reconciliation));
        }
    }
    if (!done) {
        return kExitFailure;
    }
    if (verdict != "matched") {
        return kExitMismatch;
    }
    return arguments.strict && rejected_rows(reconciliation) > 0 ? kExitRejects : kExitOk;
}

}  // namespace

void add_reconcile(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "reconcile",
        "Compare an upload, or a provider's CSV statement, with what is stored and served.",
        {"roundhouse reconcile ID",
         "roundhouse reconcile statement.csv --from 2019-10-01 --to 2019-11-01 --provider \"Play'n "
         "GO\"",
         "roundhouse reconcile --strict --json statement.csv"});
    auto arguments = std::make_shared<Arguments>();
    command.add_option("what", arguments->what, "Id of an upload, or a CSV file")->required();
    command.add_option("--from", arguments->from, "Scope of a statement: from this time on");
    command.add_option("--to", arguments->to, "Scope of a statement: up to this time");
    command.add_option("--game-id", arguments->game_ids, "Scope of a statement: this game")
        ->allow_extra_args(false);
    command.add_option("--provider", arguments->providers, "Scope of a statement: this provider")
        ->allow_extra_args(false);
    command.add_option("--show", arguments->show, "How many discrepancies to print")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000));
    command.add_flag("--strict", arguments->strict,
                     "Exit with 3 if all that was compared matched, but rows were refused");
    add_row_flags(command, arguments->rows);
    add_settings(command, invocation, app::Audience::client);
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] { return reconcile(*arguments, invocation); };
    });
}

}  // namespace rh::cli
