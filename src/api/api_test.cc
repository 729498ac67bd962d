// The handlers of uploads on a real ledger, spool and receiver, with the workers behind them faked.
#include <cstdlib>
#include <cstring>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/body_digests.h"
#include "api/csv_text.h"
#include "api/page_cursor.h"
#include "api/upload_options.h"
#include "api/uploads.h"
#include "base/base64.h"
#include "base/test_directory.h"
#include "http/problem.h"
#include "model/reject.h"
#include "uploads/reject_file.h"

namespace rh::api {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kFile =
    "created_timestamp,game_instance_id,user_id,game_id,real_amount_bet,bonus_amount_bet,"
    "real_amount_win,bonus_amount_win,game_name,provider\n"
    "2019-10-22 08:20:41,20000,aa,10001,0.05,,NaN,0,Name,Provider\n";

// Records the answer of one handler call.
class FakeExchange : public http::Exchange {
  public:
    FakeExchange(http::Request request, std::string body)
        : request_(std::move(request)), body_(std::move(body)) {}
    http::Request& edit() { return request_; }
    const http::Request& request() const override { return request_; }
    Result<size_t> read_body(std::span<char> buffer) override {
        const size_t bytes = std::min(buffer.size(), body_.size() - read_);
        std::memcpy(buffer.data(), body_.data() + read_, bytes);
        read_ += bytes;
        return bytes;
    }
    std::optional<uint64_t> content_length() const override { return body_.size(); }
    Result<std::string> read_whole_body(size_t) override { return body_; }
    Result<void> send(http::Response response) override {
        answer = std::move(response);
        return {};
    }
    Result<void> begin(int status, std::string_view content_type,
                       const http::Headers& headers) override {
        answer = {status, std::string(content_type), "", headers};
        return {};
    }
    Result<void> write(std::string_view bytes) override {
        answer.body += bytes;
        return {};
    }
    Result<void> end() override { return {}; }
    bool stopping() const override { return true; }

    http::Response answer;

  private:
    http::Request request_;
    std::string body_;
    size_t read_ = 0;
};

class FakeService : public UploadService {
  public:
    explicit FakeService(uploads::Ledger& ledger) : ledger_(ledger) {}
    void submit(const model::UploadId& id, int64_t) override { submitted.push_back(id); }
    Result<uploads::Upload> cancel(const model::UploadId& id) override {
        auto upload = *ledger_.find(id);
        upload->state = uploads::State::cancelled;
        RH_TRY(ledger_.update(*upload, uploads::State::validating));
        return *upload;
    }
    Result<void> remove(const model::UploadId& id) override { return ledger_.remove(id); }
    Result<uploads::Upload> void_upload(const model::UploadId&) override {
        return fail(ErrorKind::conflict, "upload_not_stored", "It is not stored.");
    }
    std::optional<uploads::Upload> find_elsewhere(const model::UploadId&) const override {
        return std::nullopt;
    }
    std::optional<Error> waits_for(const model::UploadId&) const override { return waiting; }
    Result<uploads::Upload> wait_final(const model::UploadId& id, unsigned,
                                       const std::function<bool()>&) override {
        return **ledger_.find(id);
    }
    std::vector<model::UploadId> submitted;
    std::optional<Error> waiting;

  private:
    uploads::Ledger& ledger_;
};

class UploadApiTest : public ::testing::Test {
  protected:
    UploadApiTest() {
        layout_ = *uploads::Layout::open(directory_);
        ledger_ = *uploads::Ledger::open(uploads::Layout::ledger_path(directory_));
        receive::Limits limits;
        limits.free_bytes_min = 0;
        receiver_ = std::make_unique<receive::Receiver>(*layout_, *ledger_, board_, limits);
        service_ = std::make_unique<FakeService>(*ledger_);
        idempotency_ = *IdempotencyStore::open(directory_);
        add_upload_routes(router_, {.receiver = *receiver_,
                                    .layout = *layout_,
                                    .ledger = *ledger_,
                                    .board = board_,
                                    .service = *service_,
                                    .idempotency = *idempotency_,
                                    .is_lost = [](const model::UploadId&) { return false; }});
    }

    using Pairs = std::vector<std::pair<std::string, std::string>>;
    http::Response call(const std::string& method, const std::string& path, Pairs query = {},
                        Pairs headers = {}, std::string body = "") {
        http::Request request;
        request.method = method;
        request.path = path;
        request.target = path;
        request.query = std::move(query);
        request.headers = std::move(headers);
        request.trace_id = std::string(32, 'a');
        FakeExchange exchange(std::move(request), std::move(body));
        const auto match = router_.match(method, path);
        EXPECT_TRUE(match.has_value()) << path;
        exchange.edit().path_parameters = match->path_parameters;
        auto checked = http::check_query(*match->route, exchange.request());
        const auto result = checked ? match->route->handler(exchange) : checked;
        return result ? exchange.answer
                      : http::problem(result.error(), path, exchange.request().trace_id);
    }
    http::Response post(std::string body, Pairs query = {}, Pairs headers = {}) {
        headers.emplace_back("content-type", "text/csv");
        return call("POST", "/v1/uploads", std::move(query), std::move(headers), std::move(body));
    }
    static std::string header(const http::Response& response, std::string_view name) {
        for (const auto& [key, value] : response.headers) {
            if (key == name) {
                return value;
            }
        }
        return "";
    }
    static boost::json::object json(const http::Response& response) {
        return boost::json::parse(response.body).as_object();
    }
    static std::string code(const http::Response& response) {
        return response.content_type == "application/problem+json"
                   ? std::string(json(response).at("code").as_string())
                   : "";
    }

    const TestDirectory scratch_;
    const std::string directory_ = scratch_.path();
    std::unique_ptr<uploads::Layout> layout_;
    std::unique_ptr<uploads::Ledger> ledger_;
    uploads::ProgressBoard board_;
    std::unique_ptr<receive::Receiver> receiver_;
    std::unique_ptr<FakeService> service_;
    std::unique_ptr<IdempotencyStore> idempotency_;
    http::Router router_;
};

TEST_F(UploadApiTest, AFileIsReceivedSubmittedAndGivenBack) {
    const auto answer = post(std::string(kFile), {{"filename", "../a.csv"}});
    ASSERT_EQ(answer.status, 202) << answer.body;
    const auto upload = json(answer);
    const std::string path = "/v1/uploads/" + std::string(upload.at("id").as_string());
    EXPECT_EQ(header(answer, "Location"), path);
    EXPECT_EQ(header(answer, "Retry-After"), "1");
    EXPECT_EQ(upload.at("state"), "validating");
    EXPECT_EQ(upload.at("filename"), "a.csv");
    EXPECT_EQ(upload.at("bytes"), kFile.size());
    EXPECT_EQ(upload.at("delimiter"), ",");
    EXPECT_EQ(upload.at("duplicate"), false);
    EXPECT_EQ(service_->submitted.size(), 1U);

    const auto again = post(std::string(kFile));
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(json(again).at("duplicate"), true);
    EXPECT_EQ(service_->submitted.size(), 1U);

    const auto original = call("GET", path + "/original");
    EXPECT_EQ(original.body, kFile);
    EXPECT_EQ(header(original, "Repr-Digest"),
              digest_header(std::string(upload.at("sha256").as_string())));
    EXPECT_EQ(
        call("GET", path + "/original", {}, {{"if-none-match", header(original, "ETag")}}).status,
        304);
    EXPECT_EQ(json(call("GET", path)).at("id"), upload.at("id"));
    EXPECT_EQ(json(call("POST", path + "/cancel")).at("state"), "cancelled");
    EXPECT_EQ(call("DELETE", path).status, 204);
    EXPECT_EQ(code(call("GET", path)), "upload_not_found");
    EXPECT_EQ(code(call("GET", "/v1/uploads/nonsense")), "upload_not_found");
}

TEST_F(UploadApiTest, MultipartIsTheSameFile) {
    ASSERT_EQ(post(std::string(kFile)).status, 202);
    const std::string form = fmt::format(
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.csv\"\r\n"
        "Content-Type: text/csv\r\n\r\n{}\r\n--B",
        kFile);
    const Pairs headers = {{"content-type", "multipart/form-data; boundary=B"}};
    const auto answer = call("POST", "/v1/uploads", {}, headers, form + "--\r\n");
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(json(answer).at("duplicate"), true);
    const std::string field = "\r\nContent-Disposition: form-data; name=\"f\"";
    EXPECT_EQ(code(call("POST", "/v1/uploads", {}, headers, form + field + "\r\n\r\n1\r\n--B--")),
              "unexpected_field");
    EXPECT_EQ(code(call("POST", "/v1/uploads", {}, headers,
                        form + field + "; filename=b\r\n\r\n1\r\n--B--")),
              "several_files");
    EXPECT_EQ(code(call("POST", "/v1/uploads", {}, headers, form)), "bad_multipart");
    EXPECT_EQ(code(call("POST", "/v1/uploads", {}, headers, "--B--\r\n")), "no_file");
    Pairs with_digest = headers;
    with_digest.emplace_back("content-digest", digest_header(std::string(64, '0')));
    EXPECT_EQ(code(call("POST", "/v1/uploads", {}, with_digest, form + "--\r\n")),
              "digest_mismatch");
    with_digest.back().second = digest_header(receive::hex(receive::sha256(form + "--\r\n")));
    EXPECT_EQ(call("POST", "/v1/uploads", {}, with_digest, form + "--\r\n").status, 200);
}

TEST_F(UploadApiTest, WrongRequestsKeepNothing) {
    const std::string file(kFile);
    EXPECT_EQ(code(post("")), "empty_file");
    EXPECT_EQ(code(post("a,b\n1,2\n")), "missing_column");
    EXPECT_EQ(code(post(file, {{"nonsense", "1"}})), "unknown_parameter");
    EXPECT_EQ(code(post(file, {{"encoding", "latin1"}})), "unsupported_file_encoding");
    EXPECT_EQ(code(post(file, {{"delimiter", "x"}})), "bad_delimiter");
    EXPECT_EQ(code(post(file, {{"timezone", "CET"}})), "bad_timezone");
    EXPECT_EQ(code(post(file, {{"empty_amount", "one"}})), "bad_empty_amount");
    EXPECT_EQ(code(post(file, {{"on_error", "ignore"}})), "bad_on_error");
    EXPECT_EQ(code(post(file, {{"max_errors", "-1"}})), "bad_max_errors");
    EXPECT_EQ(code(post(file, {{"max_errors", "1"}, {"on_error", "abort"}})),
              "conflicting_parameters");
    EXPECT_EQ(code(post(file, {{"dry_run", "yes"}})), "bad_dry_run");
    EXPECT_EQ(code(post(file, {{"allow_duplicate", ""}})), "bad_allow_duplicate");
    EXPECT_EQ(code(post(file, {{"replaces", "x"}})), "bad_replaces");
    EXPECT_EQ(code(post(file, {}, {{"content-digest", "sha-256=:x:"}})), "bad_digest");
    EXPECT_EQ(code(post(file, {}, {{"repr-digest", digest_header(std::string(64, '0'))}})),
              "digest_mismatch");
    EXPECT_EQ(code(post(file, {}, {{"content-encoding", "br"}})), "unsupported_encoding");
    EXPECT_EQ(code(post(file, {}, {{"accept", "text/html"}})), "not_acceptable");
    EXPECT_EQ(code(post(file, {}, {{"idempotency-key", "a b"}})), "bad_idempotency_key");
    const auto form = call("POST", "/v1/uploads", {},
                           {{"content-type", "application/x-www-form-urlencoded"}}, file);
    EXPECT_EQ(form.status, 415);
    EXPECT_THAT(header(form, "Accept-Post"), HasSubstr("text/csv"));
    EXPECT_EQ(json(call("GET", "/v1/uploads")).at("data").as_array().size(), 0U);
    EXPECT_TRUE(service_->submitted.empty());
}

TEST_F(UploadApiTest, AnIdempotencyKeyGivesTheFirstAnswerAgain) {
    const Pairs key = {{"idempotency-key", "k1"}};
    const auto first = post(std::string(kFile), {}, key);
    EXPECT_EQ(first.status, 202);
    const auto second = post(std::string(kFile), {}, key);
    EXPECT_EQ(second.status, 202);
    EXPECT_EQ(second.body, first.body);
    EXPECT_EQ(header(second, "Idempotency-Replayed"), "true");
    EXPECT_EQ(header(second, "Location"), header(first, "Location"));
    EXPECT_EQ(code(post(std::string(kFile) + "\n", {}, key)), "idempotency_key_reused");
    EXPECT_EQ(code(post(std::string(kFile), {{"filename", "b.csv"}}, key)),
              "idempotency_key_reused");
    // Another store on the same directory, as after a restart.
    auto again = *IdempotencyStore::open(directory_);
    const auto ticket = *again->begin("", "k1");
    ASSERT_TRUE(ticket.kept().has_value());
    EXPECT_EQ(ticket.kept()->response.body, first.body);
    EXPECT_EQ(again->begin("", "k1").error().code, "idempotency_key_in_use");
    EXPECT_FALSE(again->begin("other key", "k1")->kept().has_value());
}

TEST_F(UploadApiTest, ListsPageThroughEverythingOnce) {
    std::vector<std::string> sent;
    for (int i = 0; i < 5; ++i) {
        const auto answer = post(std::string(kFile), {{"allow_duplicate", fmt::to_string(i)}});
        sent.emplace_back(json(answer).at("id").as_string());
    }
    std::vector<std::string> listed;
    std::string cursor;
    do {
        Pairs query = {{"limit", "2"}};
        if (!cursor.empty()) {
            query.emplace_back("cursor", cursor);
        }
        const auto page = call("GET", "/v1/uploads", query);
        for (const auto& upload : json(page).at("data").as_array()) {
            listed.emplace_back(upload.at("id").as_string());
        }
        const auto next = json(page).at("next_cursor");
        cursor = next.is_null() ? "" : std::string(next.as_string());
        EXPECT_EQ(header(page, "Link").empty(), cursor.empty());
    } while (!cursor.empty());
    EXPECT_THAT(listed, ::testing::UnorderedElementsAreArray(sent));
    const auto first = json(call("GET", "/v1/uploads", {{"limit", "2"}}));
    const std::string next(first.at("next_cursor").as_string());
    EXPECT_EQ(code(call("GET", "/v1/uploads", {{"cursor", next}, {"state", "stored"}})),
              "cursor_mismatch");
    EXPECT_EQ(code(call("GET", "/v1/uploads", {{"cursor", "!"}})), "bad_cursor");
    const auto counted = call("GET", "/v1/uploads", {{"limit", "2"}, {"count", "exact"}});
    EXPECT_EQ(json(counted).at("count"), 5);
    EXPECT_EQ(header(counted, "X-Total-Count"), "5");
    EXPECT_EQ(
        json(call("GET", "/v1/uploads", {{"filename", "none"}, {"count", "exact"}})).at("count"),
        0);
    EXPECT_FALSE(first.contains("count"));
    EXPECT_EQ(code(call("GET", "/v1/uploads", {{"count", "yes"}})), "bad_count");
    EXPECT_EQ(code(call("GET", "/v1/uploads", {{"limit", "0"}})), "bad_limit");
    EXPECT_EQ(code(call("GET", "/v1/uploads", {{"limit", "10001"}})), "bad_limit");
    EXPECT_EQ(code(call("GET", "/v1/uploads", {{"state", "gone"}})), "bad_state");
    EXPECT_EQ(json(call("GET", "/v1/uploads", {{"filename", "none"}})).at("data"),
              boost::json::array{});
}

TEST_F(UploadApiTest, RejectsAsJsonCsvAndNdjson) {
    const std::string id(json(post(std::string(kFile))).at("id").as_string());
    auto writer = *uploads::RejectWriter::create(layout_->rejects(*model::parse_upload_id(id)));
    std::vector<model::Reject> rejects;
    for (uint64_t row = 1; row <= 3; ++row) {
        rejects.push_back({row + 1,
                           row + 1,
                           row,
                           {{model::RejectCode::bad_decimal, 4, "=1+\"1\"", "Not a number."},
                            {model::RejectCode::field_count, -1, "-5", "Too many."}}});
    }
    ASSERT_TRUE(writer.add(rejects).has_value());
    ASSERT_TRUE(writer.finish().has_value());
    const std::string path = "/v1/uploads/" + id + "/rejects";

    const auto page = json(call("GET", path, {{"limit", "2"}}));
    ASSERT_EQ(page.at("data").as_array().size(), 2U);
    EXPECT_EQ(page.at("data").at(0).at("faults").at(0).at("column"), "real_amount_bet");
    EXPECT_TRUE(page.at("data").at(0).at("faults").at(1).at("column").is_null());
    const std::string next(page.at("next_cursor").as_string());
    const auto rest = json(call("GET", path, {{"cursor", next}}));
    EXPECT_EQ(rest.at("data").as_array().size(), 1U);
    EXPECT_EQ(rest.at("data").at(0).at("row"), 3);
    EXPECT_TRUE(rest.at("next_cursor").is_null());

    const auto csv = call("GET", path, {}, {{"accept", "text/csv"}});
    EXPECT_THAT(csv.body, StartsWith("line,line_last,row,column,code,value,detail\r\n"
                                     "2,2,1,real_amount_bet,bad_decimal,\"'=1+\"\"1\"\"\",Not a "
                                     "number.\r\n2,2,1,,field_count,-5,Too many.\r\n"));
    const auto bare =
        call("GET", path, {{"format", "csv"}, {"csv_guard", "false"}, {"limit", "1"}});
    EXPECT_THAT(bare.body, HasSubstr(",\"=1+\"\"1\"\"\","));
    EXPECT_THAT(header(bare, "Link"), HasSubstr("format=csv&csv_guard=false&limit=1&cursor="));
    const auto ndjson = call("GET", path, {{"format", "ndjson"}});
    EXPECT_THAT(ndjson.body, EndsWith("\n{\"_end\":{\"rows\":3}}\n"));
}

TEST_F(UploadApiTest, EventsEndWithTheFinalState) {
    const std::string id(json(post(std::string(kFile))).at("id").as_string());
    const auto upload_id = *model::parse_upload_id(id);
    const std::string path = "/v1/uploads/" + id + "/events";
    board_.set(upload_id, uploads::State::validating, {"validating", 1, 2, 3});
    const auto running = call("GET", path);
    EXPECT_EQ(running.content_type, "text/event-stream");
    EXPECT_THAT(running.body, HasSubstr("event: state\ndata: {\"id\":\"" + id));
    EXPECT_THAT(running.body, HasSubstr("\"progress\":{\"stage\":\"validating\",\"rows\":1,"));

    call("POST", "/v1/uploads/" + id + "/cancel");
    board_.set(upload_id, uploads::State::cancelled, {"cancelled", 0, 0, 0});
    const auto ended = call("GET", path);
    EXPECT_THAT(ended.body, HasSubstr("event: done\n"));
    const std::string number = fmt::to_string(board_.find(upload_id)->number);
    EXPECT_THAT(ended.body, StartsWith("id: " + number + "\n"));
    EXPECT_EQ(call("GET", path, {}, {{"last-event-id", number}}).status, 204);
}

TEST(UploadOptions, Timezones) {
    EXPECT_EQ(parse_timezone("UTC"), 0);
    EXPECT_EQ(parse_timezone("Z"), 0);
    EXPECT_EQ(parse_timezone("+02:00"), 120);
    EXPECT_EQ(parse_timezone(" 02:00"), 120);
    EXPECT_EQ(parse_timezone("-0530"), -330);
    EXPECT_EQ(parse_timezone("+18"), 1080);
    for (const std::string_view bad :
         {"", "+", "+18:01", "+1", "02:00", "+02:60", "+2:00", "CET"}) {
        EXPECT_EQ(parse_timezone(bad), std::nullopt) << bad;
    }
}

TEST(UploadOptions, Digests) {
    // SHA-256 of nothing.
    const std::string value = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    EXPECT_EQ(receive::hex(**read_digest(value, "Repr-Digest")),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(digest_header("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
              value);
    EXPECT_EQ(read_digest("sha-512=:AA==:, " + value, "Repr-Digest")->has_value(), true);
    EXPECT_EQ(read_digest("", "Repr-Digest")->has_value(), false);
    EXPECT_EQ(read_digest("md5=:AA==:", "Repr-Digest").error().code, "bad_digest");
    EXPECT_EQ(read_digest("sha-256=AA", "Repr-Digest").error().code, "bad_digest");
    EXPECT_EQ(read_digest("nonsense", "Repr-Digest").error().code, "bad_digest");
}

TEST(PageCursors, BelongToTheirScope) {
    const std::string cursor = encode_page_cursor("a", "12:34");
    EXPECT_EQ(*decode_page_cursor("a", cursor), "12:34");
    EXPECT_EQ(decode_page_cursor("b", cursor).error().code, "cursor_mismatch");
    for (const std::string_view bad : {"", "AA", "!!!!"}) {
        EXPECT_EQ(decode_page_cursor("a", bad).error().code, "bad_cursor");
    }
}

TEST(CsvCells, AreQuotedAndGuarded) {
    const auto cell = [](std::string_view text, bool guard = true) {
        std::string out;
        append_csv_cell(out, text, guard);
        return out;
    };
    EXPECT_EQ(cell("plain"), "plain");
    EXPECT_EQ(cell("a,b"), "\"a,b\"");
    EXPECT_EQ(cell("a\"b\r\nc"), "\"a\"\"b\r\nc\"");
    EXPECT_EQ(cell("=1+1"), "'=1+1");
    EXPECT_EQ(cell("=1+1", false), "=1+1");
    EXPECT_EQ(cell("@x"), "'@x");
    EXPECT_EQ(cell("-1.5e-3"), "-1.5e-3");
    EXPECT_EQ(cell("+12"), "+12");
    EXPECT_EQ(cell("-"), "'-");
    EXPECT_EQ(cell("-1+2"), "'-1+2");
    EXPECT_EQ(cell("\tx"), "\"'\tx\"");
}

}  // namespace
}  // namespace rh::api
