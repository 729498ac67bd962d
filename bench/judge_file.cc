// The CSV reader alone, or with the Avro writer behind it, over a file: what other CSV readers are
// measured against (bench/typed_columns.py, bench/avro_records.py). Reads the file in pieces, as
// the others do, judges every row, throws the typed columns (or the Avro bytes) away, and prints
// one line of JSON.
//
// judge_file THREADS ENCODING FILE [avro]
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "avro/container.h"
#include "csv/encoding.h"
#include "csv/reader.h"

namespace {

constexpr size_t kPieceBytes = 256 * 1024;

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "judge_file: %s\n", what.c_str());
    std::exit(1);
}

void check(const rh::Result<void>& result) {
    if (!result) {
        die(result.error().message);
    }
}

class Columns : public rh::csv::Consumer {
  public:
    rh::Result<void> on_rows(rh::model::RowBatch&) override { return {}; }
    rh::Result<void> on_rejects(std::span<const rh::model::Reject>) override { return {}; }
    virtual size_t bytes() const { return 0; }
};

class AvroRecords final : public Columns {
  public:
    AvroRecords()
        : writer_({.codec = rh::avro::Codec::null, .sync = rh::avro::random_sync_marker()}) {}
    rh::Result<void> on_rows(rh::model::RowBatch& batch) override {
        out_.clear();
        for (size_t row = 0; row < batch.size();) {
            row += writer_.append_block(batch, row, id_, out_);
        }
        bytes_ += out_.size();
        return {};
    }
    size_t bytes() const override { return bytes_; }

  private:
    rh::avro::ContainerWriter writer_;
    rh::model::UploadId id_{};
    std::string out_;
    size_t bytes_ = 0;
};

void judge(int file, rh::csv::Encoding encoding, rh::csv::Reader& reader) {
    rh::csv::Transcoder transcoder(encoding);
    std::vector<char> piece(kPieceBytes);
    while (true) {
        const ssize_t got = ::read(file, piece.data(), piece.size());
        if (got < 0) {
            die(std::strerror(errno));
        }
        if (got == 0) {
            break;
        }
        check(
            reader.feed(transcoder.feed(std::string_view(piece.data(), static_cast<size_t>(got)))));
    }
    const auto rest = transcoder.finish();
    if (!rest) {
        die(rest.error().message);
    }
    check(reader.feed(*rest));
    check(reader.finish());
}

// Not getrusage's, which begins with what the parent process had.
size_t peak_memory_bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmHWM:")) {
            return std::strtoull(line.c_str() + std::strlen("VmHWM:"), nullptr, 10) * 1024;
        }
    }
    die("no VmHWM in /proc/self/status");
}

double cpu_s(const rusage& usage) {
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4 || argc > 5 || (argc == 5 && std::string_view(argv[4]) != "avro")) {
        die("THREADS ENCODING FILE [avro]");
    }
    const auto threads = static_cast<unsigned>(std::strtoul(argv[1], nullptr, 10));
    if (threads == 0) {
        die("THREADS is at least 1");
    }
    const auto encoding = rh::csv::parse_encoding(argv[2]);
    const int file = ::open(argv[3], O_RDONLY);
    if (!encoding || file < 0) {
        die(encoding ? std::strerror(errno) : "no such encoding");
    }
    const auto consumer =
        argc == 5 ? std::unique_ptr<Columns>(new AvroRecords) : std::make_unique<Columns>();
    rusage before{};
    rusage after{};
    ::getrusage(RUSAGE_SELF, &before);
    const auto began = std::chrono::steady_clock::now();
    rh::csv::Reader reader({}, *consumer, {.threads = threads});
    judge(file, *encoding, reader);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    ::getrusage(RUSAGE_SELF, &after);
    const rh::csv::Report& report = reader.report();
    std::string sums;
    for (const auto& sum : report.totals.sums) {
        sums += fmt::format("{}\"{}\"", sums.empty() ? "" : ",", rh::model::to_string(sum));
    }
    fmt::print(
        R"({{"seconds":{:.6f},"cpu_s":{:.6f},"peak_memory_bytes":{},"rows":{},"rejected":{},)"
        R"("sums":[{}],"bytes":{}}})"
        "\n",
        took.count(), cpu_s(after) - cpu_s(before), peak_memory_bytes(), report.rows.accepted,
        report.rows.rejected, sums, consumer->bytes());
    return 0;
}
