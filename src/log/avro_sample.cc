// Writes the log of one upload for tests/system/test_avro.py, which computes the same rows from the
// same rule by itself and reads the files with public Avro readers.
//   avro_sample DIR ROWS null|deflate
#include <array>
#include <charconv>
#include <cstdio>
#include <string>

#include "log/embedded_log.h"

namespace rh::log {
namespace {

constexpr std::array<int64_t, 8> kAmounts = {
    0, 1, -1, 127, -128, 50'000, 999'999'999'999'999'999, -999'999'999'999'999'999};

// Row numbers n = 1, 2, 4, 5, 7, 8 …: every third record was refused.
void add_row(model::RowBatch& batch, uint64_t n) {
    const auto number = static_cast<int64_t>(n);
    batch.row_number.push_back(n);
    batch.created_ms.push_back(1'571'732'441'007 + number * 61'001);
    batch.game_instance_id.push_back(n % 5 == 0 ? INT64_MAX : 20'000 + number);
    batch.user_id.push_back("player-" + std::to_string(n % 1000));
    batch.game_id.push_back(number * number);
    for (size_t a = 0; a < batch.amount.size(); ++a) {
        batch.amount[a].push_back(kAmounts[(n + a) % kAmounts.size()]);
    }
    batch.game_name.push_back(n % 2 == 0 ? "Gonzo's \"Quest\", Märchen 🎰" : "");
    batch.provider.push_back(std::string(n % 257, 'p'));
}

Result<void> write_sample(const std::string& directory, uint64_t rows, bool deflate) {
    const auto id = *model::parse_upload_id("01234567-89ab-8def-8123-456789abcdef");
    RH_ASSIGN(EmbeddedLog log, EmbeddedLog::open(directory, deflate));
    RH_ASSIGN(const std::unique_ptr<Writer> writer, log.begin(id, 1));
    model::RowBatch batch;
    for (uint64_t n = 1; rows > 0; ++n) {
        if (!batch.empty() && model::cell_of(n) != model::cell_of(batch.row_number.front())) {
            RH_TRY(writer->append(batch));
            batch.clear();
        }
        if (n % 3 != 0) {
            add_row(batch, n);
            --rows;
        }
    }
    RH_TRY(writer->append(batch));
    RH_TRY(writer->seal());
    return log.publish(id);
}

}  // namespace
}  // namespace rh::log

int main(int argc, char** argv) {
    uint64_t rows = 0;
    const std::string_view count = argc == 4 ? argv[2] : "";
    if (std::from_chars(count.begin(), count.end(), rows).ec != std::errc{}) {
        std::fputs("avro_sample DIR ROWS null|deflate\n", stderr);
        return 2;
    }
    const auto written =
        rh::log::write_sample(argv[1], rows, std::string_view(argv[3]) == "deflate");
    if (!written) {
        std::fprintf(stderr, "%s\n", written.error().message.c_str());
        return 1;
    }
    return 0;
}
