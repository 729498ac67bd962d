#include "cli/listing.h"

#include <optional>
#include <set>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/json.h"
#include "cli/output.h"
#include "cli/text.h"

namespace rh::cli {
namespace {

// Writes {"data":[items of all pages],rest of the last page}.
class JsonPages {
  public:
    Result<void> add(const boost::json::object& page) {
        std::string out = begun_ ? "" : R"({"data":[)";
        begun_ = true;
        if (const auto* data = page.if_contains("data"); data && data->is_array()) {
            for (const auto& item : data->get_array()) {
                out += (any_ ? "," : "") + json_text(item);
                any_ = true;
            }
        }
        last_ = page;
        return write_out(out);
    }
    Result<void> finish() {
        last_.erase("data");
        const std::string rest = json_text(last_);
        return write_out((last_.empty() ? "]}" : "]," + rest.substr(1)) + "\n");
    }

  private:
    bool begun_ = false;
    bool any_ = false;
    boost::json::object last_;
};

// Of an answer that was asked for without those that do not answer.
std::set<std::string> missing_shards(const boost::json::object& page) {
    std::set<std::string> shards;
    const auto& partial = object_at(page, "partial");
    if (const auto* list = partial.if_contains("missing_shards"); list && list->is_array()) {
        for (const auto& shard : list->get_array()) {
            shards.insert(text_of(shard));
        }
    }
    return shards;
}

Cells values_of(const boost::json::object& item, const Cells& names) {
    Cells values;
    for (const auto& name : names) {
        values.push_back(text_at(item, name));
    }
    return values;
}

class RowPages {
  public:
    RowPages(RowFormat format, const Cells& header, const ItemCells& cells)
        : format_(format), header_(header), cells_(cells) {}

    Result<void> add(const boost::json::object& page) {
        const auto* data = page.if_contains("data");
        if (data == nullptr || !data->is_array() || data->get_array().empty()) {
            return {};
        }
        const auto& items = data->get_array();
        const bool by_names = cells_ == nullptr;
        std::vector<Cells> rows;
        for (const auto& item : items) {
            if (by_names) {
                rows.push_back(values_of(item.get_object(), header_));
            } else {
                for (auto& row : cells_(item.get_object())) {
                    rows.push_back(std::move(row));
                }
            }
        }
        return printer().print(rows);
    }
    Result<void> finish() { return printer().finish(); }

  private:
    RowPrinter& printer() {
        if (!printer_) {
            printer_.emplace(format_, header_);
        }
        return *printer_;
    }
    RowFormat format_;
    Cells header_;
    const ItemCells& cells_;
    std::optional<RowPrinter> printer_;
};

}  // namespace

void add_listing(CLI::App& command, Listing& listing) {
    command.add_option("--limit", listing.limit, "Rows of a page")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000));
    command.add_flag("--all", listing.all, "Every page, not only the first");
    command
        .add_option("--format", listing.format,
                    "table or csv; without it a table on a terminal, else CSV")
        ->check(CLI::IsMember({"table", "csv"}));
}

Result<void> print_listing(const ApiClient& api, std::string_view path, Query query,
                           const Listing& listing, bool json, const Cells& header,
                           const ItemCells& cells) {
    query.emplace_back("limit", std::to_string(listing.limit));
    JsonPages json_pages;
    RowPages row_pages(row_format(listing.format), header, cells);
    bool more = false;
    bool any = false;
    std::set<std::string> missing;
    RH_TRY(api.pages(path, query, [&](boost::json::object& page) -> Result<bool> {
        RH_TRY(json ? json_pages.add(page) : row_pages.add(page));
        more = !text_at(page, "next_cursor").empty();
        missing.merge(missing_shards(page));
        const auto* data = page.if_contains("data");
        any = any || (data != nullptr && data->is_array() && !data->get_array().empty());
        return listing.all;
    }));
    RH_TRY(json ? json_pages.finish() : row_pages.finish());
    if (!missing.empty()) {
        say(
            fmt::format("These are not all figures: the rows of {} are missing, which {} not "
                        "answer.",
                        fmt::join(missing, ", "), missing.size() > 1 ? "do" : "does"));
    }
    if (!any && !json) {
        say("There are no such rows.");
    }
    if (more && !listing.all && !json) {
        say(fmt::format("These are the first {} only; --all prints every one.",
                        counted(listing.limit, "row")));
    }
    return {};
}

}  // namespace rh::cli
