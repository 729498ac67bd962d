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

void add_policy_flags(CLI::App& command, PolicyFlags& flags) {
    command
        .add_option("--on-error", flags.on_error,
                    "quarantine (default: good rows go on) or abort (one bad row refuses the file)")
        ->check(CLI::IsMember({"quarantine", "abort"}));
    // An empty text is refused where all empty values are.
    command
        .add_option("--max-errors", flags.max_errors,
                    "Refuse the file if more rows than this are bad")
        ->check([](const std::string& text) {
            return text.empty() || parse_count(text) ? "" : "must be a whole number";
        });
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
