#include "receive/receiver.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>
#include <zstd.h>

#include "base/test_directory.h"
#include "io/file.h"
#include "uploads/original.h"

namespace rh::receive {
namespace {

namespace fs = std::filesystem;
using uploads::State;

constexpr std::string_view kHeader =
    "created_timestamp,game_instance_id,user_id,game_id,real_amount_bet,bonus_amount_bet,"
    "real_amount_win,bonus_amount_win,game_name,provider\n";

std::string rounds(int count) {
    std::string text(kHeader);
    for (int i = 0; i < count; ++i) {
        text += "2019-10-22 08:20:41," + std::to_string(20'000 + i) + ",player" +
                std::to_string(i * 7919 % 1009) + ",10" + std::to_string(i % 7) +
                ",0.05,,NaN,0.10,Book,Play'n GO\n";
    }
    return text;
}

std::string gzip(std::string_view text) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string packed(deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

std::string zstd(std::string_view text) {
    std::string packed(ZSTD_compressBound(text.size()), '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
    return packed;
}

std::string utf16be(std::string_view text) {
    std::string wide;
    for (const char c : text) {
        wide += '\0';
        wide += c;
    }
    return wide;
}

Source source_of(std::string_view body, size_t piece_bytes = 1 << 20) {
    return [body, piece_bytes](std::span<char> buffer) mutable -> Result<size_t> {
        const size_t bytes = std::min({buffer.size(), piece_bytes, body.size()});
        std::ranges::copy(body.substr(0, bytes), buffer.begin());
        body.remove_prefix(bytes);
        return bytes;
    };
}

class ReceiverTest : public ::testing::Test {
  protected:
    void SetUp() override {
        layout_ = uploads::Layout::open(directory_).value();
        ledger_ = uploads::Ledger::open(uploads::Layout::ledger_path(directory_)).value();
        limits_.free_bytes_min = 1;
    }
    Receiver& receiver() {
        if (!receiver_) {
            receiver_ = std::make_unique<Receiver>(*layout_, *ledger_, board_, limits_);
        }
        return *receiver_;
    }
    Result<Received> send(std::string_view body, const Options& options = {},
                          size_t piece_bytes = 1 << 20) {
        return receiver().receive(source_of(body, piece_bytes), options);
    }
    std::string code_of(std::string_view body, const Options& options = {}) {
        const auto received = send(body, options);
        return received ? "" : received.error().code;
    }
    void expect_nothing_kept() {
        EXPECT_TRUE(fs::is_empty(layout_->incoming()));
        EXPECT_TRUE(fs::is_empty(layout_->uploads()));
        EXPECT_TRUE(ledger_->list({})->empty());
    }
    std::string original(const model::UploadId& id) {
        auto reader = uploads::OriginalReader::open(layout_->original(id)).value();
        std::string all;
        while (true) {
            const auto piece = reader.next().value();
            if (piece.empty()) {
                return all;
            }
            all += piece;
        }
    }
    void end_as(const model::UploadId& id, State state) {
        auto upload = ledger_->find(id).value().value();
        const State was = upload.state;
        upload.state = state;
        ASSERT_TRUE(ledger_->update(upload, was));
    }
    void store(const model::UploadId& id) {
        end_as(id, State::storing);
        auto upload = ledger_->find(id).value().value();
        upload.stored_version = ledger_->reserve_version(id).value();
        ASSERT_TRUE(ledger_->commit_stored(upload));
    }

    const TestDirectory scratch_;
    const std::string directory_ = scratch_.path();
    std::unique_ptr<uploads::Layout> layout_;
    std::unique_ptr<uploads::Ledger> ledger_;
    uploads::ProgressBoard board_;
    Limits limits_;
    std::unique_ptr<Receiver> receiver_;
};

// Digest by coreutils' sha256sum.
constexpr std::string_view kAbcSha256 =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Sha256, IsTheStandardOne) { EXPECT_EQ(hex(sha256("abc")), kAbcSha256); }

TEST_F(ReceiverTest, KeepsTheFileAndSaysWhatItIs) {
    const std::string body = rounds(1'000);
    Options options;
    options.filename = "C:\\files\\rounds.csv";
    options.trace_id = "trace";
    const auto received = send(body, options, 777);
    ASSERT_TRUE(received) << received.error().message;
    EXPECT_TRUE(received->created);
    EXPECT_FALSE(received->duplicate);
    const auto& upload = received->upload;
    EXPECT_EQ(upload.state, State::validating);
    EXPECT_EQ(upload.bytes, body.size());
    EXPECT_EQ(upload.sha256, hex(sha256(body)));
    EXPECT_EQ(upload.request.filename, "rounds.csv");
    EXPECT_EQ(upload.request.encoding, csv::Encoding::utf8);
    EXPECT_TRUE(upload.request.encoding_detected);
    EXPECT_EQ(upload.request.csv.delimiter, ',');
    EXPECT_EQ(upload.trace_id, "trace");
    EXPECT_EQ(original(upload.id), body);
    EXPECT_TRUE(fs::is_empty(layout_->incoming()));
    EXPECT_TRUE(board_.find(upload.id));
    EXPECT_EQ(model::to_string(upload.id)[14], '8');
}

TEST_F(ReceiverTest, AFileAndItsCompressedFormsAreTheSameFile) {
    const std::string body = rounds(5'000);
    const auto first = send(body).value();
    Options options;
    options.content_encoding = io::ContentEncoding::gzip;
    const std::string_view view = body;
    const std::string members =
        gzip(view.substr(0, 1'000)) + gzip("") + gzip(view.substr(1'000)) + std::string(512, '\0');
    for (const std::string& packed : {gzip(body), members}) {
        for (const size_t piece : {size_t{1}, size_t{313}, size_t{1} << 20}) {
            const auto again = send(packed, options, piece);
            ASSERT_TRUE(again) << again.error().message;
            EXPECT_TRUE(again->duplicate);
            EXPECT_FALSE(again->created);
            EXPECT_EQ(again->upload.id, first.upload.id);
        }
    }
    options.content_encoding = io::ContentEncoding::zstd;
    for (const std::string& packed :
         {zstd(body), zstd(view.substr(0, 4'321)) + zstd(view.substr(4'321))}) {
        for (const size_t piece : {size_t{1}, size_t{1} << 20}) {
            EXPECT_EQ(send(packed, options, piece)->upload.id, first.upload.id);
        }
    }
    EXPECT_EQ(original(first.upload.id), body);
    EXPECT_TRUE(fs::is_empty(layout_->incoming()));
}

TEST_F(ReceiverTest, DamagedAndCutBodiesKeepNothing) {
    const std::string body = rounds(3'000);
    const std::string gz = gzip(body);
    const std::string zst = zstd(body);
    Options options;
    options.content_encoding = io::ContentEncoding::gzip;
    EXPECT_EQ(code_of(gz.substr(0, gz.size() / 2), options), "truncated_gzip");
    EXPECT_EQ(code_of(gz.substr(0, gz.size() - 1), options), "truncated_gzip");
    EXPECT_EQ(code_of(gz.substr(0, 5), options), "truncated_gzip");
    EXPECT_EQ(code_of(body, options), "bad_gzip");
    EXPECT_EQ(code_of(gz + "more", options), "bad_gzip");
    EXPECT_EQ(code_of(gz + std::string(5, '\0') + "x", options), "bad_gzip");
    std::string flipped = gz;
    flipped[flipped.size() - 6] = static_cast<char>(flipped[flipped.size() - 6] ^ 1);  // CRC
    EXPECT_EQ(code_of(flipped, options), "bad_gzip");
    EXPECT_EQ(code_of("", options), "empty_file");
    EXPECT_EQ(code_of(gzip(""), options), "empty_file");
    options.content_encoding = io::ContentEncoding::zstd;
    EXPECT_EQ(code_of(zst.substr(0, zst.size() - 3), options), "truncated_zstd");
    EXPECT_EQ(code_of(body, options), "bad_zstd");
    EXPECT_EQ(code_of(zst + "moremore", options), "bad_zstd");
    expect_nothing_kept();
}

TEST_F(ReceiverTest, LimitsAreKeptAtTheBoundAndOnePastIt) {
    const std::string body = rounds(100);
    limits_.body_bytes_max = body.size();
    limits_.unpacked_bytes_max = body.size();
    EXPECT_EQ(code_of(body + "\n"), "body_too_large");
    Options options;
    options.content_encoding = io::ContentEncoding::gzip;
    EXPECT_EQ(code_of(gzip(body + "\n"), options), "file_too_large");
    expect_nothing_kept();
    EXPECT_EQ(code_of(body), "");
}

TEST_F(ReceiverTest, ABombIsStoppedEarly) {
    const std::string bomb = std::string(kHeader) + std::string(64 << 20, 'a');
    Options options;
    for (const auto& [encoding, packed] : {std::pair(io::ContentEncoding::gzip, gzip(bomb)),
                                           {io::ContentEncoding::zstd, zstd(bomb)}}) {
        options.content_encoding = encoding;
        EXPECT_EQ(code_of(packed, options), "decompression_ratio");
    }
    expect_nothing_kept();
}

TEST_F(ReceiverTest, ChecksDeclaredDigests) {
    const std::string body = rounds(10);
    const std::string packed = gzip(body);
    Options options;
    options.digests.content = sha256(packed);
    EXPECT_EQ(code_of(body, options), "digest_mismatch");
    options.digests.content.reset();
    options.digests.repr = sha256("other");
    EXPECT_EQ(code_of(body, options), "digest_mismatch");
    options.content_encoding = io::ContentEncoding::gzip;
    EXPECT_EQ(code_of(packed, options), "digest_mismatch");
    expect_nothing_kept();
    options.digests.content = sha256(packed);
    options.digests.repr = sha256(body);
    EXPECT_EQ(code_of(packed, options), "");
    options.digests.repr = sha256(packed);  // RFC 9530: the representation has its content coding
    EXPECT_EQ(code_of(packed, options), "");
}

TEST_F(ReceiverTest, RefusesFilesThatCannotBeUsedAndKeepsNothing) {
    const std::string body = rounds(3);
    EXPECT_EQ(code_of(""), "empty_file");
    EXPECT_EQ(code_of(kHeader), "no_rows");
    EXPECT_EQ(code_of(kHeader.substr(0, kHeader.size() - 1)), "no_rows");
    EXPECT_EQ(code_of("created_timestamp,game_id\n1,2\n"), "missing_column");
    EXPECT_EQ(code_of("hello world\nthis is no table\n"), "missing_column");
    EXPECT_EQ(code_of("created_timestamp:game_instance_id:user_id\n1:2:3\n"), "unknown_delimiter");
    EXPECT_EQ(code_of("user_id," + body), "duplicate_column");
    EXPECT_EQ(code_of(std::string("\x7f") + "ELF" + std::string(500, '\0') + body), "binary_file");
    EXPECT_EQ(code_of(gzip(body)), "binary_file");  // without Content-Encoding
    EXPECT_EQ(code_of(utf16be(body) + "x"), "truncated_encoding");
    EXPECT_EQ(code_of(utf16be(body) + "\xD8\x3D"), "truncated_encoding");
    Options options;
    options.encoding = csv::Encoding::utf8;
    EXPECT_EQ(code_of(utf16be(body), options), "wrong_encoding");
    options.encoding = csv::Encoding::utf16le;
    EXPECT_EQ(code_of(utf16be(body), options), "wrong_encoding");
    EXPECT_EQ(code_of(body, options), "wrong_encoding");
    options.encoding = csv::Encoding::windows1252;
    EXPECT_EQ(code_of("\xef\xbb\xbf" + body, options), "wrong_encoding");
    Options semicolon;
    semicolon.delimiter = ';';
    const auto wrong = send(body, semicolon);
    EXPECT_EQ(wrong.error().code, "missing_column");
    EXPECT_NE(wrong.error().message.find("comma"), std::string::npos) << wrong.error().message;
    expect_nothing_kept();
}

TEST_F(ReceiverTest, DetectsEncodingAndDelimiter) {
    std::string body = rounds(30);
    EXPECT_EQ(send(utf16be(body))->upload.request.encoding, csv::Encoding::utf16be);
    const auto with_bom = send("\xef\xbb\xbf" + body)->upload.request;
    EXPECT_TRUE(with_bom.bom);
    EXPECT_EQ(with_bom.encoding, csv::Encoding::utf8);
    std::ranges::replace(body, ',', '\t');
    EXPECT_EQ(send(body)->upload.request.csv.delimiter, '\t');
    EXPECT_EQ(send("\n\r\n" + body)->upload.request.csv.delimiter, '\t');
}

TEST_F(ReceiverTest, OtherOptionsAreAConflictAndLabelsAndDryRunsAreNot) {
    const std::string body = rounds(20);
    Options dry;
    dry.dry_run = true;
    const auto rehearsal = send(body, dry).value();
    EXPECT_TRUE(rehearsal.created);
    const auto first = send(body).value();
    EXPECT_TRUE(first.created);
    EXPECT_NE(first.upload.id, rehearsal.upload.id);

    Options other;
    other.timezone_offset_minutes = 60;
    const auto conflict = send(body, other);
    ASSERT_FALSE(conflict);
    EXPECT_EQ(conflict.error().code, "same_file_other_options");
    EXPECT_NE(conflict.error().message.find("timezone"), std::string::npos);
    EXPECT_EQ(std::distance(fs::directory_iterator(layout_->uploads()), {}), 2);

    other.dry_run = true;
    EXPECT_TRUE(send(body, other)->created);
    other.dry_run = false;
    other.label = "Monday";
    const auto labelled = send(body, other).value();
    EXPECT_TRUE(labelled.created);
    EXPECT_TRUE(send(body, other)->duplicate);

    end_as(first.upload.id, State::failed);
    Options policy;  // the policy is no part of who the upload is
    policy.abort_on_error = true;
    const auto again = send(body, policy).value();
    EXPECT_TRUE(again.created);
    EXPECT_EQ(again.upload.id, first.upload.id);
    EXPECT_TRUE(again.upload.request.abort_on_error);
    EXPECT_EQ(original(again.upload.id), body);
    EXPECT_TRUE(fs::is_empty(layout_->incoming()));
}

TEST_F(ReceiverTest, ReplacesAndVoidedUploads) {
    Options options;
    options.replaces = model::UploadId{};
    EXPECT_EQ(code_of(rounds(2), options), "replaced_upload_not_found");
    expect_nothing_kept();
    const auto first = send(rounds(1)).value();
    options.replaces = first.upload.id;
    EXPECT_EQ(code_of(rounds(2), options), "not_replaceable");
    store(first.upload.id);
    EXPECT_EQ(code_of(rounds(2), options), "");
    const uint64_t version = ledger_->reserve_version(first.upload.id).value();
    ASSERT_TRUE(ledger_->commit_voided(first.upload.id, version));
    EXPECT_EQ(code_of(rounds(1)), "upload_voided");
    EXPECT_EQ(code_of(rounds(3), options), "not_replaceable");
}

TEST_F(ReceiverTest, ManySendersAtOnceCreateOne) {
    const std::string body = rounds(2'000);
    receiver();  // made by one thread
    for (int round = 0; round < 10; ++round) {
        std::atomic<int> created = 0;
        std::atomic<int> duplicates = 0;
        Options options;
        options.label = std::to_string(round);
        {
            std::vector<std::jthread> threads;
            threads.reserve(6);
            for (int i = 0; i < 6; ++i) {
                threads.emplace_back([&] {
                    const auto received = send(body, options, 10'000);
                    ASSERT_TRUE(received) << received.error().message;
                    created += received->created ? 1 : 0;
                    duplicates += received->duplicate ? 1 : 0;
                });
            }
        }
        EXPECT_EQ(created, 1);
        EXPECT_EQ(duplicates, 5);
    }
    EXPECT_TRUE(fs::is_empty(layout_->incoming()));
}

// A living upload always has its original, whatever a DELETE and receivers do at the same time.
TEST_F(ReceiverTest, RemovingAndReceivingTheSameFileDoNotMix) {
    const std::string body = rounds(50);
    std::atomic<bool> ended = false;
    std::jthread remover([&] {
        while (!ended) {
            const auto all = ledger_->list({}).value();
            for (auto upload : all) {
                upload.state = State::cancelled;
                if (ledger_->update(upload, State::validating)) {
                    const auto removed = layout_->remove(*ledger_, upload.id);
                    EXPECT_TRUE(removed || removed.error().code == "upload_running" ||
                                removed.error().code == "upload_not_found")
                        << removed.error().message;
                }
            }
        }
    });
    {
        receiver();  // made by one thread
        std::vector<std::jthread> senders;
        senders.reserve(2);
        for (int i = 0; i < 2; ++i) {
            senders.emplace_back([&] {
                for (int n = 0; n < 60; ++n) {
                    const auto received = send(body);
                    EXPECT_TRUE(received) << received.error().message;
                }
            });
        }
    }
    ended = true;
    remover.join();
    for (const auto& upload : ledger_->list({}).value()) {
        EXPECT_EQ(original(upload.id), body);
    }
    EXPECT_EQ(ledger_->list({})->empty(), fs::is_empty(layout_->uploads()));
}

TEST_F(ReceiverTest, AClientThatLeavesAndABusyServerLeaveNothing) {
    limits_.receives_max = 1;
    const Source leaves = [sent = 0](std::span<char> buffer) mutable -> Result<size_t> {
        if (++sent > 3) {
            return fail(ErrorKind::invalid_request, "body_cut", "gone");
        }
        std::ranges::fill(buffer, 'x');
        return buffer.size();
    };
    EXPECT_EQ(receiver().receive(leaves, {}).error().code, "body_cut");
    expect_nothing_kept();
    const std::string body = rounds(2);
    const auto outer = receiver().receive(
        [&, inner = source_of(body)](std::span<char> buffer) -> Result<size_t> {
            EXPECT_EQ(receiver().receiving(), 1U);
            EXPECT_EQ(code_of(body), "too_many_uploads");
            return inner(buffer);
        },
        {});
    EXPECT_TRUE(outer) << outer.error().message;
    EXPECT_EQ(receiver().receiving(), 0U);
}

TEST_F(ReceiverTest, AFullDiskIsStorageFullAndKeepsNothing) {
    std::string body = rounds(10);
    std::string noise;  // does not compress
    for (int i = 0; i < 400'000; ++i) {
        noise += hex(sha256(std::to_string(i))).substr(0, 20) + "\n";
    }
    body += noise;
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto received = send(body);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, handler);
    ASSERT_FALSE(received);
    EXPECT_EQ(received.error().kind, ErrorKind::storage_full);
    expect_nothing_kept();

    limits_.free_bytes_min = UINT64_MAX;
    receiver_.reset();
    EXPECT_EQ(code_of(rounds(1)), "storage_full");
    expect_nothing_kept();
}

}  // namespace
}  // namespace rh::receive
