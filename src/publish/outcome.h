// What a validated file comes to: its report in words of the ledger, and the policy's verdict.
// Pure.
#pragma once

#include <string>
#include <string_view>

#include "publish/validation.h"
#include "uploads/upload.h"

namespace rh::publish {

// Counts, totals, faults, ignored columns, time range and warnings of the pass into the upload.
void write_report(const Validated& validated, uploads::Upload& upload);

// How many refused rows the sender's policy bears.
uint64_t rejects_max(const uploads::Request& request);

// Why the policy refuses the file; an empty code if it does not.
struct Refusal {
    std::string code;    // rejects_found | too_many_rejects | no_accepted_rows
    std::string reason;  // a sentence
    // Of an upload: the reason, and what to do.
    std::string message() const;
};
Refusal judge_by_policy(const uploads::Request& request, const model::RowCounts& rows);
// What a dry run says of a file that is refused.
uploads::Warning would_be_refused(const Refusal& refusal, const model::RowCounts& rows);
// What it says if nobody could look for other uploads with the same games and hours.
uploads::Warning overlaps_unknown(std::string_view reason);

}  // namespace rh::publish
