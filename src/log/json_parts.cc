#include "log/json_parts.h"

#include "model/money.h"

namespace rh::log {

namespace json = boost::json;

json::object totals_json(const model::Totals& totals) {
    json::object object;
    object["rows"] = totals.rows;
    for (size_t a = 0; a < totals.sums.size(); ++a) {
        object[model::kAmountNames[a]] = model::to_string(totals.sums[a]);
    }
    return object;
}

model::Totals get_totals(Parts& parts, const json::object& object) {
    model::Totals totals;
    totals.rows = parts.count(parts.get(object, "rows"));
    for (size_t a = 0; a < totals.sums.size(); ++a) {
        const auto sum =
            model::parse_money_sum(parts.text(parts.get(object, model::kAmountNames[a])));
        parts.good = parts.good && sum;
        totals.sums[a] = sum.value_or(model::MoneySum{});
    }
    return totals;
}

}  // namespace rh::log
