// The text of DIR/keys.json:
//   {"keys":[{"id","name","sha256","scopes":["upload",…],"created_at","revoked_at"|null}]}
// Times are ms since 1970 UTC. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/keys.h"
#include "base/result.h"

namespace rh::auth {

std::string key_records(const std::vector<Key>& keys);
// `path` is for the message. Error internal keys_unreadable.
Result<std::vector<Key>> parse_key_records(std::string_view text, std::string_view path);

}  // namespace rh::auth
