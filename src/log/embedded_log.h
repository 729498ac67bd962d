// The embedded log: every accepted row as Avro in object container files under DIR, one directory
// an upload, and beside the file a manifest with rows, sums and hashes (docs/formats/log.md). Rows
// are written to a staging directory beside DIR, synced, and become visible by one atomic rename.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "log/log.h"

namespace rh::log {

class EmbeddedLog : public Log {
  public:
    // Opens DIR and DIR-staging (created if missing; on one file system). Removes what was staged
    // and is not sealed, and finishes a publish or a remove that a crash interrupted. What is
    // sealed and not published stays: the caller publishes or removes it.
    static Result<EmbeddedLog> open(std::string directory, bool deflate);

    Result<std::unique_ptr<Writer>> begin(const model::UploadId& id, uint32_t epoch,
                                          const KeepGoing& keep_going = {}) override;
    Result<void> publish(const model::UploadId& id, const OnProgress& on_progress = {}) override;
    bool is_sealed(const model::UploadId& id) const;  // staged and complete
    bool is_published(const model::UploadId& id) const;
    Result<Manifest> manifest(const model::UploadId& id) const override;
    // Bytes before `first_cell` are not read.
    Result<std::unique_ptr<RowReader>> read(const model::UploadId& id,
                                            uint64_t first_cell) const override;
    Result<void> remove(const model::UploadId& id) override;
    Result<void> drop_damaged(const model::UploadId& id) override { return remove(id); }
    Result<std::vector<model::UploadId>> uploads() const override;

  private:
    EmbeddedLog(std::string directory, bool deflate);
    Result<void> recover();
    Result<void> recover_entry(const std::string& name);
    Result<void> replace_published(const model::UploadId& id);
    std::string published_path(const model::UploadId& id) const;
    std::string staged_path(const model::UploadId& id) const;
    std::string directory_, staging_;
    bool deflate_ = false;
};

}  // namespace rh::log
