// librdkafka's own stand-in for a broker, which the library has inside, for tests.
#pragma once

#include <string>

#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "io/file.h"
#include "kafka/handle.h"

namespace rh::kafka {

inline constexpr int32_t kPartitions = 4;
inline const std::string kTopic = "rounds";

inline std::string library_path() {
    return io::directory_of_program() + "/../../lib/librdkafka.so.1";
}

class MockBroker {
  public:
    MockBroker()
        : handle_(Handle::create({.brokers = "127.0.0.1:1",
                                  .settings = {},
                                  .library = library_path(),
                                  .replication = 0,
                                  .stop = {}},
                                 RD_KAFKA_PRODUCER, {}, {})
                      .value()),
          library_(::dlopen(library_path().c_str(), RTLD_NOW | RTLD_NOLOAD)),
          broker_(find<decltype(&::rd_kafka_mock_cluster_new)>("rd_kafka_mock_cluster_new")(
              handle_.get(), 1)) {
        find<decltype(&::rd_kafka_mock_topic_create)>("rd_kafka_mock_topic_create")(
            broker_, kTopic.c_str(), kPartitions, 1);
    }
    ~MockBroker() {
        find<decltype(&::rd_kafka_mock_cluster_destroy)>("rd_kafka_mock_cluster_destroy")(broker_);
    }
    MockBroker(const MockBroker&) = delete;
    MockBroker& operator=(const MockBroker&) = delete;

    Cluster cluster() const {
        return {.brokers = find<decltype(&::rd_kafka_mock_cluster_bootstraps)>(
                    "rd_kafka_mock_cluster_bootstraps")(broker_),
                .settings = {},
                .library = library_path(),
                .replication = 0,
                .stop = {}};
    }

    // Connections break, and none is taken.
    void down() const {
        find<decltype(&::rd_kafka_mock_broker_set_down)>("rd_kafka_mock_broker_set_down")(broker_,
                                                                                          1);
    }

    // What it answers to the next record that it is sent.
    void refuse_record(rd_kafka_resp_err_t code) const {
        constexpr int16_t kProduce = 0;
        find<decltype(&::rd_kafka_mock_push_request_errors)>("rd_kafka_mock_push_request_errors")(
            broker_, kProduce, 1, code);
    }

  private:
    template <class Function>
    Function find(const char* name) const {
        return reinterpret_cast<Function>(::dlsym(library_, name));
    }

    Handle handle_;
    void* library_;
    rd_kafka_mock_cluster_t* broker_;
};

}  // namespace rh::kafka
