// API keys: made by the command line, checked by the server. DIR/keys.json (mode 0600, replaced
// durably as a whole) holds a SHA-256 of each key, never the key: a key is 256 random bits, which
// nobody can guess, so a slow password hash would only slow every request. A key is shown once,
// when it is made, and reads rh_ and 43 characters, so that scanners for leaked secrets know it.
//
// KeyFile is used by one thread; KeyRing by any.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/exchange.h"
#include "http/server.h"

namespace rh::auth {

struct Key {
    std::string id;      // 16 hex digits, the public name of the key in list and revoke
    std::string name;    // for people; 1 to 64 characters without control characters
    std::string sha256;  // hex, of the whole key
    std::vector<http::Scope> scopes;
    int64_t created_at = 0;  // ms since 1970 UTC
    std::optional<int64_t> revoked_at;
};

// "upload", "read", "reconcile", "admin"; nullopt for others.
std::optional<http::Scope> parse_scope(std::string_view text);
std::string_view name(http::Scope scope);
// "upload,read" → both. Error invalid_request unknown_scope.
Result<std::vector<http::Scope>> parse_scopes(std::string_view text);

class KeyFile {
  public:
    explicit KeyFile(const std::string& data_directory) : path_(data_directory + "/keys.json") {}

    const std::string& path() const { return path_; }
    // In the order of creation; none when there is no file. Error internal keys_unreadable.
    Result<std::vector<Key>> list() const;

    struct Created {
        Key key;
        std::string secret;  // rh_…; kept nowhere
    };
    // Errors: invalid_request bad_key_name, unknown_scope (no scope); storage_full.
    Result<Created> create(std::string_view name, std::vector<http::Scope> scopes);
    // Unless there are keys (also revoked ones): makes one of scope admin, named "first", and puts
    // it into the file, which only its owner may read. A crash in between leaves a file whose key
    // opens nothing, and the next call makes another. Errors: those of create().
    Result<void> ensure_first(const std::string& secret_file);
    // `which`: id or name. A revoked key stays in the list. Errors: not_found key_not_found;
    // conflict key_ambiguous (several live keys of that name).
    Result<Key> revoke(std::string_view which);

  private:
    Result<void> write(const std::vector<Key>& keys) const;
    static Result<Created> make(std::string_view name, std::vector<http::Scope> scopes);
    std::string path_;
};

// The server's view of the key file, read again whenever the file changed. Without any key (also
// revoked ones) every request is allowed everything: the server then must listen on loopback only.
class KeyRing {
  public:
    // Error internal keys_unreadable.
    static Result<std::unique_ptr<KeyRing>> open(const std::string& data_directory);

    // `authorization`: the header, "Bearer rh_…". Errors: unauthorized missing_key, invalid_key.
    // A key file that cannot be read any more refuses everybody (unavailable keys_unreadable).
    Result<http::Principal> authenticate(std::string_view authorization);
    bool has_keys();

  private:
    explicit KeyRing(const std::string& data_directory) : file_(data_directory) {}
    Result<void> refresh();

    struct Stamp {  // of the file, to see that it changed
        uint64_t inode = 0;
        int64_t size = -1;
        int64_t modified_ns = 0;
        bool operator==(const Stamp&) const = default;
    };
    static Stamp stamp_of(const std::string& path);

    std::mutex mutex_;  // guards all below
    KeyFile file_;
    Stamp stamp_;
    std::vector<Key> keys_;
};

// "127.0.0.1" and all of 127/8, "::1", "localhost".
bool is_loopback(std::string_view address);

}  // namespace rh::auth
