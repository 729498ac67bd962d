#include "http/multipart.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace rh::http {
namespace {

// Gives `text` in pieces of at most `piece` bytes.
MultipartReader::Source in_pieces(std::string text, size_t piece) {
    return [text = std::move(text), piece,
            at = size_t{0}](std::span<char> buffer) mutable -> Result<size_t> {
        const size_t bytes = std::min({piece, buffer.size(), text.size() - at});
        std::memcpy(buffer.data(), text.data() + at, bytes);
        at += bytes;
        return bytes;
    };
}

struct Seen {
    std::string error;
    std::vector<MultipartReader::Part> parts;
    std::vector<std::string> bodies;
};

Seen parse(const std::string& body, size_t piece = 1000, size_t read_bytes = 100,
           std::string_view type = "multipart/form-data; boundary=XX") {
    Seen seen;
    auto reader = MultipartReader::open(type, in_pieces(body, piece));
    if (!reader) {
        seen.error = reader.error().code;
        return seen;
    }
    while (true) {
        auto part = reader->next_part();
        if (!part) {
            seen.error = part.error().code;
            return seen;
        }
        if (!*part) {
            return seen;
        }
        seen.parts.push_back(**part);
        seen.bodies.emplace_back();
        std::string buffer(read_bytes, '\0');
        while (true) {
            const auto got = reader->read(buffer);
            if (!got) {
                seen.error = got.error().code;
                return seen;
            }
            if (*got == 0) {
                break;
            }
            seen.bodies.back() += buffer.substr(0, *got);
        }
    }
}

std::string file_part(std::string_view filename, std::string_view body) {
    return fmt::format(
        "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n"
        "Content-Type: text/csv\r\n\r\n{}\r\n",
        filename, body);
}

TEST(Multipart, IsTheSameHoweverItIsCut) {
    // Bytes that look like the beginning of the boundary stand in the data.
    const std::string data = "a\r\n--X\r\n--XY\r\n\r\n-\r\n--";
    const std::string body = "preamble\r\n" + file_part("a.csv", data) +
                             "--XX\r\nContent-Disposition: form-data; name=other\r\n\r\n\r\n"
                             "--XX--\r\nepilogue";
    for (size_t piece = 1; piece <= body.size(); ++piece) {
        for (const size_t read_bytes : {1UL, 2UL, 7UL, 1000UL}) {
            const Seen seen = parse(body, piece, read_bytes);
            ASSERT_EQ(seen.error, "") << piece;
            ASSERT_EQ(seen.bodies, (std::vector<std::string>{data, ""})) << piece;
            ASSERT_EQ(seen.parts[0].filename, "a.csv");
            ASSERT_EQ(seen.parts[0].content_type, "text/csv");
            ASSERT_EQ(seen.parts[1].name, "other");
            ASSERT_FALSE(seen.parts[1].filename.has_value());
        }
    }
}

TEST(Multipart, UnreadPartsAreSkipped) {
    auto reader = MultipartReader::open(
        "multipart/form-data; boundary=\"XX\"",
        in_pieces(file_part("a", std::string(300'000, 'x')) + file_part("b", "y") + "--XX--", 999));
    ASSERT_TRUE(reader.has_value());
    EXPECT_EQ((*reader->next_part())->filename, "a");
    EXPECT_EQ((*reader->next_part())->filename, "b");
    EXPECT_FALSE((*reader->next_part()).has_value());
    EXPECT_FALSE((*reader->next_part()).has_value());
}

TEST(Multipart, ACutBodyIsAnError) {
    const std::string body = file_part("a.csv", "data") + "--XX--";
    for (size_t bytes = 0; bytes + 1 < body.size(); ++bytes) {
        EXPECT_EQ(parse(body.substr(0, bytes)).error, "bad_multipart") << bytes;
    }
}

TEST(Multipart, WhatIsNoMultipartIsAnError) {
    EXPECT_EQ(parse("", 1, 1, "multipart/form-data").error, "bad_multipart");
    EXPECT_EQ(parse("", 1, 1, "multipart/form-data; boundary=" + std::string(71, 'x')).error,
              "bad_multipart");
    EXPECT_EQ(parse("--XX\r\n\r\nx\r\n--XX--").error, "bad_multipart");
    EXPECT_EQ(parse("--XX\r\nno colon\r\n\r\nx\r\n--XX--").error, "bad_multipart");
    EXPECT_EQ(parse("--XXY\r\nA: b\r\n\r\nx\r\n--XX--").error, "bad_multipart");
    EXPECT_EQ(parse(std::string(20'000, 'p') + file_part("a", "") + "--XX--").error,
              "bad_multipart");
    EXPECT_EQ(parse("--XX\r\nA: " + std::string(20'000, 'h') + "\r\n\r\nx\r\n--XX--").error,
              "bad_multipart");
}

TEST(Multipart, FileNamesAreMadeHarmless) {
    EXPECT_EQ(parse(file_part("../../etc/passwd", "x") + "--XX--").parts[0].filename, "passwd");
    EXPECT_EQ(parse(file_part("a\x01\x7f.csv", "x") + "--XX--").parts[0].filename, "a.csv");
    EXPECT_EQ(parse(file_part("..", "x") + "--XX--").parts[0].filename, "");
}

}  // namespace
}  // namespace rh::http
