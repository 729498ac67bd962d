#include "model/upload_id.h"

#include <gtest/gtest.h>

namespace rh::model {
namespace {

TEST(UploadId, is_a_uuid_of_version_8) {
    std::array<uint8_t, 32> digest{};
    digest.fill(0xff);
    EXPECT_EQ(to_string(uuid_v8(digest)), "ffffffff-ffff-8fff-bfff-ffffffffffff");
}

TEST(UploadId, reads_back_what_it_prints_and_refuses_the_rest) {
    const auto id = parse_upload_id("01234567-89AB-8def-8123-456789abcdef");
    ASSERT_TRUE(id);
    EXPECT_EQ(to_string(*id), "01234567-89ab-8def-8123-456789abcdef");
    for (const char* text :
         {"", "0123456789ab8def8123456789abcdef", "01234567-89ab-8def-8123-456789abcdeg",
          "01234567-89ab-8def-8123-456789abcdef0"}) {
        EXPECT_FALSE(parse_upload_id(text)) << text;
    }
}

}  // namespace
}  // namespace rh::model
