#include "api/refusal.h"

#include <string>

#include "http/problem.h"

namespace rh::api {

http::Response refusal(const Error& error, const http::Request& request,
                       std::string_view accept_post) {
    http::Response response = http::problem(error, request.path, request.trace_id);
    if (error.code == "unsupported_media_type") {
        response.headers.emplace_back("Accept-Post", std::string(accept_post));
    } else if (error.code == "unsupported_encoding") {
        response.headers.emplace_back("Accept-Encoding", "gzip, zstd");
    }
    return response;
}

}  // namespace rh::api
