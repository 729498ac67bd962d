#include <algorithm>
#include <cstring>

#include <emmintrin.h>

#include "csv/encoding.h"
#include "csv/utf8.h"

namespace rh::csv {
namespace {

constexpr size_t kHeadBytes = 4096;
// A header has more units than this many bytes hold, and is ASCII for the most part. Names in the
// rows may be full of characters such as U+4E00, whose zero byte is on the other side.
constexpr size_t kHeaderBytes = 256;

// Bytes at the front of `p` that are ASCII and not zero for certain, in steps of 64.
size_t plain_blocks(const char* p, size_t n) {
    size_t i = 0;
    const __m128i zero = _mm_setzero_si128();
    for (; i + 64 <= n; i += 64) {
        __m128i signs = zero;
        __m128i zeros = zero;
        for (size_t k = 0; k < 64; k += 16) {
            const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i + k));
            signs = _mm_or_si128(signs, bytes);
            zeros = _mm_or_si128(zeros, _mm_cmpeq_epi8(bytes, zero));
        }
        if (_mm_movemask_epi8(_mm_or_si128(signs, zeros)) != 0) {
            break;
        }
    }
    return i;
}

// The length that a sequence beginning with `lead` would have.
size_t length_by_lead(char lead) {
    const auto byte = static_cast<uint8_t>(lead);
    return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// UTF-16 if at least a third of the units are ASCII in one order of bytes, and a sixteenth of them
// or less would be in the other.
std::optional<Encoding> utf16_by_ascii(std::string_view head) {
    const size_t units = head.size() / 2;
    size_t le = 0;
    size_t be = 0;
    for (size_t i = 0; i < units; ++i) {
        const auto first = static_cast<uint8_t>(head[2 * i]);
        const auto second = static_cast<uint8_t>(head[2 * i + 1]);
        le += second == 0 && first != 0 && first < 0x80 ? 1 : 0;
        be += first == 0 && second != 0 && second < 0x80 ? 1 : 0;
    }
    const auto dominates = [units](size_t many, size_t few) {
        return many > 0 && many * 3 >= units && few * 16 <= many;
    };
    return dominates(le, be)   ? std::optional(Encoding::utf16le)
           : dominates(be, le) ? std::optional(Encoding::utf16be)
                               : std::nullopt;
}

}  // namespace

EncodingSniffer::Kind EncodingSniffer::kind_of(std::string_view head) const {
    if (head.starts_with("\xEF\xBB\xBF")) {
        return {Encoding::utf8, true};
    }
    if (head.starts_with("\xFF\xFE")) {
        return {Encoding::utf16le, true};
    }
    if (head.starts_with("\xFE\xFF")) {
        return {Encoding::utf16be, true};
    }
    for (const size_t bytes : {kHeaderBytes, kHeadBytes}) {
        if (const auto encoding = utf16_by_ascii(head.substr(0, bytes))) {
            return {*encoding, false};
        }
    }
    const bool may_be_utf16 = asked_ == Encoding::utf16le || asked_ == Encoding::utf16be;
    if (may_be_utf16 && head.contains('\0')) {
        return {*asked_, false};
    }
    return {};
}

void EncodingSniffer::feed(std::string_view bytes) {
    if (!kind_) {
        const size_t wanted = std::min(kHeadBytes - head_.size(), bytes.size());
        head_.append(bytes.substr(0, wanted));
        bytes.remove_prefix(wanted);
        if (head_.size() < kHeadBytes) {
            return;
        }
        kind_ = kind_of(head_);
        count(head_);
        head_.clear();
    }
    count(bytes);
}

void EncodingSniffer::count(std::string_view bytes) {
    if (kind_->encoding == Encoding::utf8) {
        count_utf8(bytes);
    } else {
        count_utf16(bytes);
    }
}

void EncodingSniffer::count_utf16(std::string_view bytes) {
    if (!pending_.empty() && !bytes.empty()) {
        has_nul_ |= pending_[0] == '\0' && bytes[0] == '\0';
        std::memcpy(last_unit_.data(), pending_.data(), 1);
        std::memcpy(last_unit_.data() + 1, bytes.data(), 1);
        pending_.clear();
        bytes.remove_prefix(1);
    }
    const size_t units = bytes.size() / 2;
    uint16_t any = 0;
    for (size_t i = 0; i < units; ++i) {
        uint16_t unit = 0;
        std::memcpy(&unit, bytes.data() + 2 * i, 2);
        any |= unit == 0 ? 1 : 0;
    }
    has_nul_ |= any != 0;
    if (units > 0) {
        std::memcpy(last_unit_.data(), bytes.data() + 2 * units - 2, 2);
    }
    if (bytes.size() % 2 != 0) {
        pending_.assign(1, bytes.back());
    }
}

void EncodingSniffer::count_utf8(std::string_view bytes) {
    // A sequence cut by the border of a piece is judged with the bytes that follow it.
    while (!pending_.empty() && !bytes.empty()) {
        pending_ += bytes.front();
        bytes.remove_prefix(1);
        if (pending_.size() < length_by_lead(pending_.front())) {
            continue;
        }
        const std::string whole = std::exchange(pending_, {});
        count_utf8(whole);
    }
    const char* p = bytes.data();
    const size_t n = bytes.size();
    for (size_t i = 0; i < n;) {
        i += plain_blocks(p + i, n - i);
        for (size_t stop = std::min(n, i + 64); i < stop;) {
            if (static_cast<uint8_t>(p[i]) < 0x80) {
                has_nul_ |= p[i] == '\0';
                ++i;
                continue;
            }
            if (n - i < length_by_lead(p[i])) {
                pending_.assign(p + i, n - i);
                return;
            }
            const size_t size = utf8_sequence(p + i, n - i);
            multi_byte_sequences_ += size > 0 ? 1 : 0;
            invalid_bytes_ += size > 0 ? 0 : 1;
            i += std::max<size_t>(size, 1);
        }
    }
}

EncodingSniffer::Verdict EncodingSniffer::decide() const {
    EncodingSniffer last = *this;  // what is still open is judged in a copy
    if (!last.kind_) {
        last.kind_ = kind_of(last.head_);
        last.count(last.head_);
    }
    Verdict verdict;
    verdict.encoding = last.kind_->encoding;
    verdict.bom = last.kind_->bom;
    if (verdict.encoding == Encoding::utf8) {
        // Whatever is left is no whole sequence, but may hold ASCII.
        for (const char c : last.pending_) {
            last.invalid_bytes_ += static_cast<uint8_t>(c) >= 0x80 ? 1 : 0;
            last.has_nul_ |= c == '\0';
        }
    }
    verdict.invalid_bytes = last.invalid_bytes_;
    verdict.multi_byte_sequences = last.multi_byte_sequences_;
    verdict.has_nul = last.has_nul_;
    const uint8_t high = last.last_unit_[verdict.encoding == Encoding::utf16be ? 0 : 1];
    verdict.ends_inside_pair = high >= 0xD8 && high < 0xDC;
    if (verdict.encoding == Encoding::utf8 && !verdict.bom &&
        verdict.invalid_bytes > verdict.multi_byte_sequences) {
        verdict.encoding = Encoding::windows1252;
    }
    return verdict;
}

}  // namespace rh::csv
