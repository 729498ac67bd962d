// The tables of queries/consumer/, with which ClickHouse consumes the topic of rows itself
// (--consumer=clickhouse), and the statements that make the rollups then. In that mode the views of
// the other DDL files on game_rounds are not made: a Kafka engine table cuts blocks where it likes,
// and such a view would add up a torn block. Any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/embedded.h"
#include "base/result.h"
#include "clickhouse/client.h"

namespace rh::clickhouse {

// What is consumed, as roundhouse's own settings say it.
struct KafkaSource {
    std::string brokers;
    std::string topic;
    std::string group;
    std::string registry_url;
};

// Who brings the rows of the log into game_rounds.
enum class Consumer : uint8_t { roundhouse, clickhouse };

// The files of queries/consumer/ in the order of their numbers.
std::span<const EmbeddedFile> consumer_files();

// Whether a statement makes a view that adds up what is inserted into game_rounds.
bool is_rollup_view(std::string_view statement);
// For each such view of queries/ the same SELECT as INSERT into the view's table, of the rows
// {first} to {last} of upload {id}, each once. Whole cells, or a rollup row would be a part of one.
std::vector<std::string> rollup_inserts();

// Error conflict other_consumer if the tables of this server were made for the other consumer.
Result<void> check_consumer(const Client& owner, Consumer consumer);
// Error conflict wrong_profile if the server's settings would let Kafka engine tables commit
// offsets of rows that are not in.
Result<void> check_profile(const Client& owner);
// Applies queries/consumer/ to one server, after every other file is applied to all of them. Where
// its tables were made by another text of these files or with other settings, they are made anew.
Result<void> migrate_consumer(const Client& owner, std::string_view cluster,
                              const KafkaSource& source);

}  // namespace rh::clickhouse
