#include "api/contract.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "api/docs_page.h"
#include "api/page.h"
#include "base/assert.h"
#include "base/embedded.h"
#include "base/trim.h"
#include "http/problem.h"
#include "http/text.h"

namespace rh::api {

std::span<const EmbeddedFile> contract_files();

namespace {

using http::Exchange;

std::string_view file_named(std::string_view name) {
    for (const EmbeddedFile& file : contract_files()) {
        if (file.name == name) {
            return file.text;
        }
    }
    RH_ASSERT(false);
    return {};
}

// "| `code` | 400 | meaning | remedy |"
std::optional<ProblemEntry> parse_row(std::string_view line) {
    if (!line.starts_with("| `")) {
        return std::nullopt;
    }
    std::vector<std::string_view> cells;
    while (line.size() > 1) {
        line.remove_prefix(1);
        const size_t end = std::min(line.find('|'), line.size());
        cells.push_back(trim_blanks(line.substr(0, end)));
        line.remove_prefix(end);
    }
    RH_ASSERT(cells.size() == 4 && cells[0].size() > 2);
    return ProblemEntry{.section = "",
                        .code = cells[0].substr(1, cells[0].size() - 2),
                        .status = cells[1],
                        .meaning = cells[2],
                        .remedy = cells[3]};
}

std::vector<ProblemEntry> parse_entries(std::string_view text) {
    constexpr std::string_view kHeading = "## ";
    std::vector<ProblemEntry> entries;
    std::string_view section;
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        if (line.starts_with(kHeading)) {
            section = line.substr(kHeading.size());
        } else if (auto entry = parse_row(line)) {
            entry->section = section;
            entries.push_back(*entry);
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return entries;
}

Result<void> send_problem_page(Exchange& exchange) {
    const std::string_view code = exchange.request().parameter("code");
    const auto found = std::ranges::find(problem_entries(), code, &ProblemEntry::code);
    if (found == problem_entries().end()) {
        return fail(ErrorKind::not_found, "unknown_path",
                    fmt::format("There is no problem {}; /problems lists them.", code));
    }
    return exchange.send(page_response(
        http::title_of(code),
        fmt::format("<h1>{}</h1><p><code>{}</code>, status {}</p><h2>What it means</h2><p>{}</p>"
                    "<h2>What to do</h2><p>{}</p><p><a href=\"/problems\">All problems</a></p>",
                    html_text(http::title_of(code)), html_text(code), found->status,
                    html_text(found->meaning), html_text(found->remedy))));
}

Result<void> send_problem_list(Exchange& exchange) {
    std::string body =
        "<h1>Problems</h1><p>Every error is <code>application/problem+json</code>. Its "
        "<code>code</code> is one of these and never changes its meaning; <code>detail</code> says "
        "what happened this time, and the server's log has more under <code>trace_id</code>.</p>";
    std::string_view section;
    for (const ProblemEntry& entry : problem_entries()) {
        if (entry.section != section) {
            body += section.empty() ? "" : "</tbody></table>";
            section = entry.section;
            body += fmt::format(
                "<h2>{}</h2><table><thead><tr><th>code</th><th>status</th><th>meaning</th>"
                "<th>remedy</th></tr></thead><tbody>",
                html_text(section));
        }
        body += fmt::format(
            "<tr><td><a href=\"/problems/{0}\"><code>{0}</code></a></td><td>{1}</td><td>{2}</td>"
            "<td>{3}</td></tr>",
            html_text(entry.code), entry.status, html_text(entry.meaning), html_text(entry.remedy));
    }
    return exchange.send(page_response("Problems", body + "</tbody></table>"));
}

void add(http::Router& router, std::string pattern, http::Handler handler) {
    router.add({.method = "GET",
                .pattern = std::move(pattern),
                .scope = http::Scope::none,
                .query = {},
                .handler = std::move(handler)});
}

}  // namespace

std::string_view openapi_json() { return file_named("openapi.json"); }

const std::vector<ProblemEntry>& problem_entries() {
    static const std::vector<ProblemEntry> kEntries = parse_entries(file_named("problems.md"));
    return kEntries;
}

void add_contract_routes(http::Router& router) {
    add(router, "/openapi.json", [](Exchange& exchange) {
        return exchange.send(
            {.body = std::string(openapi_json()), .headers = {{"Cache-Control", "no-cache"}}});
    });
    add(router, "/docs", [](Exchange& exchange) {
        static const std::string kBody = docs_body(openapi_json());
        return exchange.send(page_response("API", kBody));
    });
    add(router, "/problems", send_problem_list);
    add(router, "/problems/{code}", send_problem_page);
    add(router, "/style.css", [](Exchange& exchange) {
        return exchange.send({.content_type = "text/css; charset=utf-8",
                              .body = std::string(file_named("style.css")),
                              .headers = {{"Cache-Control", "no-cache"}}});
    });
}

}  // namespace rh::api
