#include "kafka/library.h"

#include <array>
#include <memory>
#include <mutex>

#include <dlfcn.h>
#include <fmt/format.h>

#include "io/file.h"

namespace rh::kafka {
namespace {

constexpr std::string_view kName = "librdkafka.so.1";
constexpr int kVersionMin = 0x02040000;  // 2.4.0

std::unexpected<Error> missing(std::string_view why) {
    return fail(ErrorKind::internal, "librdkafka_missing",
                fmt::format("librdkafka cannot be loaded: {}. `make deps` puts it into build/lib; "
                            "or name it with --librdkafka.",
                            why));
}

Result<std::string> find(const std::string& path) {
    if (!path.empty()) {
        return path;
    }
    const std::string program = io::directory_of_program();
    for (const auto& directory : {program, program + "/../lib"}) {
        if (auto candidate = fmt::format("{}/{}", directory, kName); io::exists(candidate)) {
            return candidate;
        }
    }
    return missing(fmt::format("there is no {} beside the program or in ../lib", kName));
}

Result<std::unique_ptr<const Library>> load(const std::string& path) {
    RH_ASSIGN(const std::string file, find(path));
    void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        return missing(::dlerror());  // NOLINT(concurrency-mt-unsafe): under load_library's lock
    }
    auto library = std::make_unique<Library>();
    bool whole = true;
    const auto find_symbol = [&](auto& function, const char* name) {
        function =
            reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(handle, name));
        whole = whole && function != nullptr;
    };
    find_symbol(library->create, "rd_kafka_new");
#define RH_RDKAFKA_FIND(name) find_symbol(library->name, "rd_kafka_" #name);
    RH_RDKAFKA_FUNCTIONS(RH_RDKAFKA_FIND)
#undef RH_RDKAFKA_FIND
    if (!whole || library->version() < kVersionMin) {
        return fail(ErrorKind::internal, "librdkafka_too_old",
                    fmt::format("{} is older than librdkafka 2.4.0, which can send messages twice. "
                                "`make deps` puts a newer one into build/lib.",
                                file));
    }
    return library;
}

}  // namespace

Result<const Library*> load_library(const std::string& path) {
    static std::mutex mutex;
    static std::unique_ptr<const Library> loaded;  // guarded by mutex
    const std::scoped_lock lock(mutex);
    if (loaded == nullptr) {
        RH_ASSIGN(loaded, load(path));
    }
    return loaded.get();
}

}  // namespace rh::kafka
