// librdkafka alone, as the rival of publishing: sends the messages of a file in transactions of as
// many rows as roundhouse's, with the same settings, and prints the seconds from the first
// transaction's begin to the last one's commit. Messages are in memory before that.
//
// raw_producer LIBRDKAFKA BROKERS TOPIC FILE, where FILE has for each message the length of its key
// and of its value (native uint32_t each), the key and the value.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "kafka/library.h"

namespace {

constexpr size_t kTransactionRows = 131'072;
constexpr size_t kBatch = 8'192;
constexpr int kPatienceMs = 120'000;

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "raw_producer: %s\n", what.c_str());
    std::exit(1);
}

void check(const rh::kafka::Library& kafka, rd_kafka_error_t* error) {
    if (error != nullptr) {
        die(kafka.error_string(error));
    }
}

// The messages point into `bytes`.
std::vector<rd_kafka_message_t> messages_of(std::vector<char>& bytes) {
    std::vector<rd_kafka_message_t> messages;
    for (size_t at = 0; at < bytes.size();) {
        uint32_t lengths[2];
        std::memcpy(lengths, bytes.data() + at, sizeof(lengths));
        rd_kafka_message_t message{};
        message.key = bytes.data() + at + sizeof(lengths);
        message.key_len = lengths[0];
        message.payload = static_cast<char*>(message.key) + lengths[0];
        message.len = lengths[1];
        messages.push_back(message);
        at += sizeof(lengths) + lengths[0] + lengths[1];
    }
    return messages;
}

rd_kafka_t* producer(const rh::kafka::Library& kafka, const char* brokers) {
    const std::pair<const char*, const char*> settings[] = {
        {"bootstrap.servers", brokers},
        {"transactional.id", "raw-producer"},
        {"linger.ms", "20"},
        {"batch.size", "1000000"},
        {"compression.type", "lz4"},
        {"queue.buffering.max.messages", "500000"},
        {"queue.buffering.max.kbytes", "32768"},
        {"partitioner", "murmur2_random"}};
    rd_kafka_conf_t* const conf = kafka.conf_new();
    char error[512];
    for (const auto& [name, value] : settings) {
        if (kafka.conf_set(conf, name, value, error, sizeof(error)) != RD_KAFKA_CONF_OK) {
            die(error);
        }
    }
    rd_kafka_t* const handle = kafka.create(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
    if (handle == nullptr) {
        die(error);
    }
    return handle;
}

// Takes what there is room for, as often as it needs.
void send(const rh::kafka::Library& kafka, rd_kafka_t* handle, rd_kafka_topic_t* topic,
          rd_kafka_message_t* messages, size_t count) {
    while (count > 0) {
        const size_t now = count < kBatch ? count : kBatch;
        const int taken = kafka.produce_batch(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                                              messages, static_cast<int>(now));
        kafka.poll(handle, static_cast<size_t>(taken) == now ? 0 : 5);
        messages += taken;
        count -= static_cast<size_t>(taken);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        die("LIBRDKAFKA BROKERS TOPIC FILE");
    }
    const auto library = rh::kafka::load_library(argv[1]);
    if (!library) {
        die(library.error().message);
    }
    const rh::kafka::Library& kafka = **library;
    std::ifstream file(argv[4], std::ios::binary);
    std::vector<char> bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    std::vector<rd_kafka_message_t> messages = messages_of(bytes);
    if (messages.empty()) {
        die("no messages");
    }
    rd_kafka_t* const handle = producer(kafka, argv[2]);
    rd_kafka_topic_t* const topic = kafka.topic_new(handle, argv[3], nullptr);
    check(kafka, kafka.init_transactions(handle, kPatienceMs));
    // Records that are sent before it knows the partitions never join their transaction.
    const rd_kafka_metadata_t* metadata = nullptr;
    if (kafka.metadata(handle, 0, topic, &metadata, kPatienceMs) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        die("the topic is not known");
    }
    kafka.metadata_destroy(metadata);
    const auto began = std::chrono::steady_clock::now();
    for (size_t at = 0; at < messages.size(); at += kTransactionRows) {
        check(kafka, kafka.begin_transaction(handle));
        const size_t left = messages.size() - at;
        send(kafka, handle, topic, messages.data() + at,
             left < kTransactionRows ? left : kTransactionRows);
        check(kafka, kafka.commit_transaction(handle, kPatienceMs));
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf("%.6f\n", took.count());
    kafka.topic_destroy(topic);
    kafka.destroy(handle);
    return 0;
}
