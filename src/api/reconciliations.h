// POST and GET /v1/reconciliations, /v1/reconciliations/{id} and …/discrepancies: of an upload (a
// JSON body), or of a statement (a CSV body) against what is stored.
#pragma once

#include "http/router.h"
#include "reconcile/reconciler.h"

namespace rh::api {

// `reconciler` must live as long as the router.
void add_reconciliation_routes(http::Router& router, reconcile::Reconciler& reconciler);

// One resource; add_reconciliation_routes calls it.
void add_discrepancy_route(http::Router& router, const reconcile::Reconciler& reconciler);

}  // namespace rh::api
