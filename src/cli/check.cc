// `roundhouse check FILE…`: the validation and the report of an upload, without any server.
#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "api/upload_json.h"
#include "base/harmless.h"
#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/judged_file.h"
#include "cli/output.h"
#include "cli/send_file.h"
#include "cli/text.h"
#include "cli/upload_report.h"

namespace rh::cli {
namespace {

struct Arguments {
    std::vector<std::string> files;
    RowFlags rows;
    PolicyFlags policy;
    uint64_t show = 20;
    bool strict = false;
};

class FirstRejects final : public csv::Consumer {
  public:
    explicit FirstRejects(uint64_t most) : most_(most) {}
    Result<void> on_rows(model::RowBatch&) override { return {}; }
    Result<void> on_rejects(std::span<const model::Reject> rejects) override {
        for (const auto& reject : rejects) {
            if (rejects_.size() < most_) {
                rejects_.push_back(reject);
            }
        }
        return {};
    }
    const std::vector<model::Reject>& rejects() const { return rejects_; }

  private:
    uint64_t most_;
    std::vector<model::Reject> rejects_;
};

std::string_view column_of(const model::Fault& fault) {
    return fault.column < 0 ? "row" : model::kColumnNames[static_cast<size_t>(fault.column)];
}

boost::json::array rejects_json(const std::vector<model::Reject>& rejects) {
    boost::json::array out;
    for (const auto& reject : rejects) {
        boost::json::array faults;
        for (const auto& fault : reject.faults) {
            boost::json::object one;
            one["column"] = fault.column < 0 ? boost::json::value(nullptr)
                                             : boost::json::value(column_of(fault));
            one["code"] = model::name(fault.code);
            one["value"] = fault.value;
            one["detail"] = fault.detail;
            faults.push_back(std::move(one));
        }
        out.push_back(boost::json::object{
            {"line", reject.line}, {"row", reject.row}, {"faults", std::move(faults)}});
    }
    return out;
}

// The API's upload, with the first rejects in it.
boost::json::object report_json(const uploads::Upload& upload,
                                const std::vector<model::Reject>& rejects) {
    boost::json::object out =
        boost::json::parse(api::upload_json(upload, std::nullopt, false)).as_object();
    out["rejects"] = rejects_json(rejects);
    return out;
}

std::string rejects_text(const std::vector<model::Reject>& rejects, uint64_t of) {
    std::string out;
    for (const auto& reject : rejects) {
        const std::string lines = reject.line_last > reject.line
                                      ? fmt::format("lines {} to {}", reject.line, reject.line_last)
                                      : fmt::format("line {}", reject.line);
        for (const auto& fault : reject.faults) {
            out += fmt::format("  {}: {}: {}: {}\n", lines, column_of(fault),
                               model::name(fault.code), harmless(in_flags(fault.detail)));
        }
    }
    if (of > rejects.size()) {
        out += fmt::format("  … and {} more; --show N prints more of them\n",
                           with_commas(of - rejects.size()));
    }
    return out;
}

Result<int> check_file(const std::string& path, const Arguments& arguments, bool json) {
    RH_ASSIGN(JudgedFile file, JudgedFile::open(path, arguments.rows, arguments.policy));
    FirstRejects rejects(arguments.show);
    RH_TRY(file.read(rejects));
    const auto report = report_json(file.upload(), rejects.rejects());
    if (json) {
        RH_TRY(write_out(json_text(report) + "\n"));
    } else {
        RH_TRY(write_out(upload_text(report) +
                         rejects_text(rejects.rejects(), file.upload().rows.rejected)));
    }
    return upload_exit_code(report, arguments.strict);
}

Result<int> check(const Arguments& arguments, bool json) {
    int code = kExitOk;
    for (const std::string& path : arguments.files) {
        auto checked = check_file(path, arguments, json);
        if (!checked) {
            if (checked.error().code == "output_closed" || checked.error().code == "usage") {
                return checked;
            }
            Error error = checked.error();
            error.message = in_flags(std::move(error.message));
            if (json) {
                const boost::json::object failed = {
                    {"filename", file_name_of(path)},
                    {"state", "failed"},
                    {"error", boost::json::parse(problem_json(error))}};
                RH_TRY(write_out(json_text(failed) + "\n"));
            }
            error.message = fmt::format("{}: {}", shown_path(path), error.message);
            const int failed = report(error, false);
            code = code == kExitOk || code == kExitRejects ? failed : code;
            continue;
        }
        code = code == kExitOk || (code == kExitRejects && *checked != kExitOk) ? *checked : code;
    }
    return code;
}

}  // namespace

void add_check(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "check",
        "Validate CSV files as an upload would, and report, without any server.",
        {"roundhouse check rounds.csv", "roundhouse check --strict --json october-*.csv.gz",
         "zcat rounds.csv.gz | roundhouse check -"});
    auto arguments = std::make_shared<Arguments>();
    command
        .add_option("FILE", arguments->files,
                    "Files (.gz and .zst as they are), or - for standard input")
        ->required();
    add_row_flags(command, arguments->rows);
    add_policy_flags(command, arguments->policy);
    command.add_option("--show", arguments->show, "How many refused rows to print")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    command.add_flag("--strict", arguments->strict, "Exit with 3 if rows were refused");
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] { return check(*arguments, invocation.json); };
    });
}

}  // namespace rh::cli
