#include "cli/judged_file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <stdlib.h>

#include "api/upload_options.h"
#include "base/clock.h"
#include "cli/send_file.h"
#include "cli/text.h"
#include "io/file.h"
#include "receive/identity.h"
#include "receive/judge.h"
#include "receive/spool.h"
#include "uploads/original.h"

namespace rh::cli {
namespace {

std::unexpected<Error> usage(std::string message) {
    return fail(ErrorKind::invalid_request, "usage", std::move(message));
}

Result<receive::Options> options_of(const std::string& path, const RowFlags& flags) {
    receive::Options options;
    options.filename = file_name_of(path);
    options.content_encoding = receive::parse_content_encoding(content_encoding_of(path)).value();
    if (!flags.encoding.empty()) {
        options.encoding = csv::parse_encoding(flags.encoding);
        if (!options.encoding) {
            return usage("--encoding must be utf-8, utf-16le, utf-16be or windows-1252.");
        }
    }
    options.delimiter = parse_delimiter(flags.delimiter);
    if (!flags.timezone.empty()) {
        const auto minutes = api::parse_timezone(flags.timezone);
        if (!minutes) {
            return usage("--timezone must be an offset like +02:00, or UTC.");
        }
        options.timezone_offset_minutes = *minutes;
    }
    options.empty_amount_is_reject = flags.empty_amount == "reject";
    options.allow_negative = flags.allow_negative;
    return options;
}

Result<std::string> scratch_directory() {
    const char* parent = std::getenv("TMPDIR");
    std::string path =
        fmt::format("{}/roundhouse.XXXXXX", parent != nullptr && *parent != '\0' ? parent : "/tmp");
    if (::mkdtemp(path.data()) == nullptr) {
        return fail(ErrorKind::internal, "file_error",
                    fmt::format("Cannot make a scratch directory {}: {}. TMPDIR names another "
                                "place.",
                                path, std::strerror(errno)));
    }
    return path;
}

}  // namespace

JudgedFile::JudgedFile(JudgedFile&& other) noexcept
    : directory_(std::exchange(other.directory_, {})), upload_(std::move(other.upload_)) {}

JudgedFile::~JudgedFile() {
    if (!directory_.empty()) {
        // It lies in the system's scratch space: what can't be removed is removed with that.
        [[maybe_unused]] const auto removed = io::remove_tree(directory_);
    }
}

Result<JudgedFile> JudgedFile::open(const std::string& path, const RowFlags& flags) {
    RH_ASSIGN(const receive::Options options, options_of(path, flags));
    RH_ASSIGN(io::File file, io::File::open_read(path == "-" ? "/dev/stdin" : path));
    RH_ASSIGN(std::string directory, scratch_directory());
    JudgedFile judged(std::move(directory));
    RH_ASSIGN(const receive::Spooled spooled,
              receive::spool(
                  judged.directory_, [&](std::span<char> buffer) { return file.read(buffer); },
                  options, receive::Limits{}, [](size_t) {}));
    uploads::Upload& upload = judged.upload_;
    upload.request.filename = receive::clean_filename(options.filename);
    upload.request.encoding_detected = !options.encoding;
    upload.request.csv = {.delimiter = ',',
                          .timezone_offset_minutes = options.timezone_offset_minutes,
                          .empty_amount_is_reject = options.empty_amount_is_reject,
                          .allow_negative = options.allow_negative};
    RH_ASSIGN(upload.request.encoding,
              receive::resolve_encoding(spooled.content, options.encoding));
    upload.request.bom = spooled.content.sniffed.bom;
    RH_TRY(receive::judge_header(judged.directory_ + "/original.zst", options.delimiter,
                                 upload.request));
    upload.bytes = spooled.content.bytes;
    upload.sha256 = receive::hex(spooled.sha256);
    upload.id = receive::make_upload_id(upload.sha256, upload.request);
    upload.created_at = now_ms();
    return judged;
}

Result<void> JudgedFile::read(csv::Consumer& consumer) {
    RH_ASSIGN(auto original, uploads::OriginalReader::open(directory_ + "/original.zst"));
    csv::Transcoder transcoder(upload_.request.encoding);
    csv::Reader reader(upload_.request.csv, consumer);
    while (true) {
        RH_ASSIGN(const std::string_view bytes, original.next());
        if (bytes.empty()) {
            break;
        }
        RH_TRY(reader.feed(transcoder.feed(bytes)));
    }
    RH_ASSIGN(const std::string_view rest, transcoder.finish());
    RH_TRY(reader.feed(rest));
    RH_TRY(reader.finish());
    const csv::Report& report = reader.report();
    upload_.rows = report.rows;
    upload_.totals = report.totals;
    upload_.empty_amounts = report.empty_amounts;
    upload_.ignored_columns = report.ignored_columns;
    if (report.rows.accepted != 0) {
        upload_.created_ms_min = report.created_ms_min;
        upload_.created_ms_max = report.created_ms_max;
    }
    for (const auto& [code, count] : report.faults) {
        upload_.faults[std::string(model::name(code))] = count;
    }
    upload_.state = uploads::State::checked;
    upload_.finished_at = now_ms();
    return {};
}

}  // namespace rh::cli
