// Rejects in bulk: they are made in memory that is used again, so that a file full of refused rows
// costs little more than a clean one. What a refused row's faults say is written here.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "csv/fields.h"
#include "model/reject.h"

namespace rh::csv {

inline constexpr size_t kRejectCodes = model::kRejectCodeNames.size();

class RejectPool {
  public:
    // Begins a reject; add_fault() adds to it.
    void begin(uint64_t line, uint64_t line_last, uint64_t row);
    void add_fault(model::RejectCode code, int column, std::string_view value);
    // Of the fields of a row against those of the header.
    void add_field_count(size_t fields, size_t expected, std::string_view record);
    void end();

    std::span<const model::Reject> rejects() const { return {pool_.data(), count_}; }
    std::span<model::Reject> rejects() { return {pool_.data(), count_}; }
    // How often each code was given since the last clear().
    const std::array<uint64_t, kRejectCodes>& given() const { return given_; }
    void clear() {
        count_ = 0;
        given_ = {};
    }

  private:
    model::Fault& next_fault(model::RejectCode code, int column, std::string_view value);

    std::vector<model::Reject> pool_;
    size_t count_ = 0;
    size_t faults_ = 0;  // of the reject at count_
    std::array<uint64_t, kRejectCodes> given_{};
};

}  // namespace rh::csv
