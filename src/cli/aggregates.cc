// `roundhouse aggregates`: the figures, by hour, player and game.
#include <algorithm>

#include <CLI/CLI.hpp>

#include "cli/api_client.h"
#include "cli/command.h"
#include "cli/listing.h"
#include "model/row_batch.h"

namespace rh::cli {
namespace {

struct Arguments {
    std::vector<std::string> player_ids;
    std::vector<std::string> game_ids;
    std::string from, to, granularity, timezone, as_of, group_by, order;
    bool partial = false;
    Listing listing;
};

// The members of a row, as the API has them.
Cells header_of(const Arguments& arguments) {
    Cells header;
    const bool both = arguments.group_by.empty();
    for (const std::string_view key : {"player_id", "game_id"}) {
        if (both || arguments.group_by.contains(key)) {
            header.emplace_back(key);
        }
    }
    if (arguments.granularity != "total") {
        header.push_back(arguments.granularity.empty() ? "hour" : arguments.granularity);
    }
    header.emplace_back("rounds");
    header.insert(header.end(), model::kAmountNames.begin(), model::kAmountNames.end());
    return header;
}

Result<int> print(const Arguments& arguments, const Invocation& invocation) {
    RH_ASSIGN(const ApiClient api, open_api(invocation));
    Query query = {{"from", arguments.from},
                   {"to", arguments.to},
                   {"granularity", arguments.granularity},
                   {"timezone", arguments.timezone},
                   {"as_of", arguments.as_of},
                   {"group_by", arguments.group_by},
                   {"order", arguments.order},
                   {"partial", arguments.partial ? "true" : ""}};
    for (const auto& id : arguments.player_ids) {
        query.emplace_back("player_id", id);
    }
    for (const auto& id : arguments.game_ids) {
        query.emplace_back("game_id", id);
    }
    RH_TRY(print_listing(api, "/v1/aggregates", std::move(query), arguments.listing,
                         invocation.json, header_of(arguments), nullptr));
    return kExitOk;
}

}  // namespace

void add_aggregates(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "aggregates",
        "Print rounds, bets and wins by hour, player and game, as of the last stored upload.",
        {"roundhouse aggregates --player-id 661c7192fe454bbc9815d27ca3d68bb7 --granularity day",
         "roundhouse aggregates --game-id 16333 --from 2019-10-01 --to 2019-10-08 --all",
         "roundhouse aggregates --granularity total --group-by game_id --json"});
    auto arguments = std::make_shared<Arguments>();
    command.add_option("--player-id", arguments->player_ids, "Only this player; may be repeated")
        ->allow_extra_args(false);
    command.add_option("--game-id", arguments->game_ids, "Only this game; may be repeated")
        ->allow_extra_args(false);
    command.add_option("--from", arguments->from, "From this time on (RFC 3339, or a date)");
    command.add_option("--to", arguments->to, "Up to, but without, this time");
    command.add_option("--granularity", arguments->granularity, "hour, day, month or total")
        ->check(CLI::IsMember({"hour", "day", "month", "total"}));
    command.add_option("--timezone", arguments->timezone,
                       "Whole-hour offset of days and months, like +02:00");
    command.add_option("--as-of", arguments->as_of, "Figures as of this version");
    command.add_option("--group-by", arguments->group_by, "player_id, game_id, or both by a comma");
    command.add_option("--order", arguments->order, "Order of the rows, as the API names it");
    command.add_flag("--partial", arguments->partial,
                     "Without the shards that do not answer, in place of an error");
    add_listing(command, arguments->listing);
    add_settings(command, invocation, app::Audience::client);
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] { return print(*arguments, invocation); };
    });
}

}  // namespace rh::cli
