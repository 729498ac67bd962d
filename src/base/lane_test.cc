#include "base/lane.h"

#include <new>
#include <string>

#include <gtest/gtest.h>

namespace rh {
namespace {

// What a thread lets out would end the whole program.
TEST(Lane, AnExceptionOfTheWorkIsAnError) {
    Lane<std::string> lane([](const std::string&) -> Result<void> { throw std::bad_alloc(); });
    std::string item = "1";
    // The worker may not have come so far at the first push.
    if (const auto pushed = lane.push(item); !pushed) {
        EXPECT_EQ(pushed.error().code, "internal_error");
    }
    const auto finished = lane.finish();
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().code, "internal_error");
    EXPECT_EQ(finished.error().verdict, Verdict::retry);
}

TEST(Lane, WorksOffAllItemsInOrder) {
    std::string seen;
    Lane<std::string> lane([&](const std::string& item) -> Result<void> {
        seen += item + " ";
        return {};
    });
    for (int i = 1; i <= 9; ++i) {
        std::string item = std::to_string(i);
        ASSERT_TRUE(lane.push(item));
        EXPECT_TRUE(item.empty());
    }
    ASSERT_TRUE(lane.finish());
    EXPECT_EQ(seen, "1 2 3 4 5 6 7 8 9 ");
}

}  // namespace
}  // namespace rh
