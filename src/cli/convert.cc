// `roundhouse convert FILE -o OUT.avro`: the accepted rows of a CSV file as an Avro container file.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "avro/container.h"
#include "cli/command.h"
#include "cli/judged_file.h"
#include "cli/output.h"
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
    AvroFile(io::File& file, avro::Codec codec, const model::UploadId& id)
        : file_(file), writer_({.codec = codec, .sync = avro::random_sync_marker()}), id_(id) {
        writer_.append_header(pending_);
    }
    Result<void> on_rows(model::RowBatch& batch) override {
        for (size_t row = 0; row < batch.size();) {
            row += writer_.append_block(batch, row, id_, pending_);
        }
        return flush();
    }
    Result<void> on_rejects(std::span<const model::Reject>) override { return {}; }
    Result<void> flush() {
        RH_TRY(file_.write_all(pending_));
        pending_.clear();
        return {};
    }

  private:
    io::File& file_;
    avro::ContainerWriter writer_;
    model::UploadId id_;
    std::string pending_;
};

Result<void> write_avro(JudgedFile& judged, const std::string& path, avro::Codec codec) {
    RH_ASSIGN(io::File file, io::File::create(path));
    AvroFile avro(file, codec, judged.upload().id);
    RH_TRY(judged.read(avro));
    RH_TRY(avro.flush());
    RH_TRY(file.sync());
    return file.close();
}

Result<int> convert(const Arguments& arguments, bool json) {
    if (!arguments.force && io::exists(arguments.out)) {
        return fail(ErrorKind::conflict, "file_exists",
                    fmt::format("{} is there already. --force replaces it.", arguments.out));
    }
    RH_ASSIGN(JudgedFile judged, JudgedFile::open(arguments.file, arguments.rows));
    const std::string staged = arguments.out + ".part";
    const auto codec = arguments.codec == "deflate" ? avro::Codec::deflate : avro::Codec::null;
    if (const auto written = write_avro(judged, staged, codec); !written) {
        RH_TRY(io::remove_file(staged));
        return std::unexpected(written.error());
    }
    RH_TRY(io::rename_durably(staged, arguments.out));
    const auto& upload = judged.upload();
    if (json) {
        RH_TRY(write_out(fmt::format(
            R"({{"upload_id":"{}","rows":{{"read":{},"accepted":{},"rejected":{},"blank":{}}}}})"
            "\n",
            model::to_string(upload.id), upload.rows.read, upload.rows.accepted,
            upload.rows.rejected, upload.rows.blank)));
    } else {
        say(fmt::format("{} rows written to {}, {} refused{}", with_commas(upload.rows.accepted),
                        arguments.out, with_commas(upload.rows.rejected),
                        upload.rows.rejected == 0 ? "" : "; `roundhouse check` lists them"));
    }
    return arguments.strict && upload.rows.rejected != 0 ? kExitRejects : kExitOk;
}

}  // namespace

void add_convert(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "convert",
        "Write the accepted rows of a CSV file as an Avro container file, without any server.",
        {"roundhouse convert rounds.csv -o rounds.avro",
         "roundhouse convert --codec deflate --strict rounds.csv.gz -o rounds.avro"});
    auto arguments = std::make_shared<Arguments>();
    command.add_option("file", arguments->file, "CSV file, or - for standard input")->required();
    command.add_option("-o,--out", arguments->out, "Avro file to write")->required();
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
