// A schema registry with Confluent's API (Confluent's own, Apicurio's ccompat): where the id of a
// schema comes from that every message names. Any thread.
//
// Errors: unavailable registry_unavailable (retry); invalid_request registry_url; conflict
// schema_refused when the registry says that the schema is not compatible with the ones before it;
// internal registry_error with what it said otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/http_client.h"

namespace rh::kafka {

class Registry {
  public:
    // http[s]://[user:password@]host[:port][/path]; for Apicurio the path is /apis/ccompat/v7.
    // `ca_file`: CA certificates for https. Errors: registry_url, tls_ca_file.
    static Result<Registry> open(const std::string& url, const std::string& ca_file);

    // The id under which the Avro schema stands in the subject; registered now if it does not.
    Result<int32_t> ensure(std::string_view subject, std::string_view schema) const;
    // The text of a schema as it was registered; nullopt if the registry has no such id.
    Result<std::optional<std::string>> schema(int32_t id) const;

  private:
    Registry(io::HttpClient http, std::string path, std::string authorization)
        : http_(std::move(http)),
          path_(std::move(path)),
          authorization_(std::move(authorization)) {}
    struct Answer {
        int status = 0;
        std::string body;
    };
    Result<Answer> ask(std::string_view method, const std::string& target,
                       std::string_view body) const;

    io::HttpClient http_;
    std::string path_;
    std::string authorization_;  // empty: none
};

// A message's value in the Confluent wire format: a zero byte, the schema's id in four bytes (big
// endian), the Avro record.
inline constexpr size_t kWireHeaderBytes = 5;
void append_wire_header(int32_t schema_id, std::string& out);
struct WireValue {
    int32_t schema_id = 0;
    std::string_view record;
};
// nullopt if the bytes are no such value.
std::optional<WireValue> parse_wire_value(std::string_view value);

}  // namespace rh::kafka
