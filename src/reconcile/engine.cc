#include "reconcile/engine.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "io/child_process.h"
#include "io/file.h"

namespace rh::reconcile {
namespace {

constexpr int kWriteTimeoutMs = 300'000;
constexpr int64_t kEndTimeoutMs = 3'600'000;
constexpr int kCheckMs = 200;

std::unexpected<Error> engine_failed(io::ChildProcess& child, std::string_view problem) {
    std::string said = child.stderr_tail();
    while (!said.empty() && (said.back() == '\n' || said.back() == ' ')) {
        said.pop_back();
    }
    return fail(ErrorKind::internal, "engine_failed",
                fmt::format("The engine that reads the original again {}. It said: {}", problem,
                            said.empty() ? "nothing" : said));
}

}  // namespace

Result<void> run_engine(const EngineQuery& query,
                        const std::function<Result<void>(const Sink&)>& feed,
                        const std::function<Result<void>()>& check) {
    io::SpawnOptions options;
    options.argv = {query.program, "clickhouse", "local"};
    if (!query.libchdb.empty()) {
        options.environment.emplace_back("ROUNDHOUSE_LIBCHDB", query.libchdb);
    }
    // By a file: an argument has at most 128 KiB, and the names of a thousand providers have more.
    const std::string sql_file = query.scratch + "/query.sql";
    RH_ASSIGN(io::File file, io::File::create(sql_file));
    RH_TRY(file.write_all(query.sql));
    RH_TRY(file.close());
    options.argv.insert(options.argv.end(),
                        {"--path", query.scratch, "--queries-file", sql_file, "--max_query_size",
                         std::to_string(query.sql.size() + 1)});
    options.directory = query.scratch;
    options.input = io::ChildStream::pipe;
    RH_ASSIGN(auto child, io::ChildProcess::spawn(options));

    bool closed = false;
    const auto fed = feed([&](std::string_view bytes) -> Result<void> {
        auto written = child.write_all(bytes, kWriteTimeoutMs);
        closed = !written && written.error().code == "child_closed_input";
        return written;
    });
    child.close_input();
    if (!fed && !closed) {
        return fed;
    }
    std::optional<io::ExitStatus> status;
    const int64_t deadline = monotonic_ms() + kEndTimeoutMs;
    while (!status) {
        RH_TRY(check());
        RH_ASSIGN(status, child.wait(kCheckMs));
        if (!status && monotonic_ms() > deadline) {
            return engine_failed(child, "did not end in time");
        }
    }
    if (!status->ok()) {
        return engine_failed(child, "ended with " + io::to_string(*status));
    }
    if (closed) {
        return engine_failed(child, "stopped reading before the end of the file");
    }
    return {};
}

}  // namespace rh::reconcile
