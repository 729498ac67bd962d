#include "receive/identity.h"

#include <fmt/format.h>

#include "receive/sha256.h"

namespace rh::receive {
namespace {

constexpr size_t kFilenameBytesMax = 255;

// Bytes of the UTF-8 sequence that begins `text`, 0 if it is not a valid one (RFC 3629).
size_t sequence_bytes(std::string_view text) {
    const auto at = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    if (first < 0x80) {
        return 1;
    }
    const size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < bytes) {
        return 0;
    }
    for (size_t i = 1; i < bytes; ++i) {
        if ((at(i) & 0xc0) != 0x80) {
            return 0;
        }
    }
    const unsigned char second = at(1);
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool surrogate = first == 0xed && second >= 0xa0;
    const bool too_high = first == 0xf4 && second >= 0x90;
    return overlong || surrogate || too_high ? 0 : bytes;
}

}  // namespace

model::UploadId make_upload_id(std::string_view sha256_hex, const uploads::Request& request) {
    // The label comes last: it is the only part that can hold any character.
    const std::string identity = fmt::format(
        "roundhouse upload\nsha256={}\nencoding={}\ndelimiter={}\ntimezone={}\nempty_amount={}\n"
        "allow_negative={}\nrules={}\ndry_run={}\nlabel={}",
        sha256_hex, csv::name(request.encoding), uploads::delimiter_name(request.csv.delimiter),
        request.csv.timezone_offset_minutes, request.csv.empty_amount_is_reject ? "reject" : "zero",
        request.csv.allow_negative, uploads::kRulesVersion, request.dry_run, request.label);
    return model::uuid_v8(sha256(identity));
}

uploads::Upload in_earnest(uploads::Upload dry_run) {
    dry_run.request.dry_run = false;
    dry_run.id = make_upload_id(dry_run.sha256, dry_run.request);
    return dry_run;
}

std::string clean_filename(std::string_view name) {
    if (const size_t slash = name.find_last_of("/\\"); slash != std::string_view::npos) {
        name.remove_prefix(slash + 1);
    }
    std::string clean;
    while (!name.empty()) {
        const size_t bytes = sequence_bytes(name);
        const auto first = static_cast<unsigned char>(name[0]);
        const bool printable = bytes > 0 && first >= 0x20 && first != 0x7f;
        const std::string_view next = printable ? name.substr(0, bytes) : std::string_view("_");
        if (clean.size() + next.size() > kFilenameBytesMax) {
            break;
        }
        clean += next;
        name.remove_prefix(bytes == 0 ? 1 : bytes);
    }
    return clean;
}

}  // namespace rh::receive
