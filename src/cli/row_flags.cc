#include "cli/row_flags.h"

#include <CLI/CLI.hpp>

#include "cli/text.h"

namespace rh::cli {

void add_row_flags(CLI::App& command, RowFlags& flags) {
    command.add_option("--encoding", flags.encoding,
                       "utf-8, utf-16le, utf-16be or windows-1252; detected without it");
    command.add_option("--delimiter", flags.delimiter, ", ; | or tab; detected without it")
        ->check([](const std::string& text) {
            return parse_delimiter(text) ? "" : "must be one of , ; | or tab";
        });
    command.add_option("--timezone", flags.timezone,
                       "Offset of timestamps that have none of their own, like +02:00; UTC without "
                       "it");
    command
        .add_option("--empty-amount", flags.empty_amount,
                    "What an empty amount means: zero or reject")
        ->check(CLI::IsMember({"zero", "reject"}));
    command.add_flag("--allow-negative", flags.allow_negative, "Accept negative amounts");
}

Query query_of(const RowFlags& flags) {
    const auto delimiter = parse_delimiter(flags.delimiter);
    return {{"encoding", flags.encoding},
            {"delimiter", delimiter ? std::string(1, *delimiter) : ""},
            {"timezone", flags.timezone},
            {"empty_amount", flags.empty_amount},
            {"allow_negative", flags.allow_negative ? "true" : ""}};
}

}  // namespace rh::cli
