#include "receive/receiver.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "io/file.h"
#include "receive/identity.h"
#include "receive/judge.h"
#include "receive/spool.h"

namespace rh::receive {
namespace {

using uploads::Upload;

class Countdown {
  public:
    explicit Countdown(std::atomic<unsigned>& counter) : counter_(counter) {}
    ~Countdown() { --counter_; }
    Countdown(const Countdown&) = delete;
    Countdown& operator=(const Countdown&) = delete;

  private:
    std::atomic<unsigned>& counter_;
};

// Removes its directory at the end, if it is still there.
class SpoolDirectory {
  public:
    explicit SpoolDirectory(std::string path) : path_(std::move(path)) {}
    ~SpoolDirectory() {
        if (const auto removed = io::remove_tree(path_); !removed) {
            log_event(LogLevel::warning, "a spool directory is left until the next start",
                      {{"path", path_}, {"reason", removed.error().message}});
        }
    }
    SpoolDirectory(const SpoolDirectory&) = delete;
    SpoolDirectory& operator=(const SpoolDirectory&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

uploads::Request make_request(const Options& options) {
    uploads::Request request;
    request.filename = clean_filename(options.filename);
    request.encoding_detected = !options.encoding;
    request.csv.timezone_offset_minutes = options.timezone_offset_minutes;
    request.csv.empty_amount_is_reject = options.empty_amount_is_reject;
    request.csv.allow_negative = options.allow_negative;
    request.abort_on_error = options.abort_on_error.value_or(false);
    request.errors_max = options.errors_max;
    request.dry_run = options.dry_run;
    request.label = options.label;
    request.replaces = options.replaces;
    return request;
}

// What the sender says of bad rows now and what held when the file came; empty if they agree.
std::string differing_policy(const Options& now, const uploads::Request& then) {
    const auto word = [](bool abort) { return abort ? "abort" : "quarantine"; };
    std::string text;
    if (now.abort_on_error && *now.abort_on_error != then.abort_on_error) {
        text = fmt::format("on_error ({} here, {} there)", word(*now.abort_on_error),
                           word(then.abort_on_error));
    }
    if (now.errors_max && now.errors_max != then.errors_max) {
        text += fmt::format("{}max_errors ({} here, {} there)", text.empty() ? "" : ", ",
                            *now.errors_max,
                            then.errors_max ? fmt::to_string(*then.errors_max) : "none");
    }
    return text;
}

Result<Received> duplicate_of(Upload existing, const Options& options) {
    if (options.replaces && options.replaces != existing.request.replaces) {
        return fail(
            ErrorKind::conflict, "same_file_other_options",
            fmt::format("The same file is upload {} already, and it was not sent to "
                        "replace {}. To take that one out of the figures, void it.",
                        model::to_string(existing.id), model::to_string(*options.replaces)));
    }
    if (existing.voided_version) {
        return fail(ErrorKind::conflict, "upload_voided",
                    fmt::format("This file is upload {}, which was stored and then voided, so "
                                "sending it again counts nothing. Say allow_duplicate=LABEL to "
                                "count it anew.",
                                model::to_string(existing.id)));
    }
    if (const std::string differing = differing_policy(options, existing.request);
        !differing.empty()) {
        return fail(ErrorKind::conflict, "same_file_other_options",
                    fmt::format("The same file is upload {} ({}) already, sent with another "
                                "policy: {}. It stays as it is. Leave the policy out to get that "
                                "upload, or say allow_duplicate=LABEL to count the file again.",
                                model::to_string(existing.id), name(existing.state), differing));
    }
    return Received{.upload = std::move(existing), .created = false, .duplicate = true};
}

}  // namespace

std::optional<uploads::Warning> warn_of_known(const uploads::Ledger& ledger, const Upload& earnest,
                                              const std::optional<Upload>& known) {
    const auto refused = [](const Error& error, std::string other) {
        return uploads::Warning{.code = "would_be_refused",
                                .detail = fmt::format("{}: {}", error.code, error.message),
                                .count = 1,
                                .upload_id = std::move(other)};
    };
    if (!known || uploads::may_start_again(known->state)) {
        const auto may = ledger.may_create(earnest);
        return may ? std::nullopt : std::optional(refused(may.error(), ""));
    }
    Options options;
    options.replaces = earnest.request.replaces;
    if (earnest.request.abort_on_error) {
        options.abort_on_error = true;
    }
    options.errors_max = earnest.request.errors_max;
    const std::string id = model::to_string(known->id);
    if (const auto met = duplicate_of(*known, options); !met) {
        return refused(met.error(), id);
    }
    return uploads::Warning{
        .code = "would_be_duplicate",
        .detail = fmt::format("This file is upload {} ({}) already: sent without "
                              "dry_run it would count nothing more. "
                              "allow_duplicate=LABEL counts it again.",
                              id, name(known->state)),
        .count = 1,
        .upload_id = id};
}

Result<Received> Receiver::receive(const Source& source, const Options& options) {
    if (receiving_.fetch_add(1) >= limits_.receives_max) {
        --receiving_;
        return fail(ErrorKind::busy, "too_many_uploads",
                    fmt::format("{} files are being received, which is the limit. Try again in a "
                                "moment.",
                                limits_.receives_max),
                    Verdict::retry);
    }
    const Countdown counted(receiving_);
    RH_ASSIGN(std::string path, layout_.new_spool_directory());
    const SpoolDirectory directory(std::move(path));
    RH_ASSIGN(const Spooled spooled, spool(directory.path(), source, options, limits_,
                                           [this](size_t bytes) { bytes_received_ += bytes; }));

    Upload upload;
    upload.request = make_request(options);
    RH_ASSIGN(upload.request.encoding, resolve_encoding(spooled.content, options.encoding));
    upload.request.bom = spooled.content.sniffed.bom;
    RH_TRY(judge_header(directory.path() + "/original.zst", options.delimiter, upload.request));
    upload.bytes = spooled.content.bytes;
    upload.sha256 = hex(spooled.sha256);
    upload.id = make_upload_id(upload.sha256, upload.request);
    upload.trace_id = options.trace_id;
    upload.created_at = now_ms();
    return place(directory.path(), upload, options);
}

Result<Received> Receiver::place(const std::string& spool, const Upload& upload,
                                 const Options& options) {
    const auto held = layout_.lock(upload.id);
    RH_ASSIGN(auto existing, ledger_.find(upload.id));
    if (existing && !uploads::may_start_again(existing->state)) {
        return duplicate_of(std::move(*existing), options);
    }
    auto created = move_and_create(spool, upload);
    if (!created && !existing) {
        // The ledger knows nothing of it: so the directory is nobody's. Should this fail, too, the
        // next start removes it.
        if (const auto removed = io::remove_tree(layout_.directory(upload.id)); !removed) {
            log_event(
                LogLevel::warning, "an upload's directory is left until the next start",
                {{"upload_id", model::to_string(upload.id)}, {"reason", removed.error().message}});
        }
    }
    RH_TRY(created);
    if (!created->created) {
        return duplicate_of(std::move(created->upload),
                            options);  // stored elsewhere in this moment
    }
    kill_point("receive_after_ledger");
    board_.set(upload.id, created->upload.state,
               {.stage = "validating", .rows = 0, .bytes = 0, .of_bytes = upload.bytes});
    return Received{.upload = std::move(created->upload), .created = true, .duplicate = false};
}

Result<uploads::Ledger::Created> Receiver::move_and_create(const std::string& spool,
                                                           const Upload& upload) {
    const std::string directory = layout_.directory(upload.id);
    if (io::exists(directory)) {
        // Of an earlier attempt that ended without being stored. Its content is the same by its
        // id, but a damaged disk may have been the reason, so the new bytes take its place.
        // The list of its rejects stays until the new attempt is sure and writes its own.
        RH_TRY(io::rename_durably(spool + "/original.zst", layout_.original(upload.id)));
    } else {
        RH_TRY(io::rename_durably(spool, directory));
    }
    kill_point("receive_before_ledger");
    return ledger_.create(upload);
}

}  // namespace rh::receive
