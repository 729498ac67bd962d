#include "uploads/layout.h"

#include <fmt/format.h>

#include "base/random.h"
#include "io/file.h"

namespace rh::uploads {

Result<std::unique_ptr<Layout>> Layout::open(std::string data_directory) {
    auto layout = std::unique_ptr<Layout>(new Layout(std::move(data_directory)));
    RH_TRY(io::remove_tree(layout->incoming()));
    RH_TRY(io::make_directories(layout->incoming()));
    RH_TRY(io::make_directories(layout->uploads()));
    return layout;
}

std::string Layout::directory(const model::UploadId& id) const {
    return fmt::format("{}/{}", uploads(), model::to_string(id));
}

std::string Layout::original(const model::UploadId& id) const {
    return directory(id) + "/original.zst";
}

std::string Layout::rejects(const model::UploadId& id) const {
    return directory(id) + "/rejects.ndjson";
}

Result<void> Layout::check_held_here(const Upload& upload) const {
    if (upload.held_by.empty() || io::exists(original(upload.id))) {
        return {};
    }
    return fail(ErrorKind::not_found, "upload_elsewhere",
                fmt::format("Process {} received upload {} and has its original and its refused "
                            "rows; ask that one.",
                            upload.held_by, model::to_string(upload.id)));
}

Result<std::string> Layout::new_spool_directory() const {
    std::string path = fmt::format("{}/{}", incoming(), random_hex(3));
    RH_TRY(io::make_directories(path));
    return path;
}

std::unique_lock<std::mutex> Layout::lock(const model::UploadId& id) const {
    return std::unique_lock(locks_[id.bytes[0] % locks_.size()]);
}

Result<uint64_t> Layout::remove_unknown(const Ledger& ledger) const {
    RH_ASSIGN(const auto names, io::list_directory(uploads()));
    uint64_t removed = 0;
    for (const std::string& name : names) {
        const auto id = model::parse_upload_id(name);
        if (id) {
            RH_ASSIGN(const auto upload, ledger.find(*id));
            if (upload) {
                continue;
            }
        }
        RH_TRY(io::remove_tree(fmt::format("{}/{}", uploads(), name)));
        ++removed;
    }
    return removed;
}

Result<void> Layout::remove(Ledger& ledger, const model::UploadId& id,
                            const std::function<Result<void>()>& first) const {
    const auto held = lock(id);
    RH_ASSIGN(const auto upload, ledger.find(id));
    if (!upload) {
        return fail(ErrorKind::not_found, "upload_not_found",
                    fmt::format("There is no upload {}.", model::to_string(id)));
    }
    if (!is_final(upload->state)) {
        return fail(ErrorKind::conflict, "upload_running",
                    fmt::format("Upload {} is {}. Cancel it before you remove it.",
                                model::to_string(id), name(upload->state)));
    }
    if (first && upload->state != State::stored) {
        RH_TRY(first());
    }
    RH_TRY(ledger.remove(id));
    return io::remove_tree(directory(id));
}

}  // namespace rh::uploads
