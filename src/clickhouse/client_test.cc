#include "clickhouse/client.h"

#include <gmock/gmock.h>

#include "clickhouse/exception.h"
#include "clickhouse/test_server.h"

namespace rh::clickhouse {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

using ClientTalks = ServerTest;

TEST_F(ClientTalks, ParametersArriveAsTheyWere) {
    std::string every_byte;
    for (int c = 0; c < 256; ++c) {
        every_byte += static_cast<char>(c);
    }
    for (const std::string& text :
         {std::string(), std::string("it's"), std::string("a\\b\tc\nd\re"),
          std::string("%41&b=c+d #"), std::string("' OR 1=1 --"), std::string("{x:String}"),
          std::string("żółć"), every_byte}) {
        EXPECT_EQ(ask("SELECT {x:String} FORMAT RawBLOB", {{"x", text}}), text);
    }
    EXPECT_EQ(ask("SELECT {n:UInt64} + 1, {d:Date}", {{"n", "41"}, {"d", "2019-10-22"}}),
              "42\t2019-10-22");
    const std::vector<std::string> texts = {"it's", "back\\slash", "tab\t,'", ""};
    EXPECT_EQ(ask("SELECT arrayStringConcat({a:Array(String)}, '|') FORMAT RawBLOB",
                  {{"a", array_parameter(texts)}}),
              "it's|back\\slash|tab\t,'|");
    const std::vector<int64_t> numbers = {3, 1, 2};
    EXPECT_EQ(
        ask("SELECT arraySum({a:Array(UInt64)}), length({e:Array(String)})",
            {{"a", array_parameter(numbers)}, {"e", array_parameter(std::span<std::string>())}}),
        "6\t0");
}

TEST_F(ClientTalks, ErrorsAreWordsForAPerson) {
    const auto error = Client(server->owner()).query("SELECT * FROM nowhere").error();
    EXPECT_EQ(error.kind, ErrorKind::internal);
    EXPECT_EQ(error.code, "clickhouse_error");
    EXPECT_THAT(error.message, HasSubstr("Code: 60. Unknown table"));
    EXPECT_THAT(error.message, Not(HasSubstr("DB::Exception")));
    EXPECT_THAT(error.message, Not(HasSubstr("version")));
}

TEST_F(ClientTalks, AnExceptionInTheMiddleOfAnAnswerIsFound) {
    const Client client(server->owner());
    constexpr std::string_view kFailsLate =
        "SELECT number, throwIf(number = 3000000) FROM numbers(10000000) "
        "SETTINGS max_block_size = 65536";
    auto stream = client.stream(kFailsLate).value();
    uint64_t bytes = 0;
    std::string last;
    Result<std::string_view> piece = std::string_view();
    while ((piece = stream->next()) && !piece->empty()) {
        bytes += piece->size();
        last = *piece;
    }
    ASSERT_FALSE(piece) << "the exception was taken for the end";
    EXPECT_THAT(piece.error().message, HasSubstr("Code: 395"));
    EXPECT_GT(bytes, 1'000'000U) << "it failed before the first byte, which is another case";
    EXPECT_THAT(last, EndsWith("\t0\n")) << "a part of the exception was handed out as data";
    EXPECT_TRUE(stream->next().value().empty());

    EXPECT_THAT(client.query(kFailsLate).error().message, HasSubstr("Code: 395"));
}

TEST_F(ClientTalks, DataThatLooksLikeAnExceptionIsData) {
    const std::string data = "\r\n__exception__\r\nabcdefghijklmnop\r\nCode: 1. no\n";
    EXPECT_EQ(ask("SELECT {x:String} FORMAT RawBLOB", {{"x", data}}) + "\n", data);
}

TEST_F(ClientTalks, LargeAnswersFlow) {
    auto stream = Client(server->owner())
                      .stream("SELECT number FROM numbers(5000000) FORMAT RowBinary")
                      .value();
    uint64_t bytes = 0;
    while (true) {
        const auto piece = stream->next().value();
        if (piece.empty()) {
            break;
        }
        bytes += piece.size();
    }
    EXPECT_EQ(bytes, 40'000'000U);
    EXPECT_EQ(Client(server->owner())
                  .query("SELECT number FROM numbers(9000000) FORMAT RowBinary")
                  .error()
                  .code,
              "clickhouse_answer_too_large");
}

TEST_F(ClientTalks, InsertsFromPieces) {
    ASSERT_EQ(ask("CREATE TABLE IF NOT EXISTS pieces (a UInt64) ENGINE = MergeTree ORDER BY a"),
              "");
    const std::vector<std::string_view> body = {"1\n2", "3\n", "", "4\n"};
    const Client client(server->owner());
    EXPECT_TRUE(client.insert("INSERT INTO pieces FORMAT TSV", body));
    EXPECT_EQ(ask("SELECT groupArray(a) FROM (SELECT a FROM pieces ORDER BY a)"), "[1,4,23]");
    const std::vector<std::string_view> bad = {"5\nnot a number\n"};
    EXPECT_THAT(client.insert("INSERT INTO pieces FORMAT TSV", bad).error().message,
                HasSubstr("Code: 27"));
}

TEST_F(ClientTalks, ANewDatabaseIsNotNeededToMigrate) {
    EXPECT_TRUE(migrate(Client(server->owner()))) << "again";
    EXPECT_EQ(ask("SELECT currentDatabase()", {}, {{"database", "system"}}), "system");
}

TEST(Client, SaysWhenNobodyAnswers) {
    Endpoint endpoint;
    endpoint.port = 1;
    const Client client(endpoint);
    for (const Error& error : {client.query("SELECT 1").error(), client.ping().error()}) {
        EXPECT_EQ(error.kind, ErrorKind::unavailable);
        EXPECT_EQ(error.code, "clickhouse_unavailable");
        EXPECT_EQ(error.verdict, Verdict::retry);
        EXPECT_THAT(error.message, HasSubstr("127.0.0.1:1"));
    }
}

TEST(ExceptionFilter, FindsTheMarkerHoweverThePiecesAreCut) {
    const std::string body =
        "data\r\n__exception_\r\n\r\n__exception__\r\ntagtagtagtagtagt\r\n"
        "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED) (version 26.7)\n"
        "88 tagtagtagtagtagt\r\n__exception__\r\n";
    for (size_t size = 1; size <= body.size(); ++size) {
        ExceptionFilter filter("tagtagtagtagtagt");
        std::string data;
        for (size_t at = 0; at < body.size(); at += size) {
            data += filter.push(std::string_view(body).substr(at, size));
        }
        const auto end = filter.finish();
        ASSERT_FALSE(end);
        EXPECT_EQ(data, "data\r\n__exception_\r\n");
        EXPECT_EQ(end.error().verdict, Verdict::retry);
        EXPECT_EQ(end.error().message,
                  "ClickHouse cannot do this now: Code: 241. Memory limit exceeded. "
                  "(MEMORY_LIMIT_EXCEEDED)");
    }
}

TEST(ExceptionFilter, HoldsNothingBackAtTheEnd) {
    const std::string body = "ends like a marker\r\n__exception__\r\ntagtag";
    for (size_t size = 1; size <= body.size(); ++size) {
        ExceptionFilter filter("tagtagtagtagtagt");
        std::string data;
        for (size_t at = 0; at < body.size(); at += size) {
            data += filter.push(std::string_view(body).substr(at, size));
        }
        data += filter.finish().value();
        EXPECT_EQ(data, body);
    }
}

TEST(ExceptionError, FollowsTheNumber) {
    EXPECT_EQ(exception_error("Code: 243. DB::Exception: x").kind, ErrorKind::storage_full);
    EXPECT_EQ(exception_error("Code: 159. DB::Exception: x").code, "clickhouse_query_limit");
    EXPECT_EQ(exception_error("Code: 202. DB::Exception: x").code, "clickhouse_unavailable");
    const Error error = exception_error("Code: 62. DB::Exception: bad. Stack trace:\n0. 0x1\n");
    EXPECT_EQ(error.message, "ClickHouse: Code: 62. bad.");
}

}  // namespace
}  // namespace rh::clickhouse
