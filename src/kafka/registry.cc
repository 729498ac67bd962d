#include "kafka/registry.h"

#include <array>
#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include <boost/json.hpp>
#include <boost/url.hpp>
#include <fmt/format.h>

#include "base/base64.h"

namespace rh::kafka {
namespace {

constexpr std::string_view kContentType = "application/vnd.schemaregistry.v1+json";
// The registry's own numbers for what is not there.
constexpr int kHttpNotFound = 404;
constexpr int kHttpConflict = 409;
constexpr int kHttpUnprocessable = 422;
constexpr int kRegisterRetries = 2;
constexpr auto kRegisterRetry = std::chrono::milliseconds(200);

std::unexpected<Error> refused(std::string_view subject, std::string_view said) {
    return fail(ErrorKind::conflict, "schema_refused",
                fmt::format("The schema registry refuses roundhouse's schema for subject {}: {} "
                            "Another program has registered a schema there that this one is not "
                            "compatible with; use another topic, or set the subject's "
                            "compatibility.",
                            subject, said));
}

std::unexpected<Error> registry_error(int status, std::string_view body) {
    const bool passes = status >= 500 || status == 429;
    const std::string text =
        fmt::format("The schema registry answered with status {}{}: {}", status,
                    status == kHttpNotFound ? " (registry.url must end where its API begins, with "
                                              "Apicurio at /apis/ccompat/v7)"
                                            : "",
                    body.substr(0, 500));
    return passes ? fail(ErrorKind::unavailable, "registry_unavailable", text, Verdict::retry)
                  : fail(ErrorKind::internal, "registry_error", text);
}

Result<int32_t> id_in(const std::string& body) {
    boost::system::error_code ignored;
    const auto value = boost::json::parse(body, ignored);
    const auto* object = value.if_object();
    const auto* id = object != nullptr ? object->if_contains("id") : nullptr;
    if (id == nullptr || !id->is_int64() || id->get_int64() < 0 || id->get_int64() > INT32_MAX) {
        return registry_error(200, body);
    }
    return static_cast<int32_t>(id->get_int64());
}

// True unless the body says {"is_compatible": false}.
bool is_compatible(const std::string& body) {
    boost::system::error_code ignored;
    const auto value = boost::json::parse(body, ignored);
    const auto* object = value.if_object();
    const auto* answer = object != nullptr ? object->if_contains("is_compatible") : nullptr;
    return answer == nullptr || !answer->is_bool() || answer->get_bool();
}

std::string schema_body(std::string_view schema) {
    return boost::json::serialize(boost::json::object{{"schema", schema}});
}

}  // namespace

Result<Registry> Registry::open(const std::string& text, const std::string& ca_file) {
    const auto url = boost::urls::parse_uri(text);
    const auto wrong = [&](std::string_view why) {
        return fail(ErrorKind::invalid_request, "registry_url",
                    fmt::format("The schema registry's URL {}. It looks like "
                                "http://registry:8081 or https://host:8443/apis/ccompat/v7.",
                                why));
    };
    if (!url) {
        return wrong("cannot be read");
    }
    const bool https = url->scheme() == "https";
    if (!https && url->scheme() != "http") {
        return wrong("is neither http nor https");
    }
    io::HttpClientOptions options;
    options.host = url->host_address();
    options.port = url->has_port() ? url->port_number() : (https ? 443 : 80);
    options.read_timeout_ms = 30'000;
    if (options.host.empty()) {
        return wrong("names no host");
    }
    if (https) {
        RH_ASSIGN(options.tls, io::TlsContext::create(ca_file));
    }
    std::string path = url->path();
    while (path.ends_with('/')) {
        path.pop_back();
    }
    std::string authorization;
    if (url->has_userinfo()) {
        authorization =
            "Basic " + base64_encode(fmt::format("{}:{}", url->user(), url->password()));
    }
    return Registry(io::HttpClient(std::move(options)), std::move(path), std::move(authorization));
}

Result<Registry::Answer> Registry::ask(std::string_view method, const std::string& target,
                                       std::string_view body) const {
    io::HttpRequest request;
    request.method = method;
    request.target = path_ + target;
    request.headers = {{"Accept", std::string(kContentType)}};
    if (!authorization_.empty()) {
        request.headers.emplace_back("Authorization", authorization_);
    }
    if (!body.empty()) {
        request.headers.emplace_back("Content-Type", std::string(kContentType));
        request.body = {&body, 1};
    }
    auto response = http_.send(request);
    auto text = response ? (*response)->read_all() : std::unexpected(response.error());
    if (!text) {
        return fail(ErrorKind::unavailable, "registry_unavailable",
                    fmt::format("The schema registry does not answer: {}", text.error().message),
                    Verdict::retry);
    }
    return Answer{(*response)->status(), std::move(*text)};
}

Result<int32_t> Registry::ensure(std::string_view subject, std::string_view schema) const {
    const std::string body = schema_body(schema);
    const std::string name = io::percent_encode(subject);
    // A subject without any version answers 404: everything is compatible with nothing.
    RH_ASSIGN(const Answer compatibility,
              ask("POST", fmt::format("/compatibility/subjects/{}/versions/latest", name), body));
    if (compatibility.status == 200 && !is_compatible(compatibility.body)) {
        return refused(subject, "it is not compatible with the latest version.");
    }
    if (compatibility.status != 200 && compatibility.status != kHttpNotFound) {
        return registry_error(compatibility.status, compatibility.body);
    }
    // Of two processes that register a new subject at the same moment Apicurio tells one that it is
    // there already, with the status of a schema that does not fit; asked again it gives the id.
    const std::string target = fmt::format("/subjects/{}/versions", name);
    RH_ASSIGN(Answer registered, ask("POST", target, body));
    for (int n = 0; n < kRegisterRetries && registered.status == kHttpConflict; ++n) {
        std::this_thread::sleep_for(kRegisterRetry);
        RH_ASSIGN(registered, ask("POST", target, body));
    }
    if (registered.status == kHttpConflict || registered.status == kHttpUnprocessable) {
        return refused(subject, registered.body.substr(0, 500));
    }
    if (registered.status != 200) {
        return registry_error(registered.status, registered.body);
    }
    return id_in(registered.body);
}

Result<std::optional<std::string>> Registry::schema(int32_t id) const {
    RH_ASSIGN(const Answer answer, ask("GET", fmt::format("/schemas/ids/{}", id), {}));
    if (answer.status == kHttpNotFound) {
        return std::nullopt;
    }
    boost::system::error_code ignored;
    const auto value = boost::json::parse(answer.body, ignored);
    const auto* object = value.if_object();
    const auto* text = object != nullptr ? object->if_contains("schema") : nullptr;
    if (answer.status != 200 || text == nullptr || !text->is_string()) {
        return registry_error(answer.status, answer.body);
    }
    return std::string(text->get_string());
}

void append_wire_header(int32_t schema_id, std::string& out) {
    const auto id = static_cast<uint32_t>(schema_id);
    out += '\0';
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += static_cast<char>(id >> shift);
    }
}

std::optional<WireValue> parse_wire_value(std::string_view value) {
    if (value.size() < kWireHeaderBytes || value[0] != '\0') {
        return std::nullopt;
    }
    uint32_t id = 0;
    for (size_t i = 1; i < kWireHeaderBytes; ++i) {
        id = id << 8 | static_cast<uint8_t>(value[i]);
    }
    return WireValue{static_cast<int32_t>(id), value.substr(kWireHeaderBytes)};
}

}  // namespace rh::kafka
