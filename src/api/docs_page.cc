#include "api/docs_page.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "api/page.h"

namespace rh::api {
namespace {

namespace json = boost::json;

std::string text_at(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

// Follows {"$ref": "#/a/b/c"} inside `root`.
const json::object& resolved(const json::object& root, const json::value& value) {
    const json::object& object = value.as_object();
    const auto* reference = object.if_contains("$ref");
    if (reference == nullptr) {
        return object;
    }
    std::string_view path = std::string_view(reference->as_string()).substr(2);
    const json::object* at = &root;
    while (true) {
        const size_t slash = path.find('/');
        at = &at->at(path.substr(0, slash)).as_object();
        if (slash == std::string_view::npos) {
            return *at;
        }
        path.remove_prefix(slash + 1);
    }
}

// "integer, 1 to 10000, default 100", "one of a, b".
std::string schema_text(const json::object& root, const json::value& value) {
    const json::object& schema = resolved(root, value);
    std::string text = text_at(schema, "type");
    if (const auto* choices = schema.if_contains("enum")) {
        text = "one of ";
        for (const auto& choice : choices->as_array()) {
            text += text == "one of " ? "" : ", ";
            text += choice.is_string() ? std::string(choice.get_string()) : json::serialize(choice);
        }
    }
    for (const auto& [key, words] : {std::pair<std::string_view, std::string_view>{"format", ", "},
                                     {"minimum", ", from "},
                                     {"maximum", " to "},
                                     {"maxLength", ", length at most "},
                                     {"maxItems", ", items at most "},
                                     {"default", ", default "}}) {
        if (const auto* limit = schema.if_contains(key)) {
            text += words;
            text += limit->is_string() ? std::string(limit->get_string()) : json::serialize(*limit);
        }
    }
    if (const auto* items = schema.if_contains("items")) {
        text += fmt::format(" of {}", schema_text(root, *items));
    }
    return text;
}

std::string parameters_html(const json::object& root, const json::object& operation) {
    const auto* parameters = operation.if_contains("parameters");
    if (parameters == nullptr) {
        return "";
    }
    std::string rows;
    for (const auto& value : parameters->as_array()) {
        const json::object& parameter = resolved(root, value);
        rows +=
            fmt::format("<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>",
                        html_text(text_at(parameter, "name")), html_text(text_at(parameter, "in")),
                        html_text(schema_text(root, parameter.at("schema"))),
                        html_text(text_at(parameter, "description")));
    }
    return fmt::format(
        "<table><thead><tr><th>parameter</th><th>in</th><th>values</th><th>meaning</th></tr>"
        "</thead><tbody>{}</tbody></table>",
        rows);
}

// "text/csv, multipart/form-data"
std::string types_of(const json::object& message) {
    std::string types;
    if (const auto* content = message.if_contains("content")) {
        for (const auto& [type, ignored] : content->as_object()) {
            types += types.empty() ? "" : ", ";
            types += type;
        }
    }
    return types;
}

std::string body_html(const json::object& operation) {
    const auto* body = operation.if_contains("requestBody");
    return body == nullptr ? ""
                           : fmt::format("<p>Body: <code>{}</code></p>",
                                         html_text(types_of(body->as_object())));
}

std::string responses_html(const json::object& root, const json::object& operation) {
    std::string rows;
    for (const auto& [status, value] : operation.at("responses").as_object()) {
        const json::object& response = resolved(root, value);
        const std::string_view shown = status == "default" ? "4xx, 5xx" : std::string_view(status);
        rows +=
            fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", html_text(shown),
                        html_text(text_at(response, "description")), html_text(types_of(response)));
    }
    return fmt::format(
        "<table><thead><tr><th>status</th><th>answer</th><th>types</th></tr></thead>"
        "<tbody>{}</tbody></table>",
        rows);
}

std::string upper(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return result;
}

// All calls in one table, each with a link to its description.
std::string contents_html(const json::object& root) {
    std::string rows;
    for (const auto& [path, item] : root.at("paths").as_object()) {
        for (const auto& [method, operation] : item.as_object()) {
            const json::object& call = operation.as_object();
            rows += fmt::format(
                "<tr><td class=\"method\">{}</td><td><code>{}</code></td>"
                "<td><a href=\"#{}\">{}</a></td></tr>",
                upper(method), html_text(std::string_view(path)),
                html_text(text_at(call, "operationId")), html_text(text_at(call, "summary")));
        }
    }
    return fmt::format("<table><tbody>{}</tbody></table>", rows);
}

}  // namespace

std::string docs_body(std::string_view openapi_json) {
    const json::value document = json::parse(openapi_json);
    const json::object& root = document.as_object();
    const json::object& info = root.at("info").as_object();
    std::string html = fmt::format("<h1>{}</h1><p>{}</p>", html_text(text_at(info, "title")),
                                   html_text(text_at(info, "description")));
    html += contents_html(root);
    for (const auto& [path, item] : root.at("paths").as_object()) {
        html += fmt::format("<h2><code>{}</code></h2>", html_text(std::string_view(path)));
        for (const auto& [method, operation] : item.as_object()) {
            const json::object& call = operation.as_object();
            html += fmt::format("<h3 id=\"{}\"><span class=\"method\">{}</span> {}</h3>",
                                html_text(text_at(call, "operationId")), upper(method),
                                html_text(text_at(call, "summary")));
            if (const std::string text = text_at(call, "description"); !text.empty()) {
                html += fmt::format("<p>{}</p>", html_text(text));
            }
            html += body_html(call);
            html += parameters_html(root, call);
            html += responses_html(root, call);
        }
    }
    return html;
}

}  // namespace rh::api
