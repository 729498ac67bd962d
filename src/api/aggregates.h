// GET /v1/aggregates: reads the request, asks aggregates::Reader, writes JSON, CSV or NDJSON.
//
// JSON always comes by pages. CSV and NDJSON without `limit` are the whole answer, streamed at one
// version with flat memory; with `limit` they are a page, as JSON is. A page that is not the last
// has `Link: <…>; rel="next"`. X-Roundhouse-Version names the version, and X-Total-Count the rows
// of all pages if count=exact was asked for.
//
// With partial=true an answer is given without the shards that do not answer; it says so in
// X-Roundhouse-Missing-Shards (in JSON and NDJSON also as `partial`), and has no ETag.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "clickhouse/store.h"
#include "http/router.h"

namespace rh::api {

// `store` must live as long as the router. `current_version` is the newest version that readers may
// see (uploads::Ledger::current_version); `check_complete` gives the error that is answered in
// place of the figures of a version (sink::LostUploads::check). Both are called from worker
// threads, once a request.
void add_aggregates_routes(http::Router& router, const clickhouse::Store& store,
                           std::function<Result<uint64_t>(bool partial)> current_version,
                           std::function<Result<void>(uint64_t version)> check_complete);

}  // namespace rh::api
