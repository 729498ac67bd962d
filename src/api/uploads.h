// /v1/uploads and what is below it: receive a file, list, state, rejects, original, events, cancel,
// delete, void. Handlers parse, call one room, and write; they hold nothing.
#pragma once

#include <functional>

#include "api/idempotency.h"
#include "api/upload_service.h"
#include "http/router.h"
#include "receive/receiver.h"
#include "uploads/layout.h"
#include "uploads/ledger.h"
#include "uploads/progress.h"

namespace rh::api {

// All outlive the router.
struct UploadDependencies {
    receive::Receiver& receiver;
    const uploads::Layout& layout;
    uploads::Ledger& ledger;
    uploads::ProgressBoard& board;
    UploadService& service;
    IdempotencyStore& idempotency;
    // Stored, and ClickHouse has lost it (sink::LostUploads::contains).
    std::function<bool(const model::UploadId&)> is_lost;
};

void add_upload_routes(http::Router& router, const UploadDependencies& dependencies);

// One resource each; add_upload_routes calls them.
void add_upload_post_route(http::Router& router, const UploadDependencies& dependencies);
void add_upload_reject_routes(http::Router& router, const UploadDependencies& dependencies);
void add_upload_original_route(http::Router& router, const UploadDependencies& dependencies);
void add_upload_event_route(http::Router& router, const UploadDependencies& dependencies);

// The upload that the path names, also one that another process received (held_by). Error not_found
// upload_not_found, also for what is no id.
Result<uploads::Upload> find_upload(const UploadDependencies& dependencies,
                                    const http::Request& request);
// Adds what is true at this moment only, and not kept in the ledger: warning `waiting` if its stage
// could not go on and is tried again, figures_incomplete if it is lost; of a dry run what the file
// would meet (would_be_duplicate, would_be_refused).
void add_passing_warnings(const UploadDependencies& dependencies, uploads::Upload& upload);
// The JSON of an upload with its progress, its passing warnings, and the first faults of a refused
// one.
std::string current_upload_json(const UploadDependencies& dependencies, uploads::Upload upload,
                                bool duplicate = false);

}  // namespace rh::api
