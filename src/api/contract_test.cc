// The contract and the page of problems are kept in step with the code.
#include "api/contract.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/docs_page.h"
#include "api/health.h"
#include "api/home.h"
#include "api/page.h"
#include "http/problem.h"

namespace rh::api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string read(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

const std::map<std::string, ErrorKind>& kinds() {
    static const std::map<std::string, ErrorKind> kNames = {
        {"invalid_request", ErrorKind::invalid_request},
        {"unauthorized", ErrorKind::unauthorized},
        {"forbidden", ErrorKind::forbidden},
        {"not_found", ErrorKind::not_found},
        {"conflict", ErrorKind::conflict},
        {"too_large", ErrorKind::too_large},
        {"unsupported", ErrorKind::unsupported},
        {"invalid_content", ErrorKind::invalid_content},
        {"busy", ErrorKind::busy},
        {"internal", ErrorKind::internal},
        {"unavailable", ErrorKind::unavailable},
        {"storage_full", ErrorKind::storage_full}};
    return kNames;
}

// Every fail(ErrorKind::KIND, "CODE" of the program.
std::set<std::pair<std::string, std::string>> failures_in_source() {
    const std::regex pattern(R"(fail\(\s*ErrorKind::(\w+),\s*"(\w+)\")");
    std::set<std::pair<std::string, std::string>> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(RH_SOURCE_DIR "/src")) {
        const std::string path = entry.path().string();
        if (entry.path().extension() != ".cc" || path.ends_with("_test.cc")) {
            continue;
        }
        const std::string text = read(entry.path());
        for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
            found.emplace((*at)[1], (*at)[2]);
        }
    }
    return found;
}

TEST(Problems, EachOneIsExplainedWithItsStatus) {
    const auto failures = failures_in_source();
    ASSERT_GT(failures.size(), 50U);
    for (const auto& [kind, code] : failures) {
        const auto& entries = problem_entries();
        const auto found = std::ranges::find(entries, code, &ProblemEntry::code);
        if (found == entries.end()) {
            ADD_FAILURE() << code << " is not in docs/reference/problems.md";
            continue;
        }
        const int status = http::status_of({kinds().at(kind), code, ""});
        EXPECT_THAT(std::string(found->status), HasSubstr(std::to_string(status))) << code;
    }
}

TEST(Problems, NoneIsListedTwiceOrEmpty) {
    std::set<std::string_view> codes;
    for (const ProblemEntry& entry : problem_entries()) {
        EXPECT_TRUE(codes.insert(entry.code).second) << entry.code;
        EXPECT_FALSE(entry.section.empty()) << entry.code;
        EXPECT_FALSE(entry.meaning.empty() || entry.remedy.empty() || entry.status.empty());
    }
}

TEST(Contract, EveryReferenceLeadsSomewhereAndThePageShowsEveryPath) {
    const auto document = boost::json::parse(openapi_json());
    const std::string page = docs_body(openapi_json());
    for (const auto& [path, item] : document.at("paths").as_object()) {
        EXPECT_THAT(page, HasSubstr("<code>" + std::string(path) + "</code>"));
    }
    EXPECT_THAT(page, HasSubstr("<a href=\"#createUpload\">Send a file</a>"));
    EXPECT_THAT(page, HasSubstr("<h3 id=\"createUpload\">"));
    EXPECT_THAT(page, HasSubstr("<p>Body: <code>text/csv, "));
    const std::string text(openapi_json());
    const std::regex pattern(R"re("\$ref":"#/([^"]+)")re");
    for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
        std::string pointer = "/" + (*at)[1].str();
        boost::system::error_code error;
        EXPECT_NE(document.find_pointer(pointer, error), nullptr) << pointer;
    }
}

TEST(Pages, EscapeTextAndAllowNoScript) {
    EXPECT_EQ(html_text("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    const auto response = page_response("<t>", "<p>b</p>");
    EXPECT_THAT(response.body, HasSubstr("<title>&lt;t&gt; - roundhouse</title>"));
    const std::string policy = response.headers[0].second;
    EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
    EXPECT_THAT(policy, Not(HasSubstr("script-src")));
    EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
}

}  // namespace
}  // namespace rh::api
