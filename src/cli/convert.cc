// `roundhouse convert FILE -o OUT.avro`: the accepted rows of a CSV file as an Avro container file.
#include <filesystem>
#include <functional>
#include <tuple>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "avro/container.h"
#include "cli/command.h"
#include "cli/judged_file.h"
#include "cli/output.h"
#include "cli/removed_by_signal.h"
#include "cli/send_file.h"
#include "cli/text.h"
#include "io/file.h"

namespace rh::cli {
namespace {

struct Arguments {
    std::string file;
    std::string out;
    RowFlags rows;
    std::string codec = "null";
    bool force = false;
    bool strict = false;
};

class AvroFile final : public csv::Consumer {
  public:
    using Write = std::function<Result<void>(std::string_view)>;
    AvroFile(Write write, avro::Codec codec, const model::UploadId& id)
        : write_(std::move(write)),
          writer_({.codec = codec, .sync = avro::random_sync_marker()}),
          id_(id) {
        writer_.append_header(pending_);
    }
    Result<void> on_rows(model::RowBatch& batch) override {
        if (batch.size() == 0) {
            return {};
        }
        for (size_t row = 0; row < batch.size();) {
            row += writer_.append_block(batch, row, id_, pending_);
        }
        return flush();
    }
    Result<void> on_rejects(std::span<const model::Reject>) override { return {}; }
    Result<void> flush() {
        RH_TRY(write_(pending_));
        pending_.clear();
        return {};
    }

  private:
    Write write_;
    avro::ContainerWriter writer_;
    model::UploadId id_;
    std::string pending_;
};

Result<void> write_rows(JudgedFile& judged, AvroFile avro) {
    RH_TRY(judged.read(avro));
    // Without a policy only a file without any accepted row is refused: nothing was written yet.
    if (const auto& refusal = judged.refusal(); !refusal.code.empty()) {
        return fail(ErrorKind::invalid_content, refusal.code,
                    fmt::format("{} Nothing was written; `roundhouse check` lists the refused "
                                "rows.",
                                refusal.reason));
    }
    return avro.flush();
}

Result<void> write_file(JudgedFile& judged, const std::string& path, avro::Codec codec) {
    RH_ASSIGN(io::File file, io::File::create(path));
    RH_TRY(write_rows(
        judged, AvroFile([&file](std::string_view bytes) { return file.write_all(bytes); }, codec,
                         judged.upload().id)));
    RH_TRY(file.sync());
    return file.close();
}

// Under another name until it is whole.
Result<void> write_whole(JudgedFile& judged, const std::string& path, avro::Codec codec) {
    const std::string staged = path + ".part";
    const RemovedBySignal removed(staged);
    if (const auto written = write_file(judged, staged, codec); !written) {
        std::ignore = io::remove_file(staged);  // why it was not written is the error
        return std::unexpected(written.error());
    }
    return io::rename_durably(staged, path);
}

Result<int> convert_file(const Arguments& arguments, bool json) {
    const bool to_stdout = arguments.out == "-";
    if (to_stdout && (json || stdout_is_terminal())) {
        return fail(ErrorKind::invalid_request, "usage",
                    json ? "--json needs a file with -o, since the rows go to standard output."
                         : "Name a file with -o, or send standard output into a pipe.");
    }
    RH_TRY(to_stdout ? Result<void>() : check_free(arguments.out, arguments.force));
    std::error_code not_there;
    if (std::filesystem::equivalent(arguments.file, arguments.out, not_there)) {
        return fail(ErrorKind::invalid_request, "usage",
                    fmt::format("{} is the file to read, and converting would destroy it. Name "
                                "another with -o.",
                                arguments.out));
    }
    RH_ASSIGN(JudgedFile judged, JudgedFile::open(arguments.file, arguments.rows));
    const auto codec = arguments.codec == "deflate" ? avro::Codec::deflate : avro::Codec::null;
    RH_TRY(to_stdout ? write_rows(judged, AvroFile(write_out, codec, judged.upload().id))
                     : write_whole(judged, arguments.out, codec));
    const auto& upload = judged.upload();
    if (json) {
        RH_TRY(write_out(fmt::format(
            R"({{"upload_id":"{}","rows":{{"read":{},"accepted":{},"rejected":{},"blank":{}}}}})"
            "\n",
            model::to_string(upload.id), upload.rows.read, upload.rows.accepted,
            upload.rows.rejected, upload.rows.blank)));
    } else {
        say(fmt::format("{} written to {}, {} refused{}", counted(upload.rows.accepted, "row"),
                        to_stdout ? "standard output" : arguments.out,
                        with_commas(upload.rows.rejected),
                        upload.rows.rejected == 0 ? "" : "; `roundhouse check` lists them"));
    }
    return arguments.strict && upload.rows.rejected != 0 ? kExitRejects : kExitOk;
}

Result<int> convert(const Arguments& arguments, bool json) {
    auto done = convert_file(arguments, json);
    if (!done && done.error().code != "output_closed" && done.error().code != "usage") {
        Error error = std::move(done).error();
        error.message = fmt::format("{}: {}", shown_path(arguments.file), error.message);
        return std::unexpected(std::move(error));
    }
    return done;
}

}  // namespace

void add_convert(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "convert",
        "Write the accepted rows of a CSV file as an Avro container file, without any server.",
        {"roundhouse convert rounds.csv -o rounds.avro",
         "roundhouse convert --codec deflate --strict rounds.csv.gz -o rounds.avro"});
    auto arguments = std::make_shared<Arguments>();
    command.add_option("FILE", arguments->file, "CSV file, or - for standard input")->required();
    command.add_option("-o,--out", arguments->out, "Avro file to write; - for standard output")
        ->required();
    command.add_option("--codec", arguments->codec, "null or deflate")
        ->capture_default_str()
        ->check(CLI::IsMember({"null", "deflate"}));
    command.add_flag("--force", arguments->force, "Replace the Avro file if it is there");
    command.add_flag("--strict", arguments->strict, "Exit with 3 if rows were refused");
    add_row_flags(command, arguments->rows);
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] {
            return convert(*arguments, invocation.json);
        };
    });
}

}  // namespace rh::cli
