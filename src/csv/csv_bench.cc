// Rows and bytes a second on one thread: a clean file, one with a quote in each row, one in which
// every row is refused, and UTF-16. Counters: rows/s (of the records read) and bytes/s.
#include <random>
#include <string>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "csv/encoding.h"
#include "csv/reader.h"

namespace {

using rh::csv::best_target;
using rh::csv::Encoding;
using rh::csv::Target;

constexpr size_t kRows = 400'000;
constexpr size_t kPieceBytes = 256 * 1024;

struct CountingConsumer : rh::csv::Consumer {
    uint64_t rows = 0;
    rh::Result<void> on_rows(rh::model::RowBatch& batch) override {
        rows += batch.size();
        return {};
    }
    rh::Result<void> on_rejects(std::span<const rh::model::Reject> rejects) override {
        rows += rejects.size();
        return {};
    }
};

enum class Shape : uint8_t { clean, quoted, all_bad };

std::string make_file(Shape shape) {
    std::mt19937_64 random(7);
    const char* const amounts[] = {"0.05", "0", "", "NaN", "1.25", "0.2", "12.5", "100"};
    std::string file =
        "created_timestamp,game_instance_id,user_id,game_id,real_amount_bet,bonus_amount_bet,"
        "real_amount_win,bonus_amount_win,game_name,provider\n";
    for (size_t r = 0; r < kRows; ++r) {
        const auto amount = [&] { return amounts[random() % std::size(amounts)]; };
        const std::string bet = shape == Shape::all_bad ? "x" : amount();
        file +=
            fmt::format("2019-10-{:02} {:02}:{:02}:{:02},{},{:016x}{:016x},{},{},{},{},{},{},{}\n",
                        1 + random() % 28, random() % 24, random() % 60, random() % 60, 20'000 + r,
                        random(), random(), 10'000 + random() % 900, bet, amount(), amount(),
                        amount(), shape == Shape::quoted ? "\"Book, of Ra\"" : "Book of Ra",
                        random() % 3 == 0 ? "Play'n GO" : "Novomatic");
    }
    return file;
}

const std::string& file_of(Shape shape) {
    static const std::string kFiles[] = {make_file(Shape::clean), make_file(Shape::quoted),
                                         make_file(Shape::all_bad)};
    return kFiles[static_cast<size_t>(shape)];
}

void read_file(benchmark::State& state, const std::string& bytes, Encoding encoding,
               Target target) {
    uint64_t rows = 0;
    for ([[maybe_unused]] auto _ : state) {
        CountingConsumer consumer;
        rh::csv::Reader reader({}, consumer, {.target = target});
        rh::csv::Transcoder transcoder(encoding);
        for (size_t at = 0; at < bytes.size(); at += kPieceBytes) {
            const auto piece = std::string_view(bytes).substr(at, kPieceBytes);
            if (!reader.feed(transcoder.feed(piece))) {
                state.SkipWithError("the file is not read");
                return;
            }
        }
        if (!reader.finish()) {
            state.SkipWithError("the file is not read");
            return;
        }
        rows += consumer.rows;
    }
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
    state.SetItemsProcessed(static_cast<int64_t>(rows));
}

void clean(benchmark::State& state) {
    read_file(state, file_of(Shape::clean), Encoding::utf8, best_target());
}
void clean_scalar_target(benchmark::State& state) {
    read_file(state, file_of(Shape::clean), Encoding::utf8, Target::scalar);
}
void quoted(benchmark::State& state) {
    read_file(state, file_of(Shape::quoted), Encoding::utf8, best_target());
}
void all_bad(benchmark::State& state) {
    read_file(state, file_of(Shape::all_bad), Encoding::utf8, best_target());
}
void utf16be(benchmark::State& state) {
    std::string wide;
    for (const char c : file_of(Shape::clean)) {
        wide += '\0';
        wide += c;
    }
    read_file(state, wide, Encoding::utf16be, best_target());
}
void sniff_encoding(benchmark::State& state) {
    const std::string& bytes = file_of(Shape::clean);
    for ([[maybe_unused]] auto _ : state) {
        rh::csv::EncodingSniffer sniffer;
        sniffer.feed(bytes);
        benchmark::DoNotOptimize(sniffer.decide());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}

BENCHMARK(clean)->Unit(benchmark::kMillisecond);
BENCHMARK(clean_scalar_target)->Unit(benchmark::kMillisecond);
BENCHMARK(quoted)->Unit(benchmark::kMillisecond);
BENCHMARK(all_bad)->Unit(benchmark::kMillisecond);
BENCHMARK(utf16be)->Unit(benchmark::kMillisecond);
BENCHMARK(sniff_encoding)->Unit(benchmark::kMillisecond);

}  // namespace
