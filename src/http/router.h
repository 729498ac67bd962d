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
    // The handler may wait long for the client's body or for the work behind it (uploads,
    // statements): such routes together get at most half of the worker threads. Answers that
    // clients take their time for get a third (slot.h), so short requests find one.
    bool slow = false;
    // A key of this scope may call it too: who may begin a piece of work may follow it.
    Scope or_scope = Scope::none;
    // Needs the scope only with this query parameter; empty: always.
    std::string scope_with = {};
};

class Router {
  public:
    void add(Route route);
    struct Match {
        const Route* route = nullptr;
        std::vector<std::pair<std::string, std::string>> path_parameters;
    };
    // `path` is decoded. Errors: not_found unknown_path; invalid_request method_not_allowed
    // (problem.cc makes it a 405).
    Result<Match> match(std::string_view method, std::string_view path) const;
    // With HEAD where GET is, and OPTIONS; empty for an unknown path.
    std::vector<std::string> allowed_methods(std::string_view path) const;

  private:
    std::vector<Route> routes_;
};

// Errors: invalid_request unknown_parameter, repeated_parameter.
Result<void> check_query(const Route& route, const Request& request);

}  // namespace rh::http
