// The HTTP API as the client commands use it: base URL, bearer key, problems as Errors, pages.
// One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/config.h"
#include "base/result.h"
#include "io/http_client.h"

namespace boost::json {
class object;
}

namespace rh::cli {

// name → value, percent-encoded by the client; an empty value is left out.
using Query = std::vector<std::pair<std::string, std::string>>;

std::string with_query(std::string_view path, const Query& query);

// The server's sentences name parameters of the API; a person types flags.
std::string in_flags(std::string sentence);

class ApiClient {
  public:
    // Takes server, api_key and key_file of the settings. Errors: invalid_request bad_server_url
    // tls_ca_file, no_key_in_file; those of reading it.
    static Result<ApiClient> open(const app::Config& config);

    // The answer's JSON object (empty for an answer without a body). A status of 4xx or 5xx becomes
    // the Error that its problem describes; unavailable server_unreachable if nobody answers.
    Result<boost::json::object> get(const std::string& target) const;
    Result<boost::json::object> send(io::HttpRequest request) const;

    // What a path without JSON answers, whatever the status; no key is sent. A server that says
    // nothing for ten seconds is server_unreachable too.
    struct Plain {
        int status = 0;
        std::string text;
    };
    Result<Plain> get_plain(const std::string& target) const;

    // Follows next_cursor from page to page; `take` gets each page and says if it wants more.
    using TakePage = std::function<Result<bool>(boost::json::object& page)>;
    Result<void> pages(std::string_view path, const Query& query, const TakePage& take) const;

    const std::string& url() const { return url_; }

  private:
    Result<std::unique_ptr<io::HttpResponse>> ask(const io::HttpRequest& request) const;
    ApiClient(std::string url, std::string authorization, io::HttpClientOptions options);
    std::string url_;
    std::string authorization_;  // "Bearer …"; empty without a key
    std::unique_ptr<io::HttpClient> http_;
};

}  // namespace rh::cli
