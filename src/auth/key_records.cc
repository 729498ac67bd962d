#include "auth/key_records.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

namespace rh::auth {
namespace {

std::optional<std::string> text_at(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::optional<std::string>(value->get_string())
                                                  : std::nullopt;
}

std::optional<Key> key_of(const boost::json::value& value) {
    if (!value.is_object()) {
        return std::nullopt;
    }
    const auto& object = value.get_object();
    const auto id = text_at(object, "id");
    const auto key_name = text_at(object, "name");
    const auto sha256 = text_at(object, "sha256");
    const auto* scopes = object.if_contains("scopes");
    const auto* created = object.if_contains("created_at");
    const auto* revoked = object.if_contains("revoked_at");
    if (!id || !key_name || !sha256 || scopes == nullptr || !scopes->is_array() ||
        created == nullptr || !created->is_int64()) {
        return std::nullopt;
    }
    Key key{.id = *id,
            .name = *key_name,
            .sha256 = *sha256,
            .scopes = {},
            .created_at = created->get_int64(),
            .revoked_at = std::nullopt};
    for (const auto& word : scopes->get_array()) {
        const auto scope = word.is_string() ? parse_scope(word.get_string()) : std::nullopt;
        if (!scope) {
            return std::nullopt;
        }
        key.scopes.push_back(*scope);
    }
    if (revoked != nullptr && revoked->is_int64()) {
        key.revoked_at = revoked->get_int64();
    } else if (revoked != nullptr && !revoked->is_null()) {
        return std::nullopt;
    }
    return key;
}

}  // namespace

std::string key_records(const std::vector<Key>& keys) {
    boost::json::array list;
    for (const Key& key : keys) {
        boost::json::array scopes;
        for (const http::Scope scope : key.scopes) {
            scopes.emplace_back(name(scope));
        }
        boost::json::object object{{"id", key.id},
                                   {"name", key.name},
                                   {"sha256", key.sha256},
                                   {"scopes", std::move(scopes)},
                                   {"created_at", key.created_at}};
        if (key.revoked_at) {
            object["revoked_at"] = *key.revoked_at;
        } else {
            object["revoked_at"] = nullptr;
        }
        list.emplace_back(std::move(object));
    }
    return boost::json::serialize(boost::json::object{{"keys", std::move(list)}}) + "\n";
}

Result<std::vector<Key>> parse_key_records(std::string_view text, std::string_view path) {
    const auto unreadable = [&] {
        return fail(ErrorKind::internal, "keys_unreadable",
                    fmt::format("{} is no list of keys. Restore it, or remove it and create the "
                                "keys again.",
                                path));
    };
    boost::system::error_code error;
    const auto value = boost::json::parse(text, error);
    const auto* list =
        error || !value.is_object() ? nullptr : value.get_object().if_contains("keys");
    if (list == nullptr || !list->is_array()) {
        return unreadable();
    }
    std::vector<Key> keys;
    for (const auto& item : list->get_array()) {
        auto key = key_of(item);
        if (!key) {
            return unreadable();
        }
        keys.push_back(std::move(*key));
    }
    return keys;
}

}  // namespace rh::auth
