// Which handler answers a request, and what is checked before it is called: method (405 with
// Allow), key and scope (401, 403), query parameters (an unknown one, or one given twice that is
// not repeatable, is a 400 that names it and the allowed ones). Filled at start, then constant; any
// thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/exchange.h"

namespace rh::http {

using Handler = std::function<Result<void>(Exchange&)>;

struct Route {
    std::string method;   // HEAD is answered by GET's route
    std::string pattern;  // "/v1/uploads/{id}"
    Scope scope = Scope::read;
    std::vector<std::string> query;  // allowed parameters; a name that ends in * is repeatable
    Handler handler;
};

class Router {
  public:
    void add(Route route);
    struct Match {
        const Route* route = nullptr;
        std::vector<std::pair<std::string, std::string>> path_parameters;
    };
    // Errors: not_found unknown_path; invalid_request method_not_allowed (problem.cc makes it a
    // 405).
    Result<Match> match(std::string_view method, std::string_view path) const;
    std::vector<std::string> allowed_methods(std::string_view path) const;

  private:
    std::vector<Route> routes_;
};

}  // namespace rh::http
