#include "csv/numbers_kernel.h"

namespace rh::csv {
namespace {

struct Scalar {
    static FaultMark integer(const char* p, size_t n, int64_t& value) {
        return parse_integer(p, n, value);
    }
    static FaultMark amount(const char* p, size_t n, const AmountRules& rules, int64_t& micros,
                            uint32_t& none) {
        return parse_amount(p, n, rules, micros, none);
    }
};

}  // namespace

uint32_t judge_numbers_scalar(const RowFields& fields, const RowRules& rules, RowBlock& block,
                              RowMarks& marks) {
    return judge_numbers<Scalar>(fields, rules, block, marks);
}

}  // namespace rh::csv
