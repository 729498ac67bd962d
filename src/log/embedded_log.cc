#include "log/embedded_log.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/kill_point.h"
#include "io/file.h"
#include "log/log_format.h"
#include "log/log_reader.h"
#include "log/log_writer.h"
#include "log/manifest.h"

namespace rh::log {
namespace {

std::string inside(const std::string& directory, std::string_view name) {
    return fmt::format("{}/{}", directory, name);
}

bool has_manifest(const std::string& directory) {
    return io::exists(inside(directory, kManifestFile));
}

// Error file_not_found if there is none.
Result<Manifest> read_manifest(const std::string& directory, const model::UploadId& id) {
    RH_ASSIGN(const std::string text, io::read_file(inside(directory, kManifestFile)));
    RH_ASSIGN(Manifest manifest, parse_manifest(text));
    if (manifest.upload_id != id) {
        return log_damaged(fmt::format("{} has the manifest of another upload", directory));
    }
    return manifest;
}

// Manifest and file are both there and fit; the hash of the rows is compared when they are read.
bool is_complete(const std::string& directory, const model::UploadId& id) {
    const auto manifest = read_manifest(directory, id);
    return manifest && open_log_reader(directory, *manifest, 0);
}

std::unexpected<Error> not_there(std::string code, const model::UploadId& id,
                                 std::string_view what) {
    return fail(
        ErrorKind::not_found, std::move(code),
        fmt::format("The log has no {} rows of the upload {}.", what, model::to_string(id)));
}

}  // namespace

EmbeddedLog::EmbeddedLog(std::string directory, bool deflate)
    : directory_(std::move(directory)), deflate_(deflate) {
    while (directory_.size() > 1 && directory_.ends_with('/')) {
        directory_.pop_back();
    }
    staging_ = directory_ + std::string(kStagingSuffix);
}

std::string EmbeddedLog::published_path(const model::UploadId& id) const {
    return inside(directory_, model::to_string(id));
}

std::string EmbeddedLog::staged_path(const model::UploadId& id) const {
    return inside(staging_, model::to_string(id));
}

Result<EmbeddedLog> EmbeddedLog::open(std::string directory, bool deflate) {
    EmbeddedLog log(std::move(directory), deflate);
    RH_TRY(io::make_directories(log.directory_));
    RH_TRY(io::make_directories(log.staging_));
    RH_TRY(log.recover());
    return log;
}

Result<void> EmbeddedLog::recover() {
    RH_ASSIGN(const std::vector<std::string> names, io::list_directory(staging_));
    for (const std::string& name : names) {
        RH_TRY(recover_entry(name));
    }
    return {};
}

// Sorted, an upload's id comes before id.removed and id.replaced: when a set-aside epoch is looked
// at, what is staged is known to be complete or is gone.
Result<void> EmbeddedLog::recover_entry(const std::string& name) {
    const std::string path = inside(staging_, name);
    const auto id = model::parse_upload_id(std::string_view(name).substr(0, 36));
    const std::string_view suffix =
        std::string_view(name).substr(std::min<size_t>(36, name.size()));
    if (!id) {
        return {};  // not ours: left alone
    }
    if (suffix.empty()) {
        return is_complete(path, *id) ? Result<void>{} : io::remove_tree(path);
    }
    if (suffix == kReplacedSuffix && !io::exists(published_path(*id))) {
        // A crash between the two renames of replace_published: the second one is done now, or
        // the first one undone.
        RH_TRY(io::rename_durably(has_manifest(staged_path(*id)) ? staged_path(*id) : path,
                                  published_path(*id)));
    }
    if (suffix == kReplacedSuffix || suffix == kRemovedSuffix) {
        return io::remove_tree(path);
    }
    return {};
}

Result<std::unique_ptr<Writer>> EmbeddedLog::begin(const model::UploadId& id, uint32_t epoch,
                                                   const KeepGoing& /*nothing is published*/) {
    const std::string path = staged_path(id);
    RH_TRY(io::remove_tree(path));
    RH_TRY(io::make_directories(path));
    return open_log_writer(
        {.directory = path, .upload_id = id, .epoch = epoch, .deflate = deflate_});
}

// One rename: there is no progress to tell.
Result<void> EmbeddedLog::publish(const model::UploadId& id, const OnProgress&) {
    if (!is_sealed(id)) {
        if (!is_published(id)) {
            return not_there("log_not_sealed", id, "complete");
        }
        return io::sync_directory(directory_);  // whoever renamed it may have died before this
    }
    if (!io::exists(published_path(id))) {
        kill_point("publish_before_rename");
        RH_TRY(io::rename_durably(staged_path(id), published_path(id)));
        kill_point("publish_after_rename");
        return {};
    }
    RH_ASSIGN(const Manifest staged, read_manifest(staged_path(id), id));
    const auto published = read_manifest(published_path(id), id);
    if (published && published->epoch >= staged.epoch) {
        return io::remove_tree(staged_path(id));
    }
    return replace_published(id);
}

Result<void> EmbeddedLog::replace_published(const model::UploadId& id) {
    const std::string aside = staged_path(id) + std::string(kReplacedSuffix);
    RH_TRY(io::remove_tree(aside));
    RH_TRY(io::rename_durably(published_path(id), aside));
    kill_point("publish_before_rename");
    if (auto renamed = io::rename_durably(staged_path(id), published_path(id)); !renamed) {
        RH_TRY(io::rename_durably(aside, published_path(id)));
        return renamed;
    }
    kill_point("publish_after_rename");
    return io::remove_tree(aside);
}

bool EmbeddedLog::is_sealed(const model::UploadId& id) const {
    return has_manifest(staged_path(id));
}

bool EmbeddedLog::is_published(const model::UploadId& id) const {
    return has_manifest(published_path(id));
}

Result<Manifest> EmbeddedLog::manifest(const model::UploadId& id) const {
    if (is_published(id)) {
        return read_manifest(published_path(id), id);
    }
    if (is_sealed(id)) {
        return read_manifest(staged_path(id), id);
    }
    return not_there("log_not_sealed", id, "complete");
}

Result<std::unique_ptr<RowReader>> EmbeddedLog::read(const model::UploadId& id,
                                                     uint64_t first_cell) const {
    if (!is_published(id)) {
        return not_there("log_not_published", id, "published");
    }
    RH_ASSIGN(Manifest manifest, read_manifest(published_path(id), id));
    return open_log_reader(published_path(id), std::move(manifest), first_cell);
}

Result<void> EmbeddedLog::remove(const model::UploadId& id) {
    RH_TRY(io::remove_tree(staged_path(id)));
    const std::string removed = staged_path(id) + std::string(kRemovedSuffix);
    RH_TRY(io::remove_tree(removed));
    // By a rename first: a directory half removed would be rows without a manifest, or the reverse.
    if (io::exists(published_path(id))) {
        RH_TRY(io::rename_durably(published_path(id), removed));
        RH_TRY(io::remove_tree(removed));
    }
    return io::sync_directory(staging_);
}

Result<std::vector<model::UploadId>> EmbeddedLog::uploads() const {
    std::vector<model::UploadId> ids;
    RH_ASSIGN(const std::vector<std::string> published, io::list_directory(directory_));
    for (const std::string& name : published) {
        if (const auto id = model::parse_upload_id(name); id && is_published(*id)) {
            ids.push_back(*id);
        }
    }
    RH_ASSIGN(const std::vector<std::string> staged, io::list_directory(staging_));
    for (const std::string& name : staged) {
        const auto id = model::parse_upload_id(name);
        if (id && is_sealed(*id) && !is_published(*id)) {
            ids.push_back(*id);
        }
    }
    return ids;
}

}  // namespace rh::log
