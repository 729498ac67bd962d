#include <algorithm>

#include <sys/random.h>
#include <zlib.h>

#include "avro/container.h"
#include "avro/game_round_codec.h"
#include "avro/varint.h"
#include "base/assert.h"

namespace rh::avro {
namespace {

constexpr int kRawDeflateWindowBits = -15;  // RFC 1951 without zlib's frame, as Avro asks
// Level 1: the log is written once and read once or twice, so time counts for more than size.
constexpr int kDeflateLevel = 1;

void append_long(std::string& out, int64_t value) {
    std::array<char, kLongBytesMax> bytes{};
    out.append(bytes.data(), put_long(bytes.data(), value));
}

void append_bytes(std::string& out, std::string_view bytes) {
    append_long(out, static_cast<int64_t>(bytes.size()));
    out += bytes;
}

}  // namespace

SyncMarker random_sync_marker() {
    SyncMarker marker;
    // Up to 256 bytes the call cannot be cut short or interrupted once the system has booted.
    RH_ASSERT(::getrandom(marker.data(), marker.size(), 0) == static_cast<ssize_t>(marker.size()));
    return marker;
}

struct ContainerWriter::Deflater {
    z_stream stream{};

    Deflater() {
        RH_ASSERT(deflateInit2(&stream, kDeflateLevel, Z_DEFLATED, kRawDeflateWindowBits, 8,
                               Z_DEFAULT_STRATEGY) == Z_OK);
    }
    ~Deflater() { deflateEnd(&stream); }
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;
};

ContainerWriter::ContainerWriter(const Options& options) : options_(options) {
    if (options.codec == Codec::deflate) {
        deflater_ = std::make_unique<Deflater>();
    }
}

ContainerWriter::~ContainerWriter() = default;

void ContainerWriter::append_header(std::string& out) const {
    out += kMagic;
    append_long(out, 3);  // a map of three entries, in one block
    append_bytes(out, kSchemaKey);
    append_bytes(out, game_round_schema());
    append_bytes(out, kCodecKey);
    append_bytes(out, options_.codec == Codec::deflate ? "deflate" : "null");
    append_bytes(out, kLayoutKey);
    append_bytes(out, kLayout);
    append_long(out, 0);  // the end of the map
    out.append(options_.sync.data(), options_.sync.size());
}

std::string_view ContainerWriter::compress() {
    z_stream& stream = deflater_->stream;
    RH_ASSERT(deflateReset(&stream) == Z_OK);
    compressed_.resize(deflateBound(&stream, records_.size()));
    stream.next_in = reinterpret_cast<Bytef*>(records_.data());
    stream.avail_in = static_cast<uInt>(records_.size());
    stream.next_out = reinterpret_cast<Bytef*>(compressed_.data());
    stream.avail_out = static_cast<uInt>(compressed_.size());
    RH_ASSERT(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
    return {compressed_.data(), stream.total_out};
}

size_t ContainerWriter::append_block(const model::RowBatch& batch, size_t first,
                                     const model::UploadId& id, std::string& out) {
    size_t rows = std::min(kBlockRowsMax, batch.size() - first);
    while (rows > 1 && encoded_bytes_max(batch, first, first + rows) > kBlockBytesMax) {
        rows /= 2;
    }
    records_.clear();
    encode_rows(batch, first, first + rows, id, records_);
    // The row rules hold a record under 3 KB.
    RH_ASSERT(rows > 0 && records_.size() <= kBlockBytesMax);
    append_long(out, static_cast<int64_t>(rows));
    append_bytes(out, deflater_ ? compress() : std::string_view(records_));
    out.append(options_.sync.data(), options_.sync.size());
    return rows;
}

}  // namespace rh::avro
