#include "reconcile/agreement.h"

#include <functional>
#include <vector>

#include <gtest/gtest.h>

namespace rh::reconcile {
namespace {

struct Sides {
    OriginalDigest original;
    StoredDigests stored;
};

Sides agreeing() {
    Sides sides;
    sides.original.result.original.rows = 3;
    sides.original.result.original.sums[2].add(1'500'000);
    sides.original.rows = 77;
    sides.stored.stored = sides.stored.aggregated = sides.original.result.original;
    sides.stored.rows = 77;
    sides.stored.rollups_agree = true;
    return sides;
}

TEST(Agreement, IsSaidOfSidesThatAreEqual) {
    const Sides sides = agreeing();
    EXPECT_TRUE(agree(sides.original, sides.stored));
}

TEST(Agreement, IsNotSaidIfAnyOneFigureDiffers) {
    const std::vector<std::function<void(Sides&)>> changes = {
        [](Sides& s) { ++s.original.result.original.rows; },
        [](Sides& s) { s.original.result.original.sums[0].add(1); },
        [](Sides& s) { ++s.original.rows; },
        [](Sides& s) { s.stored.stored.sums[3].add(1); },
        [](Sides& s) { ++s.stored.aggregated.rows; },
        [](Sides& s) { s.stored.aggregated.sums[1].add(-1); },
        [](Sides& s) { s.stored.rollups_agree = false; },
    };
    for (const auto& change : changes) {
        Sides sides = agreeing();
        change(sides);
        EXPECT_FALSE(agree(sides.original, sides.stored));
    }
}

TEST(RowHash, HasAnotherKeyEachTime) {
    const HashKey one = draw_hash_key();
    const HashKey other = draw_hash_key();
    EXPECT_NE(one.city, other.city);
    EXPECT_NE(one.sip_low, other.sip_low);
    EXPECT_NE(one.sip_high, one.sip_low);
}

}  // namespace
}  // namespace rh::reconcile
