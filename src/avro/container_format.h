// The constants of an Avro object container file as this program writes it; docs/formats/avro.md.
#pragma once

#include <cstddef>
#include <string_view>

namespace rh::avro {

inline constexpr std::string_view kMagic{"Obj\x01", 4};
inline constexpr std::string_view kSchemaKey = "avro.schema";
inline constexpr std::string_view kCodecKey = "avro.codec";
// Names the order and types of the fields, so that a reader knows them without reading the schema,
// whose comments may change.
inline constexpr std::string_view kLayoutKey = "roundhouse.layout";
inline constexpr std::string_view kLayout = "game_round/1";

inline constexpr size_t kSyncBytes = 16;
inline constexpr size_t kHeaderBytesMax = 65'536;
// Of the records of a block, before compression.
inline constexpr size_t kBlockBytesMax = 1'048'576;
inline constexpr size_t kBlockRowsMax = 4096;
// Of a whole block in the file: records that do not compress, which deflate makes a little longer
// (by 5 bytes in 16 KiB), count, size and marker.
inline constexpr size_t kStoredBlockBytesMax = kBlockBytesMax + kBlockBytesMax / 1024 + 128;

}  // namespace rh::avro
