#include "cli/judged_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <fmt/format.h>
#include <stdlib.h>

#include "api/upload_options.h"
#include "base/clock.h"
#include "cli/send_file.h"
#include "cli/text.h"
#include "io/file.h"
#include "publish/duplicate_ids.h"
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
    options.content_encoding = io::parse_content_encoding(content_encoding_of(path)).value();
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

// Passes everything on, and counts repeated game_instance_ids on the way.
class CountsIds final : public csv::Consumer {
  public:
    CountsIds(csv::Consumer& next, std::string spill_path)
        : next_(next), ids_(std::move(spill_path)) {}
    Result<void> on_rows(model::RowBatch& batch) override {
        RH_TRY(ids_.add(batch.game_instance_id));
        return next_.on_rows(batch);
    }
    Result<void> on_rejects(std::span<const model::Reject> rejects) override {
        return next_.on_rejects(rejects);
    }
    Result<publish::DuplicateIds::Count> finish() { return ids_.finish(); }

  private:
    csv::Consumer& next_;
    publish::DuplicateIds ids_;
};

// In the scratch directory.
constexpr std::string_view kOriginal = "original.zst";  // receive::spool() names it
constexpr std::string_view kIds = "ids.tmp";

constexpr unsigned kThreadsMax = 4;  // the consumer's own thread takes what they judge

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

JudgedFile::JudgedFile(std::string directory) : directory_(std::move(directory)) {
    for (const std::string_view file : {kOriginal, kIds}) {
        removed_.emplace_back(fmt::format("{}/{}", directory_, file));
    }
    removed_.emplace_back(directory_);
}

JudgedFile::JudgedFile(JudgedFile&& other) noexcept
    : directory_(std::exchange(other.directory_, {})),
      removed_(std::move(other.removed_)),
      upload_(std::move(other.upload_)),
      refusal_(std::move(other.refusal_)) {}

JudgedFile::~JudgedFile() {
    if (!directory_.empty()) {
        // It lies in the system's scratch space: what can't be removed is removed with that.
        [[maybe_unused]] const auto removed = io::remove_tree(directory_);
    }
}

Result<JudgedFile> JudgedFile::open(const std::string& path, const RowFlags& flags,
                                    const PolicyFlags& policy) {
    RH_ASSIGN(const receive::Options options, options_of(path, flags));
    if (policy.on_error == "abort" && !policy.max_errors.empty()) {
        return usage(
            "--on-error abort refuses a file at its first bad row; leave out --max-errors.");
    }
    RH_ASSIGN(io::File file, open_input(path));
    RH_ASSIGN(std::string directory, scratch_directory());
    JudgedFile judged(std::move(directory));
    RH_ASSIGN(const receive::Spooled spooled,
              receive::spool(
                  judged.directory_, [&](std::span<char> buffer) { return file.read(buffer); },
                  options, receive::Limits{}, [](size_t) {}));
    uploads::Upload& upload = judged.upload_;
    upload.request.filename = receive::clean_filename(options.filename);
    upload.request.encoding_detected = !options.encoding;
    upload.request.abort_on_error = policy.on_error == "abort";
    upload.request.errors_max = parse_count(policy.max_errors);
    upload.request.csv = {.delimiter = ',',
                          .timezone_offset_minutes = options.timezone_offset_minutes,
                          .empty_amount_is_reject = options.empty_amount_is_reject,
                          .allow_negative = options.allow_negative};
    RH_ASSIGN(upload.request.encoding,
              receive::resolve_encoding(spooled.content, options.encoding));
    upload.request.bom = spooled.content.sniffed.bom;
    RH_TRY(receive::judge_header(fmt::format("{}/{}", judged.directory_, kOriginal),
                                 options.delimiter, upload.request));
    upload.bytes = spooled.content.bytes;
    upload.sha256 = receive::hex(spooled.sha256);
    upload.id = receive::make_upload_id(upload.sha256, upload.request);
    upload.created_at = now_ms();
    return judged;
}

Result<void> JudgedFile::read(csv::Consumer& consumer) {
    RH_ASSIGN(auto original,
              uploads::OriginalReader::open(fmt::format("{}/{}", directory_, kOriginal)));
    csv::Transcoder transcoder(upload_.request.encoding);
    CountsIds counting(consumer, fmt::format("{}/{}", directory_, kIds));
    // One file, and nobody else at work: several cores where there are some.
    const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1U, kThreadsMax);
    csv::Reader reader(upload_.request.csv, counting, {.threads = threads});
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
    RH_ASSIGN(const auto duplicates, counting.finish());
    publish::write_report({.report = reader.report(), .duplicates = duplicates}, upload_);
    refusal_ = publish::judge_by_policy(upload_.request, upload_.rows);
    if (!refusal_.code.empty()) {
        upload_.warnings.push_back(publish::would_be_refused(refusal_, upload_.rows));
    }
    upload_.state = uploads::State::checked;
    upload_.finished_at = now_ms();
    return {};
}

}  // namespace rh::cli
