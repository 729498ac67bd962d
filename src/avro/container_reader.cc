#include <optional>

#include <fmt/format.h>
#include <zlib.h>

#include "avro/container.h"
#include "avro/varint.h"

namespace rh::avro {
namespace {

constexpr int kRawDeflateWindowBits = -15;  // RFC 1951 without zlib's frame

std::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorKind::internal, "avro_damaged",
                fmt::format("An Avro file {}. It is damaged or cut short and must be written "
                            "again.",
                            what));
}

// Walks over bytes that are not trusted.
struct Cursor {
    const char* at;
    const char* end;

    explicit Cursor(std::string_view bytes) : at(bytes.data()), end(at + bytes.size()) {}
    size_t left() const { return static_cast<size_t>(end - at); }
    std::optional<int64_t> take_long() {
        int64_t value = 0;
        return get_long(at, end, value) ? std::optional(value) : std::nullopt;
    }
    std::optional<std::string_view> take(size_t bytes) {
        if (bytes > left()) {
            return std::nullopt;
        }
        const std::string_view taken(at, bytes);
        at += bytes;
        return taken;
    }
    std::optional<std::string_view> take_bytes() {
        const auto bytes = take_long();
        return bytes && *bytes >= 0 ? take(static_cast<size_t>(*bytes)) : std::nullopt;
    }
};

struct Metadata {
    std::string_view codec = "null";  // as the format says of a file that names none
    std::string_view layout;
};

// A map: blocks of entries, each with a count (negative: its size in bytes follows), the last one
// empty. Each entry takes bytes, so a lying count ends at the end of the header.
std::optional<Metadata> take_metadata(Cursor& cursor) {
    Metadata metadata;
    while (true) {
        auto count = cursor.take_long();
        if (!count || *count == INT64_MIN || (*count < 0 && !cursor.take_long())) {
            return std::nullopt;
        }
        if (*count == 0) {
            return metadata;
        }
        for (int64_t entry = *count < 0 ? -*count : *count; entry > 0; --entry) {
            const auto key = cursor.take_bytes();
            const auto value = key ? cursor.take_bytes() : std::nullopt;
            if (!value) {
                return std::nullopt;
            }
            if (*key == kCodecKey) {
                metadata.codec = *value;
            } else if (*key == kLayoutKey) {
                metadata.layout = *value;
            }
        }
    }
}

// Inflates all of `compressed` into `scratch`; false if it is no such stream or is too large.
bool inflate_block(std::string_view compressed, std::string& scratch) {
    z_stream stream{};
    if (inflateInit2(&stream, kRawDeflateWindowBits) != Z_OK) {
        return false;
    }
    scratch.resize(kBlockBytesMax);
    // zlib's interface is not const, it does not write to its input.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
    stream.avail_in = static_cast<uInt>(compressed.size());
    stream.next_out = reinterpret_cast<Bytef*>(scratch.data());
    stream.avail_out = static_cast<uInt>(scratch.size());
    const int status = ::inflate(&stream, Z_FINISH);
    const bool good = status == Z_STREAM_END && stream.avail_in == 0;
    const size_t bytes = stream.total_out;
    inflateEnd(&stream);
    scratch.resize(good ? bytes : 0);
    return good;
}

}  // namespace

Result<ContainerHeader> read_container_header(std::string_view bytes) {
    Cursor cursor(bytes.substr(0, kHeaderBytesMax));
    if (cursor.take(kMagic.size()) != kMagic) {
        return damaged("does not begin with Obj and 1");
    }
    const auto metadata = take_metadata(cursor);
    const auto sync = metadata ? cursor.take(kSyncBytes) : std::nullopt;
    if (!sync) {
        return damaged("has no whole header");
    }
    if (metadata->layout != kLayout) {
        return fail(ErrorKind::unsupported, "avro_unsupported",
                    fmt::format("An Avro file does not say {} = {}, so this program did not "
                                "write it, or another version did.",
                                kLayoutKey, kLayout));
    }
    if (metadata->codec != "null" && metadata->codec != "deflate") {
        return fail(ErrorKind::unsupported, "avro_unsupported",
                    "An Avro file has a codec other than null and deflate.");
    }
    ContainerHeader header;
    header.codec = metadata->codec == "deflate" ? Codec::deflate : Codec::null;
    sync->copy(header.sync.data(), header.sync.size());
    header.bytes = static_cast<size_t>(cursor.at - bytes.data());
    return header;
}

Result<Block> read_block(std::string_view bytes, const ContainerHeader& header,
                         std::string& scratch) {
    Cursor cursor(bytes);
    const auto rows = cursor.take_long();
    if (!rows || *rows < 1 || *rows > static_cast<int64_t>(kBlockRowsMax)) {
        return damaged("has a block without a believable count of records");
    }
    const auto stored = cursor.take_bytes();
    const auto sync = stored ? cursor.take(kSyncBytes) : std::nullopt;
    if (!sync || stored->size() > kStoredBlockBytesMax) {
        return damaged("has a block that is not whole");
    }
    if (*sync != std::string_view(header.sync.data(), header.sync.size())) {
        return damaged("has a block that does not end with the file's marker");
    }
    Block block;
    block.rows = static_cast<uint64_t>(*rows);
    block.bytes = static_cast<size_t>(cursor.at - bytes.data());
    block.records = *stored;
    if (header.codec == Codec::deflate) {
        if (!inflate_block(*stored, scratch)) {
            return damaged("has a block that does not inflate");
        }
        block.records = scratch;
    }
    return block;
}

}  // namespace rh::avro
