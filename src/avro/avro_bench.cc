// Rows like those of the real file, a cell at a time: rows/s and bytes/s of Avro, and a memory copy
// of the same bytes as the ceiling.
#include <benchmark/benchmark.h>

#include "avro/container.h"
#include "avro/game_round_codec.h"
#include "avro/random_batches.h"

namespace rh::avro {
namespace {

constexpr model::UploadId kId{};

const model::RowBatch& cell() {
    static const model::RowBatch kBatch = RandomBatches(1).usual(model::kCellRows, 1);
    return kBatch;
}

std::string encoded() {
    std::string out;
    encode_rows(cell(), 0, cell().size(), kId, out);
    return out;
}

void report(benchmark::State& state, size_t bytes) {
    const auto iterations = static_cast<int64_t>(state.iterations());
    state.SetItemsProcessed(iterations * static_cast<int64_t>(model::kCellRows));
    state.SetBytesProcessed(iterations * static_cast<int64_t>(bytes));
}

void encode(benchmark::State& state) {
    std::string out;
    for ([[maybe_unused]] auto _ : state) {
        out.clear();
        encode_rows(cell(), 0, cell().size(), kId, out);
        benchmark::DoNotOptimize(out.data());
    }
    report(state, out.size());
}

// Block by block, as the log reads.
void decode(benchmark::State& state) {
    ContainerWriter writer({.codec = Codec::null, .sync = random_sync_marker()});
    std::string bytes;
    writer.append_header(bytes);
    const auto header = read_container_header(bytes);
    const size_t header_bytes = bytes.size();
    for (size_t row = 0; row < cell().size();) {
        row += writer.append_block(cell(), row, kId, bytes);
    }
    model::RowBatch batch;
    std::string scratch;
    for ([[maybe_unused]] auto _ : state) {
        batch.clear();
        for (auto rest = std::string_view(bytes).substr(header_bytes); !rest.empty();) {
            const auto block = read_block(rest, *header, scratch);
            if (!block || !decode_rows(block->records, block->rows, kId, batch)) {
                state.SkipWithError("damaged");
                return;
            }
            rest.remove_prefix(block->bytes);
        }
        benchmark::DoNotOptimize(batch.row_number.data());
    }
    report(state, encoded().size());
}

void write_container(benchmark::State& state, Codec codec) {
    ContainerWriter writer({.codec = codec, .sync = random_sync_marker()});
    std::string out;
    for ([[maybe_unused]] auto _ : state) {
        out.clear();
        for (size_t row = 0; row < cell().size();) {
            row += writer.append_block(cell(), row, kId, out);
        }
        benchmark::DoNotOptimize(out.data());
    }
    report(state, encoded().size());
}

void copy(benchmark::State& state) {
    const std::string bytes = encoded();
    std::string out(bytes.size(), '\0');
    for ([[maybe_unused]] auto _ : state) {
        bytes.copy(out.data(), bytes.size());
        benchmark::DoNotOptimize(out.data());
    }
    report(state, bytes.size());
}

BENCHMARK(encode);
BENCHMARK(decode);
BENCHMARK_CAPTURE(write_container, null, Codec::null);
BENCHMARK_CAPTURE(write_container, deflate, Codec::deflate);
BENCHMARK(copy);

}  // namespace
}  // namespace rh::avro
