#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "kafka/handle.h"

namespace rh::kafka {
namespace {

constexpr int kPollMs = 100;
constexpr int kGroupAnswerMs = 5'000;
constexpr int32_t kReplicationMax = 3;  // unless another number is asked for

}  // namespace

struct Admin::Impl {
    explicit Impl(Handle from, Cluster of) : handle(std::move(from)), cluster(std::move(of)) {}

    // The number of partitions if each has a leader; 0 if the topic is not there (yet).
    Result<int32_t> partitions_with_leader(const std::string& name);
    Result<int32_t> count_brokers(int within_ms);
    Result<int32_t> replication();
    Result<void> create(const std::string& topic, int32_t partitions, const Settings& settings);
    Result<const Handle*> member_of(const std::string& group);

    Handle handle;
    const Cluster cluster;
    std::map<std::string, Handle> members;  // by group: who asks for its offsets without joining it
};

Admin::Admin(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Admin::~Admin() = default;

Result<std::unique_ptr<Admin>> Admin::create(const Cluster& cluster) {
    // The level decides what the end of a partition is, and librdkafka's default is read_committed.
    RH_ASSIGN(Handle handle, Handle::create(cluster, RD_KAFKA_CONSUMER,
                                            {{"isolation.level", "read_uncommitted"}}, {}));
    return std::unique_ptr<Admin>(new Admin(std::make_unique<Impl>(std::move(handle), cluster)));
}

Result<int32_t> Admin::Impl::partitions_with_leader(const std::string& name) {
    const Library& library = handle.library();
    const std::unique_ptr<rd_kafka_topic_t, decltype(library.topic_destroy)> topic(
        library.topic_new(handle.get(), name.c_str(), nullptr), library.topic_destroy);
    const struct rd_kafka_metadata* metadata = nullptr;
    const auto code = handle.ask([&](int limit_ms) {
        return library.metadata(handle.get(), 0, topic.get(), &metadata, limit_ms);
    });
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(library, code, "asking for topic " + name);
    }
    int32_t count = 0;
    auto error = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (metadata->topic_cnt == 1) {
        const auto& found = metadata->topics[0];
        count = found.partition_cnt;
        error = found.err;
        for (int i = 0; i < found.partition_cnt; ++i) {
            if (found.partitions[i].leader < 0) {
                count = 0;
            }
        }
    }
    library.metadata_destroy(metadata);
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
        return 0;
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(library, error, "asking for topic " + name);
    }
    return count;
}

Result<int32_t> Admin::Impl::count_brokers(int within_ms) {
    const struct rd_kafka_metadata* metadata = nullptr;
    const auto code = handle.ask(
        [&](int limit_ms) {
            return handle.library().metadata(handle.get(), 0, nullptr, &metadata, limit_ms);
        },
        within_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(handle.library(), code, "asking for the brokers");
    }
    const int32_t brokers = metadata->broker_cnt;
    handle.library().metadata_destroy(metadata);
    return brokers;
}

Result<int32_t> Admin::Impl::replication() {
    if (cluster.replication > 0) {
        return cluster.replication;
    }
    RH_ASSIGN(const int32_t brokers, count_brokers(kAnswerMs));
    return std::clamp(brokers, 1, kReplicationMax);
}

Result<void> Admin::Impl::create(const std::string& topic, int32_t partitions,
                                 const Settings& settings) {
    const Library& library = handle.library();
    RH_ASSIGN(const int32_t copies, replication());
    const std::string insync = std::to_string(std::max(copies - 1, 1));
    std::array<char, 512> why{};
    rd_kafka_NewTopic_t* wanted =
        library.NewTopic_new(topic.c_str(), partitions, copies, why.data(), why.size());
    if (wanted == nullptr) {
        return fail(ErrorKind::invalid_request, "kafka_setting",
                    fmt::format("Topic {} cannot be created: {}.", topic, why.data()));
    }
    library.NewTopic_set_config(wanted, "min.insync.replicas", insync.c_str());
    for (const auto& [name, value] : settings) {
        library.NewTopic_set_config(wanted, name.c_str(), value.c_str());
    }
    const Answer answer(handle, 2 * kAnswerMs, [&](rd_kafka_queue_t* queue) {
        library.CreateTopics(handle.get(), &wanted, 1, nullptr, queue);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    });
    library.NewTopic_destroy(wanted);
    if (answer.get() == nullptr) {
        return answer.error("creating topic " + topic);
    }
    size_t count = 0;
    const auto* const* results =
        library.CreateTopics_result_topics(library.event_CreateTopics_result(answer.get()), &count);
    const auto code =
        count == 1 ? library.topic_result_error(results[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
    // Somebody else was faster.
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        return kafka_error(library, code, "creating topic " + topic);
    }
    return {};
}

Result<void> Admin::ensure_topic(const std::string& topic, int32_t partitions,
                                 const Settings& settings) {
    RH_ASSIGN(int32_t found, impl_->partitions_with_leader(topic));
    if (found > 0) {
        return {};
    }
    RH_TRY(impl_->create(topic, partitions, settings));
    Patience patience(impl_->handle.stop(), kAnswerMs);
    while (found == 0) {
        if (patience.is_over()) {
            return kafka_error(impl_->handle.library(), RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
                               "waiting for topic " + topic);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(kPollMs));
        RH_ASSIGN(found, impl_->partitions_with_leader(topic));
    }
    return {};
}

std::string Admin::topic_setting(const std::string& topic, std::string_view name) {
    const Handle& handle = impl_->handle;
    const Library& library = handle.library();
    rd_kafka_ConfigResource_t* asked =
        library.ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
    const Answer answer(handle, kAnswerMs, [&](rd_kafka_queue_t* queue) {
        library.DescribeConfigs(handle.get(), &asked, 1, nullptr, queue);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    });
    library.ConfigResource_destroy(asked);
    if (answer.get() == nullptr) {
        return {};
    }
    size_t resources = 0;
    const auto* const* found = library.DescribeConfigs_result_resources(
        library.event_DescribeConfigs_result(answer.get()), &resources);
    size_t entries = 0;
    const auto* const* settings =
        resources == 1 ? library.ConfigResource_configs(found[0], &entries) : nullptr;
    for (const auto* const setting : std::span(settings, entries)) {
        const char* const text = library.ConfigEntry_value(setting);
        if (library.ConfigEntry_name(setting) == name && text != nullptr) {
            return text;
        }
    }
    return {};
}

std::optional<std::set<int32_t>> Admin::partitions_read(const std::string& group,
                                                        const std::string& topic) {
    const Handle& handle = impl_->handle;
    const Library& library = handle.library();
    const char* asked = group.c_str();
    const Answer answer(handle, kGroupAnswerMs, [&](rd_kafka_queue_t* queue) {
        library.DescribeConsumerGroups(handle.get(), &asked, 1, nullptr, queue);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    });
    if (answer.get() == nullptr) {
        return std::nullopt;
    }
    size_t groups = 0;
    const auto** const found = library.DescribeConsumerGroups_result_groups(
        library.event_DescribeConsumerGroups_result(answer.get()), &groups);
    if (groups != 1 || library.ConsumerGroupDescription_error(found[0]) != nullptr ||
        library.ConsumerGroupDescription_state(found[0]) != RD_KAFKA_CONSUMER_GROUP_STATE_STABLE) {
        return std::nullopt;
    }
    std::set<int32_t> partitions;
    for (size_t m = 0; m < library.ConsumerGroupDescription_member_count(found[0]); ++m) {
        const auto* const list =
            library.MemberAssignment_partitions(library.MemberDescription_assignment(
                library.ConsumerGroupDescription_member(found[0], m)));
        for (int i = 0; list != nullptr && i < list->cnt; ++i) {
            if (list->elems[i].topic == topic) {
                partitions.insert(list->elems[i].partition);
            }
        }
    }
    return partitions;
}

Result<void> Admin::check_answers(int limit_ms) {
    RH_TRY(impl_->count_brokers(limit_ms));
    return {};
}

Result<int32_t> Admin::partition_count(const std::string& topic) {
    RH_ASSIGN(const int32_t count, impl_->partitions_with_leader(topic));
    if (count == 0) {
        return fail(
            ErrorKind::not_found, "kafka_topic_missing",
            fmt::format("Kafka has no topic {}, or a partition of it has no leader.", topic),
            Verdict::retry);
    }
    return count;
}

Result<Watermarks> Admin::watermarks(const std::string& topic, int32_t partition) {
    Watermarks watermarks;
    const Handle& handle = impl_->handle;
    const auto code = handle.ask([&](int limit_ms) {
        return handle.library().query_watermark_offsets(
            handle.get(), topic.c_str(), partition, &watermarks.low, &watermarks.high, limit_ms);
    });
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(handle.library(), code, "asking for the ends of " + topic);
    }
    return watermarks;
}

Result<const Handle*> Admin::Impl::member_of(const std::string& group) {
    auto member = members.find(group);
    if (member == members.end()) {
        RH_ASSIGN(Handle made,
                  Handle::create(cluster, RD_KAFKA_CONSUMER, {{"group.id", group}}, {}));
        member = members.emplace(group, std::move(made)).first;
    }
    return &member->second;
}

Result<std::vector<std::optional<int64_t>>> Admin::committed(const std::string& group,
                                                             const std::string& topic,
                                                             int32_t count) {
    RH_ASSIGN(const Handle* const asker, impl_->member_of(group));
    const Handle& member = *asker;
    std::vector<int32_t> partitions(static_cast<size_t>(count));
    std::iota(partitions.begin(), partitions.end(), 0);
    const PartitionList list(member.library(), topic, partitions);
    const auto code = member.ask([&](int limit_ms) {
        return member.library().committed(member.get(), list.get(), limit_ms);
    });
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(member.library(), code, "asking for committed offsets");
    }
    std::vector<std::optional<int64_t>> offsets(partitions.size());
    for (int i = 0; i < list.get()->cnt; ++i) {
        const auto& element = list.get()->elems[i];
        if (element.offset >= 0) {
            offsets[static_cast<size_t>(element.partition)] = element.offset;
        }
    }
    return offsets;
}

Result<void> Admin::commit(const std::string& group, const std::string& topic,
                           const std::vector<Position>& positions) {
    RH_ASSIGN(const Handle* const member, impl_->member_of(group));
    const PartitionList list(member->library(), topic, positions);
    return commit_offsets(*member, list, "committing offsets of group " + group);
}

}  // namespace rh::kafka
