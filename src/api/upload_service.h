// What the API asks of the machinery behind an upload: to go on with one that was received, and to
// stop, remove or void one. app/pipeline.h implements it; handlers call it from worker threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/result.h"
#include "model/upload_id.h"
#include "uploads/upload.h"

namespace rh::api {

class UploadService {
  public:
    virtual ~UploadService() = default;

    // Queues an upload that was created (or started again) for validating, publishing, storing.
    // `receive_ms`: how long receiving it took, from before its first byte was read until the
    // ledger knew it; for metrics.
    virtual void submit(const model::UploadId& id, int64_t receive_ms) = 0;
    // An upload that this process knows only because another one, which received it, says so; such
    // an upload is error not_found upload_elsewhere for all calls below.
    virtual std::optional<uploads::Upload> find_elsewhere(const model::UploadId& id) const = 0;
    // Why the stage of an upload that runs could not go on, and is tried again.
    virtual std::optional<Error> waits_for(const model::UploadId& id) const = 0;
    // Stops an upload that is not final; the answer is the upload as it then stands. Errors:
    // not_found upload_not_found; conflict upload_finished.
    virtual Result<uploads::Upload> cancel(const model::UploadId& id) = 0;
    // Forgets an upload that is not stored, with its files and rows; one that runs is cancelled
    // first. Errors: not_found upload_not_found; conflict upload_stored, upload_voided.
    virtual Result<void> remove(const model::UploadId& id) = 0;
    // Takes a stored upload out of the figures; one that is voided already is left as it is.
    // Errors: not_found upload_not_found; conflict upload_not_stored.
    virtual Result<uploads::Upload> void_upload(const model::UploadId& id) = 0;
    // Waits until the upload is final, at most `seconds`, or until `stopping()` says true (asked a
    // few times a second); the answer is the upload as it then stands, final or not. Errors:
    // not_found upload_not_found.
    virtual Result<uploads::Upload> wait_final(const model::UploadId& id, unsigned seconds,
                                               const std::function<bool()>& stopping) = 0;
};

}  // namespace rh::api
