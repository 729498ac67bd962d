// Stage 1 of the data's way: bytes of a client → an upload in the ledger, with its original on
// disk. One pass over the stream: unpack → digests → sniff the encoding → compress into the spool.
// Then the head of the spool is judged (encoding, delimiter, header), the id is made of content and
// options, the spool is renamed into place durably, and the ledger learns of the upload: in this
// order, so that a crash at any point leaves either nothing or an upload that can be published.
//
// Whatever goes wrong (a wrong file, a full disk, a client that leaves), nothing is kept. The same
// file with the same options is the same upload: exactly one of any number of simultaneous senders
// creates it. Rows are not validated here (publish/publisher.h does, from the original).
// receive() blocks its thread; any number of threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "csv/encoding.h"
#include "io/unpack.h"
#include "receive/declared_digests.h"
#include "uploads/layout.h"
#include "uploads/ledger.h"
#include "uploads/progress.h"
#include "uploads/upload.h"

namespace rh::receive {

struct Limits {
    uint64_t body_bytes_max = 64ULL << 30;       // as sent
    uint64_t unpacked_bytes_max = 256ULL << 30;  // of the file
    // Unpacked bytes for one byte as sent; looked at once ratio_free_bytes are unpacked.
    uint64_t ratio_max = 200;
    uint64_t ratio_free_bytes = 8ULL << 20;
    uint64_t free_bytes_min = 256ULL << 20;  // left on the disk; below it nothing is received
    unsigned receives_max = 16;              // at the same time
};

// What the sender asked for, as parsed by the HTTP handler or the CLI.
struct Options {
    std::string filename;  // directories are cut off, control characters replaced
    io::ContentEncoding content_encoding = io::ContentEncoding::none;
    bool in_form = false;  // the file is a part of a form, whose type says how it is packed
    std::optional<csv::Encoding> encoding;  // nullopt: detected
    std::optional<char> delimiter;          // one of , ; tab |; nullopt: sniffed
    int32_t timezone_offset_minutes = 0;
    bool empty_amount_is_reject = false;
    bool allow_negative = false;
    // The policy; nullopt: not said, which agrees with any that a file there already came with.
    std::optional<bool> abort_on_error;
    std::optional<uint64_t> errors_max;
    bool dry_run = false;
    std::string label;  // allow_duplicate=LABEL; empty: none
    std::optional<model::UploadId> replaces;
    DeclaredDigests digests;
    std::string trace_id;
};

// Fills the buffer with the next bytes of the body and says how many; 0 is the end. An Error ends
// the receive and is passed through.
using Source = std::function<Result<size_t>(std::span<char>)>;

struct Received {
    uploads::Upload upload;
    bool created = false;    // new, or started again after it failed: publish it now
    bool duplicate = false;  // it was there already and lives; nothing was changed
};

// What a dry run's file would meet, sent in earnest: warning would_be_duplicate, or
// would_be_refused with the conflict that receive() would end with; none if it would be a new
// upload. `earnest` is the upload that it would be, `known` what is there under its id.
std::optional<uploads::Warning> warn_of_known(const uploads::Ledger& ledger,
                                              const uploads::Upload& earnest,
                                              const std::optional<uploads::Upload>& known);

class Receiver {
  public:
    // All arguments must outlive the receiver. `layout` is open, so DIR/incoming is empty.
    Receiver(const uploads::Layout& layout, uploads::Ledger& ledger, uploads::ProgressBoard& board,
             Limits limits)
        : layout_(layout), ledger_(ledger), board_(board), limits_(limits) {}

    // Errors beside those of the source:
    //   busy             too_many_uploads
    //   too_large        body_too_large, file_too_large, decompression_ratio
    //   storage_full     storage_full
    //   invalid_request  digest_mismatch
    //   invalid_content  empty_file, truncated_gzip, bad_gzip, truncated_zstd, bad_zstd,
    //                    wrong_encoding, truncated_encoding, binary_file, unknown_delimiter,
    //                    missing_column, duplicate_column, too_many_columns, header_unreadable,
    //                    no_rows
    //   not_found        replaced_upload_not_found
    //   conflict         same_file_other_options, not_replaceable, upload_voided
    Result<Received> receive(const Source& source, const Options& options);

    unsigned receiving() const { return receiving_; }            // now
    uint64_t bytes_received() const { return bytes_received_; }  // as sent, since the start

  private:
    // Makes the spool the upload's directory, durably, and tells the ledger.
    Result<Received> place(const std::string& spool, const uploads::Upload& upload,
                           const Options& options);
    Result<uploads::Ledger::Created> move_and_create(const std::string& spool,
                                                     const uploads::Upload& upload);

    const uploads::Layout& layout_;
    uploads::Ledger& ledger_;
    uploads::ProgressBoard& board_;
    const Limits limits_;
    std::atomic<unsigned> receiving_ = 0;
    std::atomic<uint64_t> bytes_received_ = 0;
};

}  // namespace rh::receive
