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
// Count and size of a block, and the marker behind it.
inline constexpr size_t kBlockFrameBytesMax = 20 + kSyncBytes;

}  // namespace rh::avro
