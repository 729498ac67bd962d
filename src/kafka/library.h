// librdkafka, loaded by name when Kafka is used, so that the program needs it for nothing else. The
// header is Debian's (2.0.2, the interface has only grown since); the library must be newer, for
// that one lacks fixes for duplicates (librdkafka's changelog: 2.1.1, 2.3.0, 2.4.0).
#pragma once

#include <string>

#include <librdkafka/rdkafka.h>

#include "base/result.h"

// clang-format off
#define RH_RDKAFKA_FUNCTIONS(X) \
    X(version) X(err2str) X(err2name) X(message_errstr) \
    X(conf_new) X(conf_set) X(conf_destroy) X(conf_set_opaque) X(conf_set_log_cb) \
    X(conf_set_dr_msg_cb) X(conf_set_rebalance_cb) \
    X(destroy) X(poll) X(flush) X(purge) \
    X(topic_new) X(topic_destroy) X(produce_batch) X(produceva) X(msg_partitioner_murmur2) \
    X(init_transactions) X(begin_transaction) X(commit_transaction) X(abort_transaction) \
    X(error_code) X(error_string) X(error_is_retriable) X(error_destroy) \
    X(fatal_error) \
    X(poll_set_consumer) X(subscribe) X(unsubscribe) X(assign) X(consumer_close) \
    X(queue_get_consumer) X(queue_new) X(queue_poll) X(queue_destroy) X(consume_batch_queue) \
    X(message_destroy) X(commit_queue) X(committed) X(pause_partitions) X(resume_partitions) \
    X(query_watermark_offsets) X(metadata) X(metadata_destroy) \
    X(topic_partition_list_new) X(topic_partition_list_add) X(topic_partition_list_destroy) \
    X(NewTopic_new) X(NewTopic_set_config) X(NewTopic_destroy) X(CreateTopics) \
    X(event_error) X(event_error_string) X(event_destroy) \
    X(event_CreateTopics_result) X(CreateTopics_result_topics) X(topic_result_error) \
    X(ConfigResource_new) X(ConfigResource_destroy) X(ConfigResource_configs) \
    X(DescribeConfigs) X(event_DescribeConfigs_result) X(DescribeConfigs_result_resources) \
    X(ConfigEntry_name) X(ConfigEntry_value) \
    X(DescribeConsumerGroups) X(event_DescribeConsumerGroups_result) \
    X(DescribeConsumerGroups_result_groups) X(ConsumerGroupDescription_error) \
    X(ConsumerGroupDescription_state) X(ConsumerGroupDescription_member_count) \
    X(ConsumerGroupDescription_member) X(MemberDescription_assignment) \
    X(MemberAssignment_partitions)
// clang-format on

namespace rh::kafka {

struct Library {
    decltype(&::rd_kafka_new) create = nullptr;
#define RH_RDKAFKA_MEMBER(name) decltype(&::rd_kafka_##name) name = nullptr;
    RH_RDKAFKA_FUNCTIONS(RH_RDKAFKA_MEMBER)
#undef RH_RDKAFKA_MEMBER
};

// `path` empty: librdkafka.so.1 beside the program or in ../lib. Loaded once, and never unloaded.
// Errors internal librdkafka_missing, librdkafka_too_old.
Result<const Library*> load_library(const std::string& path);

}  // namespace rh::kafka
