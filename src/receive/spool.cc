#include "receive/spool.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/kill_point.h"
#include "csv/encoding.h"
#include "io/file.h"
#include "io/unpack.h"
#include "uploads/original.h"

namespace rh::receive {
namespace {

constexpr size_t kReadBytes = 256 * 1024;
constexpr uint64_t kBytesBetweenSpaceChecks = 32ULL << 20;

bool begins_compressed(std::string_view bytes) {
    return bytes.starts_with("\x1f\x8b") || bytes.starts_with("\x28\xb5\x2f\xfd");
}

class Spooler {
  public:
    Spooler(const std::string& directory, const Options& options, const Limits& limits,
            uploads::OriginalWriter writer)
        : directory_(directory),
          options_(options),
          limits_(limits),
          writer_(std::move(writer)),
          sniffer_(options.encoding) {
        if (options.content_encoding != io::ContentEncoding::none &&
            (options.digests.content || options.digests.repr)) {
            sent_digest_.emplace();
        }
    }

    Result<void> take_sent(std::string_view bytes) {
        sent_bytes_ += bytes.size();
        if (sent_bytes_ > limits_.body_bytes_max) {
            return fail(ErrorKind::too_large, "body_too_large",
                        fmt::format("The body is larger than {} bytes, which is the limit. Split "
                                    "the file, or compress it.",
                                    limits_.body_bytes_max));
        }
        if (sent_digest_) {
            sent_digest_->feed(bytes);
        }
        return {};
    }

    Result<void> take_unpacked(std::string_view bytes) {
        if (head_.size() < 4) {
            head_ += bytes.substr(0, 4 - head_.size());
        }
        content_.bytes += bytes.size();
        RH_TRY(check_size());
        digest_.feed(bytes);
        sniffer_.feed(bytes);
        RH_TRY(writer_.write(bytes));
        if (content_.bytes - space_checked_at_ >= kBytesBetweenSpaceChecks) {
            RH_TRY(check_space());
        }
        kill_point("receive_spooling");
        return {};
    }

    Result<void> check_space() {
        space_checked_at_ = content_.bytes;
        return io::check_free_bytes(directory_, limits_.free_bytes_min, "send the file again");
    }

    Result<Spooled> finish() {
        const Sha256 digest = digest_.finish();
        RH_TRY(check_digests(
            options_.digests,
            {.sent = sent_digest_ ? sent_digest_->finish() : digest, .unpacked = digest}));
        if (content_.bytes == 0) {
            return fail(ErrorKind::invalid_content, "empty_file",
                        "The file has no bytes. Send a CSV file with a header and rows.");
        }
        RH_TRY(writer_.finish());
        RH_TRY(io::sync_directory(directory_));
        content_.sniffed = sniffer_.decide();
        content_.looks_compressed = begins_compressed(head_);
        content_.looks_zip = head_.starts_with("PK\x03\x04");
        content_.in_form = options_.in_form;
        return Spooled{.content = content_, .sha256 = digest};
    }

  private:
    Result<void> check_size() const {
        if (content_.bytes > limits_.unpacked_bytes_max) {
            return fail(ErrorKind::too_large, "file_too_large",
                        fmt::format("The file is larger than {} bytes, which is the limit. Split "
                                    "it.",
                                    limits_.unpacked_bytes_max));
        }
        return io::check_ratio(
            options_.content_encoding, sent_bytes_, content_.bytes,
            {.ratio_max = limits_.ratio_max, .free_bytes = limits_.ratio_free_bytes});
    }

    const std::string& directory_;
    const Options& options_;
    const Limits& limits_;
    uploads::OriginalWriter writer_;
    Sha256Stream digest_;
    std::optional<Sha256Stream> sent_digest_;  // when it is not the same as digest_
    csv::EncodingSniffer sniffer_;
    Content content_;
    std::string head_;  // the first 4 bytes
    uint64_t sent_bytes_ = 0;
    uint64_t space_checked_at_ = 0;
};

}  // namespace

Result<Spooled> spool(const std::string& directory, const Source& source, const Options& options,
                      const Limits& limits, const std::function<void(size_t)>& on_body_bytes) {
    RH_ASSIGN(auto writer, uploads::OriginalWriter::create(directory + "/original.zst"));
    Spooler spooler(directory, options, limits, std::move(writer));
    RH_TRY(spooler.check_space());
    const auto unpacker = io::Unpacker::make(options.content_encoding);
    const io::Unpacker::Taker take = [&spooler](std::string_view bytes) {
        return spooler.take_unpacked(bytes);
    };
    std::vector<char> buffer(kReadBytes);
    bool any = false;
    while (true) {
        RH_ASSIGN(const size_t got, source(buffer));
        if (got == 0) {
            break;
        }
        any = true;
        on_body_bytes(got);
        const std::string_view bytes(buffer.data(), got);
        RH_TRY(spooler.take_sent(bytes));
        RH_TRY(unpacker->feed(bytes, take));
    }
    if (any) {
        RH_TRY(unpacker->finish());
    }
    return spooler.finish();
}

}  // namespace rh::receive
