// Reads many CSV files with the reader and writes what it found in each, for the tests that compare
// it with other readers (tests/system/csv_reader.py has the other end). Files come on stdin and
// answers go to stdout, one after the other; all numbers are little-endian.
//
// read_many         names the targets that this CPU has, and below them the codes of faults
// read_many TARGET  reads with that target
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "csv/collector.h"

namespace rh::csv {
namespace {

static_assert(std::endian::native == std::endian::little);

// What stands before the bytes of a file.
struct Request {
    uint32_t bytes;
    uint32_t pieces[2];  // sizes of the pieces that the file is fed in, by turns
    uint32_t chunk_bytes;
    uint16_t threads;
    int16_t timezone_offset_minutes;
    char delimiter;
    uint8_t flags;  // 1: empty_amount_is_reject, 2: allow_negative
    uint16_t unused;
};
static_assert(sizeof(Request) == 24);

constexpr std::string_view name(Target target) {
    switch (target) {
        case Target::scalar:
            return "scalar";
        case Target::avx2:
            return "avx2";
        case Target::avx512:
            return "avx512";
    }
}

std::optional<Target> target_named(std::string_view wanted) {
    for (const Target target : usable_targets()) {
        if (name(target) == wanted) {
            return target;
        }
    }
    return std::nullopt;
}

template <class T>
void put(std::string& out, T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out.append(bytes, sizeof(T));
}

void put_row(std::string& out, const testing::Row& row) {
    put(out, row.number);
    put(out, row.created_ms);
    put(out, row.instance);
    put(out, row.game);
    for (const int64_t amount : row.amount) {
        put(out, amount);
    }
    for (const std::string* text : {&row.user, &row.game_name, &row.provider}) {
        put(out, static_cast<uint32_t>(text->size()));
    }
    out += row.user + row.game_name + row.provider;
}

void put_reject(std::string& out, const model::Reject& reject) {
    put(out, reject.row);
    put(out, reject.line);
    put(out, reject.line_last);
    put(out, static_cast<uint32_t>(reject.faults.size()));
    for (const model::Fault& fault : reject.faults) {
        put(out, static_cast<uint8_t>(fault.code));
        put(out, fault.column);
    }
}

// Begins with its size, itself not counted.
std::string answer(const testing::Outcome& outcome) {
    std::string out;
    put(out, static_cast<uint32_t>(outcome.error.size()));
    put(out, static_cast<uint32_t>(outcome.found.rows.size()));
    put(out, static_cast<uint32_t>(outcome.found.rejects.size()));
    put(out, static_cast<uint32_t>(outcome.report.rows.blank));
    for (const uint64_t empty : outcome.report.empty_amounts) {
        put(out, static_cast<uint32_t>(empty));
    }
    out += outcome.error;
    for (const testing::Row& row : outcome.found.rows) {
        put_row(out, row);
    }
    for (const model::Reject& reject : outcome.found.rejects) {
        put_reject(out, reject);
    }
    std::string size;
    put(size, static_cast<uint32_t>(out.size()));
    return size + out;
}

std::string read(const Request& request, std::string_view file, Target target) {
    Options options;
    options.delimiter = request.delimiter;
    options.timezone_offset_minutes = request.timezone_offset_minutes;
    options.empty_amount_is_reject = (request.flags & 1) != 0;
    options.allow_negative = (request.flags & 2) != 0;
    size_t fed = 0;
    const auto cut = [&] { return size_t{std::max(1U, request.pieces[fed++ % 2])}; };
    const Work work{
        .target = target, .threads = request.threads, .chunk_bytes = request.chunk_bytes};
    return answer(testing::read_csv(file, options, work, cut));
}

int read_all(Target target) {
    std::string file;
    for (Request request; std::fread(&request, sizeof request, 1, stdin) == 1;) {
        file.resize(request.bytes);
        if (std::fread(file.data(), 1, file.size(), stdin) != file.size()) {
            std::fputs("read_many: stdin ends inside a file\n", stderr);
            return 1;
        }
        const std::string found = read(request, file, target);
        std::fwrite(found.data(), 1, found.size(), stdout);
        // At once: if the next file ends the program, it is known which one it was.
        if (std::fflush(stdout) != 0) {
            return 1;
        }
    }
    return 0;
}

int say_names() {
    std::string text;
    for (const Target target : usable_targets()) {
        text += std::string(name(target)) + " ";
    }
    text += "\n";
    for (const std::string_view code : model::kRejectCodeNames) {
        text += std::string(code) + " ";
    }
    std::puts(text.c_str());
    return 0;
}

}  // namespace
}  // namespace rh::csv

int main(int argc, char** argv) {
    if (argc < 2) {
        return rh::csv::say_names();
    }
    const auto target = rh::csv::target_named(argv[1]);
    if (!target) {
        std::fputs("read_many: this CPU has no such target\n", stderr);
        return 2;
    }
    return rh::csv::read_all(*target);
}
