#include "model/totals.h"

namespace rh::model {

void Totals::add(const RowBatch& batch) {
    rows += batch.size();
    for (size_t a = 0; a < sums.size(); ++a) {
        __int128 sum = 0;
        for (const int64_t micros : batch.amount[a]) {
            sum += micros;
        }
        sums[a].micros += sum;
    }
}

void Totals::add(const Totals& other) {
    rows += other.rows;
    for (size_t a = 0; a < sums.size(); ++a) {
        sums[a].micros += other.sums[a].micros;
    }
}

}  // namespace rh::model
