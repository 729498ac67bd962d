// Reads the rows of one upload back out of the topic, partition by partition, without the consumer
// group. Called by KafkaLog only.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "kafka/client.h"
#include "kafka_log/records.h"
#include "log/log.h"

namespace rh::kafka_log {

// `published` is complete. What it says is there and is not is error internal log_damaged, from the
// reader.
Result<std::unique_ptr<log::RowReader>> open_range_reader(const kafka::Cluster& cluster,
                                                          const std::string& topic,
                                                          Published published);

}  // namespace rh::kafka_log
