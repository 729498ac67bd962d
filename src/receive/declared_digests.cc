#include "receive/declared_digests.h"

#include <string_view>

#include <fmt/format.h>

namespace rh::receive {
namespace {

std::unexpected<Error> mismatch(std::string_view field, const Sha256& declared,
                                const Sha256& received) {
    return fail(ErrorKind::invalid_request, "digest_mismatch",
                fmt::format("{} declares sha-256 {}, but what arrived has {}: the file was "
                            "damaged or is another one. Nothing was kept; send it again.",
                            field, hex(declared), hex(received)));
}

}  // namespace

Result<void> check_digests(const DeclaredDigests& declared, const ReceivedDigests& received) {
    if (declared.content && *declared.content != received.sent) {
        return mismatch("Content-Digest", *declared.content, received.sent);
    }
    if (declared.repr && *declared.repr != received.unpacked && *declared.repr != received.sent) {
        return mismatch("Repr-Digest", *declared.repr, received.unpacked);
    }
    return {};
}

}  // namespace rh::receive
