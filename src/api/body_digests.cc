#include "api/body_digests.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/base64.h"
#include "base/trim.h"
#include "http/text.h"

namespace rh::api {
namespace {

std::unexpected<Error> bad_digest(std::string message) {
    return fail(ErrorKind::invalid_request, "bad_digest", std::move(message));
}

}  // namespace

Result<std::optional<receive::Sha256>> read_digest(std::string_view header,
                                                   std::string_view header_name) {
    std::optional<receive::Sha256> digest;
    std::string others;
    for (const std::string_view item : http::list_items(header)) {
        const size_t equals = item.find('=');
        const std::string_view algorithm = item.substr(0, equals);
        if (equals != std::string_view::npos && !http::equal_ignoring_case(algorithm, "sha-256")) {
            others += fmt::format("{}{}", others.empty() ? "" : ", ", algorithm);
            continue;
        }
        const std::string_view value =
            equals == std::string_view::npos ? "" : trim_blanks(item.substr(equals + 1));
        const bool quoted = value.size() >= 2 && value.starts_with(':') && value.ends_with(':');
        const auto bytes = quoted ? base64_decode(value.substr(1, value.size() - 2)) : std::nullopt;
        if (!bytes || bytes->size() != std::tuple_size_v<receive::Sha256>) {
            return bad_digest(fmt::format("{} is not sha-256=:BASE64: (RFC 9530).", header_name));
        }
        digest.emplace();
        std::ranges::transform(*bytes, digest->begin(),
                               [](char c) { return static_cast<uint8_t>(c); });
    }
    if (!digest && !others.empty()) {
        return bad_digest(
            fmt::format("{} names {} only, and this server checks sha-256: send "
                        "sha-256=:BASE64: beside it, or leave the header out.",
                        header_name, others));
    }
    return digest;
}

Result<receive::DeclaredDigests> read_digests(const http::Request& request) {
    receive::DeclaredDigests declared;
    RH_ASSIGN(declared.content, read_digest(request.header("content-digest"), "Content-Digest"));
    RH_ASSIGN(declared.repr, read_digest(request.header("repr-digest"), "Repr-Digest"));
    return declared;
}

BodyDigests::BodyDigests(const receive::DeclaredDigests& declared, bool packed)
    : declared_(declared) {
    if (declared_.content || declared_.repr) {
        sent_.emplace();
    }
    if (declared_.repr && packed) {
        unpacked_.emplace();
    }
}

void BodyDigests::take_sent(std::string_view bytes) {
    if (sent_) {
        sent_->feed(bytes);
    }
}

void BodyDigests::take_unpacked(std::string_view bytes) {
    if (unpacked_) {
        unpacked_->feed(bytes);
    }
}

Result<void> BodyDigests::check() {
    if (!sent_) {
        return {};
    }
    const receive::Sha256 sent = sent_->finish();
    return receive::check_digests(
        declared_, {.sent = sent, .unpacked = unpacked_ ? unpacked_->finish() : sent});
}

std::string digest_header(std::string_view sha256_hex) {
    std::string bytes;
    for (size_t i = 0; i + 1 < sha256_hex.size(); i += 2) {
        const auto digit = [&](size_t at) {
            const char c = sha256_hex[at];
            return c <= '9' ? c - '0' : c - 'a' + 10;
        };
        bytes += static_cast<char>(digit(i) * 16 + digit(i + 1));
    }
    return fmt::format("sha-256=:{}:", base64_encode(bytes));
}

}  // namespace rh::api
