// `/`: a page that lists the newest uploads and says what to call.
#pragma once

#include <functional>

#include "http/router.h"
#include "uploads/ledger.h"

namespace rh::api {

// `ledger` must live as long as the router. `open` says whether everybody may read (no API keys):
// with keys a browser, which sends none, is not shown the uploads.
void add_home_route(http::Router& router, const uploads::Ledger& ledger,
                    std::function<bool()> open);

}  // namespace rh::api
