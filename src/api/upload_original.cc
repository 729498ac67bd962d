// GET /v1/uploads/{id}/original: the bytes as they were sent, unpacked.
#include <string>

#include <fmt/format.h>

#include "api/body_digests.h"
#include "api/uploads.h"
#include "http/negotiate.h"
#include "http/text.h"
#include "uploads/original.h"

namespace rh::api {
namespace {

using http::Exchange;

std::string type_of(csv::Encoding encoding) {
    return fmt::format("text/csv; charset={}", csv::name(encoding));
}

// What comes back is unpacked, so its name must not say that it is packed.
std::string unpacked_name(std::string name) {
    for (const std::string_view ending : {".gz", ".zst"}) {
        if (name.size() > ending.size() && http::to_lower(name).ends_with(ending)) {
            name.resize(name.size() - ending.size());
        }
    }
    return name;
}

Result<void> send_original(const UploadDependencies& dependencies, Exchange& exchange) {
    const http::Request& request = exchange.request();
    RH_ASSIGN(const uploads::Upload upload, find_upload(dependencies, request));
    const std::string etag = http::strong_etag(upload.sha256);
    const std::string filename = upload.request.filename.empty()
                                     ? upload.sha256 + ".csv"
                                     : unpacked_name(upload.request.filename);
    http::Headers headers = {{"ETag", etag},
                             {"Cache-Control", "private, no-cache"},
                             {"Repr-Digest", digest_header(upload.sha256)},
                             {"Content-Disposition", http::content_disposition(filename)}};
    if (http::matches_etag(request.header("if-none-match"), etag)) {
        return exchange.send({.status = 304, .headers = std::move(headers)});
    }
    RH_TRY(dependencies.layout.check_held_here(upload));
    RH_ASSIGN(auto reader, uploads::OriginalReader::open(dependencies.layout.original(upload.id)));
    headers.emplace_back("Content-Length", fmt::to_string(upload.bytes));
    RH_TRY(exchange.begin(200, type_of(upload.request.encoding), headers));
    uint64_t left = request.method == "HEAD" ? 0 : upload.bytes;
    while (left > 0) {
        RH_ASSIGN(const std::string_view piece, reader.next());
        if (piece.empty() || piece.size() > left) {
            return fail(ErrorKind::internal, "original_damaged",
                        "The original has another length than the ledger says.");
        }
        RH_TRY(exchange.write(piece));
        left -= piece.size();
    }
    return exchange.end();
}

}  // namespace

void add_upload_original_route(http::Router& router, const UploadDependencies& dependencies) {
    router.add({.method = "GET",
                .pattern = "/v1/uploads/{id}/original",
                .scope = http::Scope::read,
                .query = {},
                .handler = [dependencies](Exchange& exchange) {
                    return send_original(dependencies, exchange);
                }});
}

}  // namespace rh::api
