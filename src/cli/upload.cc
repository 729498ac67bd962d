// `roundhouse upload FILE…`: sends files and waits until they are stored.
#include <algorithm>
#include <chrono>
#include <thread>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/row_flags.h"
#include "cli/send_file.h"
#include "cli/upload_report.h"

namespace rh::cli {
namespace {

struct Arguments {
    std::vector<std::string> files;
    RowFlags rows;
    std::string filename;
    PolicyFlags policy;
    std::string allow_duplicate;
    std::string replaces;
    bool dry_run = false;
    bool no_wait = false;
    bool strict = false;
};

constexpr std::chrono::milliseconds kPollFirst{50};
constexpr std::chrono::milliseconds kPollMost{500};
constexpr unsigned kRetryAfterS = 5;               // if the server does not say
constexpr int64_t kBusyMostMs = 10LL * 60 * 1000;  // then it is an error

bool is_final(const boost::json::object& upload) {
    const std::string state = text_at(upload, "state");
    return state != "validating" && state != "publishing" && state != "storing";
}

Query query_of(const Arguments& arguments, const std::string& file) {
    Query query = query_of(arguments.rows);
    query.emplace_back("filename",
                       arguments.filename.empty() ? file_name_of(file) : arguments.filename);
    query.emplace_back("on_error", arguments.policy.on_error);
    query.emplace_back("max_errors", arguments.policy.max_errors);
    query.emplace_back("allow_duplicate", arguments.allow_duplicate);
    query.emplace_back("replaces", arguments.replaces);
    query.emplace_back("dry_run", arguments.dry_run ? "true" : "");
    return query;
}

Result<boost::json::object> send_once(const ApiClient& api, const Arguments& arguments,
                                      const std::string& file, Progress& progress) {
    uint64_t of_bytes = 0;
    RH_ASSIGN(FileBody body, FileBody::open(file, [&](uint64_t bytes) {
                  progress.show("sending", bytes, of_bytes, true);
              }));
    of_bytes = body.bytes().value_or(0);
    progress.show("sending", 0, of_bytes, true);
    io::HttpRequest request;
    request.method = "POST";
    request.target = with_query("/v1/uploads", query_of(arguments, file));
    request.headers.emplace_back("Content-Type", "text/csv");
    body.attach(request);
    return api.send(std::move(request));
}

// A server that has no room at the moment says when to come again; a pipe can't be sent twice.
Result<boost::json::object> send(const ApiClient& api, const Arguments& arguments,
                                 const std::string& file, Progress& progress) {
    const int64_t until = monotonic_ms() + kBusyMostMs;
    while (true) {
        auto sent = send_once(api, arguments, file, progress);
        const bool again = !sent && sent.error().kind == ErrorKind::busy && file != "-";
        if (!again || monotonic_ms() >= until) {
            return sent;
        }
        progress.show("waiting for room", 0, 0, false);
        std::this_thread::sleep_for(
            std::chrono::seconds(sent.error().retry_after_s.value_or(kRetryAfterS)));
    }
}

// The file is safe once it was received, whatever happens to the server or to the way there.
Error lost_sight_of(const std::string& id, Error error) {
    error.message = fmt::format(
        "received as {}, but its end was not seen. {} The upload goes on by itself, also after a "
        "restart of the server; `roundhouse uploads {}` shows it.",
        id, error.message, id);
    return error;
}

void show(Progress& progress, const boost::json::object& upload) {
    const auto& now = object_at(upload, "progress");
    const uint64_t accepted = count_at(object_at(upload, "rows"), "accepted");
    // A full disk, or Kafka or ClickHouse away.
    if (const auto* const waiting = find_warning(upload, "waiting"); waiting != nullptr) {
        progress.show(text_at(*waiting, "detail"), 0, 0, false);
        return;
    }
    const std::string stage = text_at(now, "stage");
    const uint64_t of_bytes = count_at(now, "of_bytes");
    if (stage == "validating" && of_bytes != 0) {
        progress.show(stage, count_at(now, "bytes"), of_bytes, true);
    } else {
        progress.show(stage.empty() ? text_at(upload, "state") : stage, count_at(now, "rows"),
                      accepted, false);
    }
}

Result<boost::json::object> upload_and_wait(const ApiClient& api, const Arguments& arguments,
                                            const std::string& file) {
    Progress progress(file_name_of(file));
    RH_ASSIGN(boost::json::object upload, send(api, arguments, file, progress));
    const bool duplicate = flag_at(upload, "duplicate");
    const std::string id = text_at(upload, "id");
    const std::string target = "/v1/uploads/" + id;
    for (auto pause = kPollFirst; !is_final(upload) && !arguments.no_wait;
         pause = std::min(pause * 3 / 2, kPollMost)) {
        show(progress, upload);
        std::this_thread::sleep_for(pause);
        auto looked = api.get(target);
        if (looked) {
            upload = std::move(*looked);
        } else if (looked.error().kind == ErrorKind::busy) {
            std::this_thread::sleep_for(
                std::chrono::seconds(looked.error().retry_after_s.value_or(kRetryAfterS)));
        } else {
            return std::unexpected(lost_sight_of(id, looked.error()));
        }
    }
    upload["duplicate"] = duplicate;  // only the first answer knows that
    return upload;
}

Result<int> run_uploads(const Arguments& arguments, const Invocation& invocation) {
    if (arguments.files.size() > 1 && !arguments.filename.empty()) {
        return fail(ErrorKind::invalid_request, "usage", "--filename goes with one file only.");
    }
    // The first file would take the other's place, and the rest of the correction be refused.
    if (arguments.files.size() > 1 && !arguments.replaces.empty()) {
        return fail(ErrorKind::invalid_request, "usage",
                    "--replaces goes with one file only. Put all corrected rows into one file, or "
                    "void the upload and send the files without it.");
    }
    RH_ASSIGN(const ApiClient api, open_api(invocation));
    int code = kExitOk;
    for (const std::string& file : arguments.files) {
        const auto upload = upload_and_wait(api, arguments, file);
        if (!upload) {
            Error error = upload.error();
            error.message = fmt::format("{}: {}", shown_path(file), error.message);
            const int failed = report(error, invocation.json, file_name_of(file));
            if (failed == kExitUnreachable) {
                return failed;
            }
            code = code == kExitOk || code == kExitRejects ? failed : code;
            continue;
        }
        RH_TRY(write_out(invocation.json ? json_text(*upload) + "\n" : upload_text(*upload)));
        const int ended = upload_exit_code(*upload, arguments.strict);
        code = ended == kExitFailure || code == kExitOk ? ended : code;
    }
    return code;
}

}  // namespace

void add_upload(CLI::App& program, Invocation& invocation) {
    CLI::App& command =
        add_command(program, invocation, "upload",
                    "Send CSV files and wait until every accepted row is stored.",
                    {"roundhouse upload rounds.csv",
                     "roundhouse upload --strict --on-error abort october-*.csv.gz",
                     "zcat rounds.csv.gz | roundhouse upload --filename rounds.csv -",
                     "roundhouse upload --dry-run --json rounds.csv"});
    auto arguments = std::make_shared<Arguments>();
    command
        .add_option("FILE", arguments->files,
                    "Files (.gz and .zst as they are), or - for standard input")
        ->required();
    add_row_flags(command, arguments->rows);
    command.add_option("--filename", arguments->filename, "Name to give the file");
    add_policy_flags(command, arguments->policy);
    command.add_option("--allow-duplicate", arguments->allow_duplicate,
                       "Count the same file once more, under this label");
    command.add_option("--replaces", arguments->replaces,
                       "Upload that this file corrects: it is voided in the same moment");
    command.add_flag("--dry-run", arguments->dry_run, "Report only; nothing is stored");
    command.add_flag("--no-wait", arguments->no_wait, "Return when the file is received");
    command.add_flag("--strict", arguments->strict, "Exit with 3 if rows were refused");
    add_settings(command, invocation, app::Audience::client);
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] {
            return run_uploads(*arguments, invocation);
        };
    });
}

}  // namespace rh::cli
