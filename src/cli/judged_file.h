// A CSV file judged without a server, by the very steps that the server takes: receive/ unpacks,
// hashes and sniffs it into a scratch directory and judges its header, csv/ reads its rows. One
// thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/removed_by_signal.h"
#include "cli/row_flags.h"
#include "csv/reader.h"
#include "publish/outcome.h"
#include "uploads/upload.h"

namespace rh::cli {

class JudgedFile {
  public:
    // "-" is standard input. Errors are those of receive::Receiver::receive (a file that can't be
    // used as a whole), of the flags, and of the disk.
    static Result<JudgedFile> open(const std::string& path, const RowFlags& flags,
                                   const PolicyFlags& policy = {});
    JudgedFile(JudgedFile&& other) noexcept;
    JudgedFile& operator=(JudgedFile&&) = delete;
    ~JudgedFile();  // removes the scratch directory; so does a signal that ends the program

    // Gives every row and reject to `consumer`; afterwards upload() has counts, totals and
    // warnings, and refusal() says why an upload of the file under this policy would be refused
    // (an empty code: it would not).
    Result<void> read(csv::Consumer& consumer);
    // The id is the one that an upload with the same options gets.
    const uploads::Upload& upload() const { return upload_; }
    const publish::Refusal& refusal() const { return refusal_; }

  private:
    explicit JudgedFile(std::string directory);
    std::string directory_;
    std::vector<RemovedBySignal> removed_;
    uploads::Upload upload_;
    publish::Refusal refusal_;
};

}  // namespace rh::cli
