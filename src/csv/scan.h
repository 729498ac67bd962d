// The structure of CSV bytes: where fields and records end. 64 bytes at a time become bit masks
// (bit i = byte i), quoted regions are a prefix xor of the quote mask, and what remains of
// delimiters and line ends is written as positions. One function for each target (csv/target.h),
// all with the same result. Pure, one thread.
//
// A worked example with 8 bytes in place of 64 (bit 0 left, as the bytes stand; delimiter `,`):
//
//     bytes                  a  ,  "  b  ,  "  ,  \n
//     delimiter              .  1  .  .  1  .  1  .
//     quote                  .  .  1  .  .  1  .  .
//     line end               .  .  .  .  .  .  .  1
//     inside = prefix xor    .  .  1  1  1  .  .  .     a bit is set if an odd number of quotes
//                                                       stand at or before it
//     opening = quote&inside .  .  1  .  .  .  .  .
//     closing = quote&~inside.  .  .  .  .  1  .  .
//     structural             .  1  .  .  .  .  1  1     (delimiter | line end) & ~inside
//     may open               1  .  1  .  .  .  1  1     (structural | closing) << 1, carry at left
//
// A quote opens only at the start of a field, or right behind a closing one (a doubled quote). As
// long as opening & ~may_open is empty the xor is exact. Otherwise a stray quote stands in the
// block, and the block is read again byte by byte by `exact_block`, which knows that such a quote
// is an ordinary character. The state between blocks is the same for both ways.
#pragma once

#include <cstddef>
#include <cstdint>

#include "csv/target.h"

namespace rh::csv {

struct ScanState {
    uint64_t inside = 0;    // all ones if the next byte is inside quotes, else 0
    uint64_t may_open = 1;  // 1 if a quote as the next byte opens a quoted field
    uint8_t flags = 0;      // of the record whose line end has not come yet
};

// Flags of a record.
inline constexpr uint8_t kHasQuote = 1;
inline constexpr uint8_t kHasNonAscii = 2;
inline constexpr uint8_t kHasInnerBreak = 4;  // CR or LF inside quotes
// A quote may stand where it neither opens, closes, nor doubles one. Without this flag a field has
// quotes only if it begins with one.
inline constexpr uint8_t kMayHaveStrayQuote = 8;

inline constexpr size_t kBlockBytes = 64;

struct ScanOutput {
    uint32_t* index = nullptr;  // positions of structural bytes, ascending
    uint32_t index_count = 0;
    uint32_t* ends = nullptr;  // which entries of `index` are line ends
    uint8_t* flags = nullptr;  // of the record before each of them
    uint32_t end_count = 0;
};

// Scans `blocks` blocks at `data`; positions are written as base + offset. CR and LF are a
// structural byte each, so CRLF gives two. `index` needs room for 64 entries a block and
// kIndexSlack more, `ends` and `flags` for 64 a block.
using ScanFunction = void (*)(const char* data, size_t blocks, uint32_t base, char delimiter,
                              ScanState& state, ScanOutput& out);
inline constexpr size_t kIndexSlack = 16;

// `target` must be one that the CPU has.
ScanFunction scan_function(Target target);

// The structural bytes of up to 64 bytes, byte by byte.
uint64_t exact_block(const char* data, size_t bytes, char delimiter, ScanState& state);
// The end of a file: fewer than 64 bytes, as one block.
void scan_tail(const char* data, size_t bytes, uint32_t base, char delimiter, ScanState& state,
               ScanOutput& out);

void scan_scalar(const char* data, size_t blocks, uint32_t base, char delimiter, ScanState& state,
                 ScanOutput& out);
void scan_avx2(const char* data, size_t blocks, uint32_t base, char delimiter, ScanState& state,
               ScanOutput& out);
void scan_avx512(const char* data, size_t blocks, uint32_t base, char delimiter, ScanState& state,
                 ScanOutput& out);

}  // namespace rh::csv
