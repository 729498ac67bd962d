// What a member of the group says went wrong, and for how long.
#include "sink/group_errors.h"

#include <gtest/gtest.h>

namespace rh::sink {
namespace {

constexpr int64_t kLongMs = 60'000;

Error of(std::string_view code) {
    return {.kind = ErrorKind::unavailable, .code = std::string(code), .message = "x"};
}

std::string last(const GroupErrors& errors) {
    const auto error = errors.last();
    return error ? error->code : "";
}

TEST(GroupErrors, ANameIsTakenIfThatHappensAgain) {
    GroupErrors errors;
    errors.note_session(of("kafka_name_taken"));
    EXPECT_EQ(last(errors), "kafka_unavailable");
    errors.note_session(of("kafka_name_taken"));
    EXPECT_EQ(last(errors), "kafka_name_taken");
}

TEST(GroupErrors, ASessionsIsOverWhenTheNextOneLasts) {
    GroupErrors errors;
    errors.note_session(of("one"));
    errors.look(0, true);
    EXPECT_EQ(last(errors), "one");
    errors.look(kLongMs, true);
    EXPECT_EQ(last(errors), "");
}

TEST(GroupErrors, AnInsertsIsOverWhenNobodyTriesIt) {
    GroupErrors errors;
    errors.note_insert(of("two"));
    errors.look(kLongMs, true);
    EXPECT_EQ(last(errors), "two");
    errors.look(kLongMs, false);
    EXPECT_EQ(last(errors), "");
}

TEST(GroupErrors, TendingsIsOverWhenItGoesWell) {
    GroupErrors errors;
    errors.note_tending(of("three"));
    errors.rows_came();
    errors.look(kLongMs, false);
    EXPECT_EQ(last(errors), "three");
    errors.note_session(of("one"));
    EXPECT_EQ(last(errors), "one");
    errors.rows_came();
    errors.note_tending(std::nullopt);
    EXPECT_EQ(last(errors), "");
}

TEST(GroupErrors, RowsThatCameEndBoth) {
    GroupErrors errors;
    errors.note_session(of("one"));
    errors.note_insert(of("two"));
    errors.rows_came();
    EXPECT_EQ(last(errors), "");
}

}  // namespace
}  // namespace rh::sink
