#include "receive/identity.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace rh::receive {
namespace {

TEST(UploadIdentity, EveryOptionThatChangesRowsChangesTheId) {
    const uploads::Request plain;
    std::set<model::UploadId> ids = {make_upload_id("aa", plain), make_upload_id("ab", plain)};
    const auto with = [&](auto change) {
        uploads::Request request = plain;
        change(request);
        ids.insert(make_upload_id("aa", request));
    };
    with([](auto& r) { r.encoding = csv::Encoding::windows1252; });
    with([](auto& r) { r.csv.delimiter = ';'; });
    with([](auto& r) { r.csv.timezone_offset_minutes = 1; });
    with([](auto& r) { r.csv.empty_amount_is_reject = true; });
    with([](auto& r) { r.csv.allow_negative = true; });
    with([](auto& r) { r.dry_run = true; });
    with([](auto& r) { r.label = "again"; });
    EXPECT_EQ(ids.size(), 9U);
    with([](auto& r) { r.filename = "other.csv"; });
    with([](auto& r) { r.abort_on_error = true; });
    with([](auto& r) { r.errors_max = 3; });
    with([](auto& r) { r.replaces = model::UploadId{}; });
    EXPECT_EQ(ids.size(), 9U);
}

TEST(UploadIdentity, CleansFilenames) {
    EXPECT_EQ(clean_filename("rounds.csv"), "rounds.csv");
    EXPECT_EQ(clean_filename("../../etc/passwd"), "passwd");
    EXPECT_EQ(clean_filename("C:\\a\\b.csv"), "b.csv");
    EXPECT_EQ(clean_filename("a\nb\x7f\xff.csv"), "a_b__.csv");
    EXPECT_EQ(clean_filename("r\xc3\xa9sum\xc3\xa9.csv"), "r\xc3\xa9sum\xc3\xa9.csv");
    EXPECT_EQ(clean_filename("\xed\xa0\x80"), "___");  // a surrogate is no UTF-8
    EXPECT_EQ(clean_filename(std::string(300, 'a')).size(), 255U);
    const std::string wide = clean_filename(std::string(254, 'a') + "\xc3\xa9");
    EXPECT_EQ(wide.size(), 254U);  // no half character
}

}  // namespace
}  // namespace rh::receive
