#include "auth/keys.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <system_error>
#include <tuple>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include "auth/key_records.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/trim.h"
#include "base/utf8.h"
#include "http/text.h"
#include "io/file.h"

namespace rh::auth {
namespace {

constexpr std::string_view kPrefix = "rh_";
constexpr size_t kKeyBytes = 32;
constexpr size_t kIdBytes = 8;
constexpr size_t kNameBytesMax = 64;
constexpr std::array kScopes = {http::Scope::upload, http::Scope::read, http::Scope::reconcile,
                                http::Scope::admin};

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(c));
    }
    return text;
}

std::string sha256_hex(std::string_view text) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    return hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

Result<std::string> random_bytes(size_t count) {
    std::string bytes(count, '\0');
    if (::RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) !=
        1) {
        return fail(ErrorKind::internal, "no_randomness",
                    "The system gives no random bytes for a key.");
    }
    return bytes;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool is_key_name(std::string_view name) {
    return !name.empty() && name.size() <= kNameBytesMax && is_valid_utf8(name) &&
           std::ranges::all_of(
               name, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

}  // namespace

std::string_view name(http::Scope scope) {
    switch (scope) {
        case http::Scope::none:
            return "none";
        case http::Scope::upload:
            return "upload";
        case http::Scope::read:
            return "read";
        case http::Scope::reconcile:
            return "reconcile";
        case http::Scope::admin:
            return "admin";
    }
    return "";
}

std::optional<http::Scope> parse_scope(std::string_view text) {
    const auto found =
        std::ranges::find(kScopes, text, [](http::Scope scope) { return name(scope); });
    return found == kScopes.end() ? std::nullopt : std::optional(*found);
}

Result<std::vector<http::Scope>> parse_scopes(std::string_view text) {
    std::vector<http::Scope> scopes;
    for (const std::string_view word : http::list_items(text)) {
        const auto scope = parse_scope(word);
        if (!scope) {
            return fail(
                ErrorKind::invalid_request, "unknown_scope",
                fmt::format("{} is no scope; there are upload, read, reconcile and admin.", word));
        }
        if (std::ranges::find(scopes, *scope) == scopes.end()) {
            scopes.push_back(*scope);
        }
    }
    if (scopes.empty()) {
        return fail(ErrorKind::invalid_request, "unknown_scope",
                    "Name at least one scope: upload, read, reconcile, admin.");
    }
    return scopes;
}

Result<std::vector<Key>> KeyFile::list() const {
    if (!io::exists(path_)) {
        return std::vector<Key>{};
    }
    RH_ASSIGN(const std::string text, io::read_file(path_));
    return parse_key_records(text, path_);
}

namespace {

// Nobody else may read a byte of it at any moment.
Result<void> write_for_owner(const std::string& path, std::string_view text) {
    const std::string staged = path + ".tmp";
    RH_ASSIGN(io::File file, io::File::create(staged));
    using std::filesystem::perms;
    std::error_code error;
    std::filesystem::permissions(staged, perms::owner_read | perms::owner_write, error);
    if (error) {
        return fail(ErrorKind::internal, "file_error",
                    fmt::format("Cannot keep {} to its owner: {}.", staged, error.message()));
    }
    RH_TRY(file.write_all(text));
    RH_TRY(file.sync());
    RH_TRY(file.close());
    return io::rename_durably(staged, path);
}

}  // namespace

Result<void> KeyFile::write(const std::vector<Key>& keys) const {
    return write_for_owner(path_, key_records(keys));
}

Result<KeyFile::Created> KeyFile::make(std::string_view key_name, std::vector<http::Scope> scopes) {
    if (!is_key_name(key_name)) {
        return fail(ErrorKind::invalid_request, "bad_key_name",
                    fmt::format("A key's name has 1 to {} bytes and no control characters.",
                                kNameBytesMax));
    }
    if (scopes.empty()) {
        return fail(ErrorKind::invalid_request, "unknown_scope",
                    "Name at least one scope: upload, read, reconcile, admin.");
    }
    RH_ASSIGN(const std::string random, random_bytes(kKeyBytes));
    RH_ASSIGN(const std::string id, random_bytes(kIdBytes));
    Created created;
    created.secret = fmt::format("{}{}", kPrefix, base64url_encode(random));
    created.key = {.id = hex(id),
                   .name = std::string(key_name),
                   .sha256 = sha256_hex(created.secret),
                   .scopes = std::move(scopes),
                   .created_at = now_ms(),
                   .revoked_at = std::nullopt};
    return created;
}

Result<KeyFile::Created> KeyFile::create(std::string_view key_name,
                                         std::vector<http::Scope> scopes) {
    RH_ASSIGN(Created created, make(key_name, std::move(scopes)));
    RH_ASSIGN(auto keys, list());
    keys.push_back(created.key);
    RH_TRY(write(keys));
    return created;
}

Result<void> KeyFile::ensure_first(const std::string& secret_file) {
    RH_ASSIGN(const auto keys, list());
    if (!keys.empty()) {
        return {};
    }
    RH_ASSIGN(const Created created, make("first", {http::Scope::admin}));
    RH_TRY(write_for_owner(secret_file, created.secret + "\n"));
    return write({created.key});
}

Result<Key> KeyFile::revoke(std::string_view which) {
    RH_ASSIGN(auto keys, list());
    Key* found = nullptr;
    for (Key& key : keys) {
        if (key.id == which) {
            found = &key;
            break;
        }
        if (key.name == which && !key.revoked_at) {
            if (found != nullptr) {
                return fail(ErrorKind::conflict, "key_ambiguous",
                            fmt::format("Several keys are named {}; name the one to revoke by its "
                                        "id.",
                                        which));
            }
            found = &key;
        }
    }
    if (found == nullptr) {
        return fail(ErrorKind::not_found, "key_not_found",
                    fmt::format("There is no key with the id or name {}.", which));
    }
    if (!found->revoked_at) {
        found->revoked_at = now_ms();
        RH_TRY(write(keys));
    }
    return *found;
}

Result<std::unique_ptr<KeyRing>> KeyRing::open(const std::string& data_directory) {
    std::unique_ptr<KeyRing> ring(new KeyRing(data_directory));
    const std::lock_guard lock(ring->mutex_);
    RH_TRY(ring->refresh());
    return ring;
}

KeyRing::Stamp KeyRing::stamp_of(const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) {
        return {};
    }
    return {.inode = info.st_ino,
            .size = info.st_size,
            .modified_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

Result<void> KeyRing::refresh() {
    const Stamp stamp = stamp_of(file_.path());
    if (stamp == stamp_) {
        return {};
    }
    auto keys = file_.list();
    if (!keys) {
        return fail(ErrorKind::unavailable, "keys_unreadable", keys.error().message);
    }
    if (keys->empty() && !keys_.empty()) {
        // A key file that vanishes must not open the server to everybody.
        return fail(ErrorKind::unavailable, "keys_unreadable",
                    fmt::format("{} has no keys any more; restart the server to run without keys.",
                                file_.path()));
    }
    keys_ = std::move(*keys);
    stamp_ = stamp;
    return {};
}

bool KeyRing::has_keys() {
    const std::lock_guard lock(mutex_);
    std::ignore = refresh();  // what was known counts as long as it cannot be read
    return !keys_.empty();
}

Result<http::Principal> KeyRing::authenticate(std::string_view authorization) {
    const std::lock_guard lock(mutex_);
    RH_TRY(refresh());
    if (keys_.empty()) {
        return http::Principal{.key_id = "", .key_name = "", .scopes = {http::Scope::admin}};
    }
    if (authorization.empty()) {
        return fail(ErrorKind::unauthorized, "missing_key",
                    "Send an API key: Authorization: Bearer rh_… (roundhouse keys create makes "
                    "one).");
    }
    const size_t blank = authorization.find(' ');
    const std::string_view scheme = authorization.substr(0, blank);
    const std::string_view secret =
        blank == std::string_view::npos ? "" : trim_blanks(authorization.substr(blank + 1));
    if (!http::equal_ignoring_case(scheme, "bearer") || !secret.starts_with(kPrefix)) {
        return fail(ErrorKind::unauthorized, "invalid_key",
                    "The Authorization header is not Bearer rh_….");
    }
    const std::string digest = sha256_hex(secret);
    const Key* found = nullptr;
    for (const Key& key : keys_) {
        if (equal_in_constant_time(key.sha256, digest)) {
            found = &key;
        }
    }
    if (found == nullptr || found->revoked_at) {
        return fail(ErrorKind::unauthorized, "invalid_key",
                    "The API key is unknown or was revoked.");
    }
    return http::Principal{.key_id = found->id, .key_name = found->name, .scopes = found->scopes};
}

bool is_loopback(std::string_view address) {
    const bool four = address.starts_with("127.") &&
                      address.find_first_not_of("0123456789.") == std::string_view::npos &&
                      std::ranges::count(address, '.') == 3;
    return four || address == "::1" || address == "[::1]" || address == "localhost";
}

}  // namespace rh::auth
