#include "api/upload_body.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "http/text.h"

namespace rh::api {
namespace {

using io::ContentEncoding;

constexpr std::string_view kFileField = "file";

constexpr std::array kPlainTypes = {
    std::string_view("text/csv"), std::string_view("application/csv"),
    std::string_view("text/plain"), std::string_view("application/octet-stream"),
    std::string_view("application/vnd.ms-excel")};

// What a media type says of the file; nullopt: it is not taken.
std::optional<ContentEncoding> encoding_of_type(std::string_view type) {
    if (type.empty() || std::ranges::find(kPlainTypes, type) != kPlainTypes.end()) {
        return ContentEncoding::none;
    }
    if (type == "application/gzip" || type == "application/x-gzip") {
        return ContentEncoding::gzip;
    }
    if (type == "application/zstd") {
        return ContentEncoding::zstd;
    }
    return std::nullopt;
}

std::unexpected<Error> unsupported_type(std::string_view type) {
    return fail(ErrorKind::unsupported, "unsupported_media_type",
                fmt::format("A body of type {} is not taken. Send the file as text/csv (curl: "
                            "--data-binary @FILE -H 'Content-Type: text/csv') or as "
                            "multipart/form-data (curl: -F file=@FILE).",
                            type));
}

std::unexpected<Error> unexpected_field(std::string_view name) {
    return fail(ErrorKind::invalid_request, "unexpected_field",
                fmt::format("The form has a field {} that is no file. Options go into the query: "
                            "/v1/uploads?{}=….",
                            name, http::percent_encode(name)));
}

}  // namespace

Result<std::unique_ptr<UploadBody>> UploadBody::open(
    http::Exchange& exchange, std::optional<receive::Sha256> content_digest) {
    std::unique_ptr<UploadBody> body(new UploadBody(exchange, content_digest));
    const http::Request& request = exchange.request();
    const std::string_view sent = request.header("content-type");
    const std::string type = http::media_type(sent);
    const auto coding = io::parse_content_encoding(request.header("content-encoding"));
    const bool multipart = type == "multipart/form-data";
    if (!request.header("idempotency-key").empty()) {
        body->file_hash_.emplace();
    }
    if (!coding || (multipart && *coding != ContentEncoding::none)) {
        return fail(ErrorKind::unsupported, "unsupported_encoding",
                    multipart ? "A multipart body is sent without Content-Encoding; compress the "
                                "file and give its part the type application/gzip or "
                                "application/zstd."
                              : "Content-Encoding is none of gzip, zstd, identity.");
    }
    if (multipart) {
        RH_TRY(body->open_multipart(sent));
        return body;
    }
    const auto of_type = encoding_of_type(type);
    if (!of_type) {
        return unsupported_type(type);
    }
    if (*of_type != ContentEncoding::none && *coding != ContentEncoding::none) {
        return fail(ErrorKind::unsupported, "unsupported_encoding",
                    "The body is packed twice, by Content-Type and by Content-Encoding; pack it "
                    "once.");
    }
    body->encoding_ = *of_type == ContentEncoding::none ? *coding : *of_type;
    return body;
}

Result<void> UploadBody::open_multipart(std::string_view content_type) {
    RH_ASSIGN(auto reader,
              http::MultipartReader::open(
                  content_type, [this](std::span<char> buffer) { return read_raw(buffer); }));
    multipart_ = std::move(reader);
    RH_ASSIGN(const auto part, multipart_->next_part());
    if (!part) {
        return fail(ErrorKind::invalid_request, "no_file",
                    "The multipart body has no file part (curl: -F file=@FILE).");
    }
    if (!part->filename) {
        return unexpected_field(part->name);
    }
    if (part->name != kFileField) {
        return fail(ErrorKind::invalid_request, "unexpected_field",
                    fmt::format("The form's file is in the field \"{}\"; its field must be {} "
                                "(curl: -F {}=@FILE).",
                                part->name, kFileField, kFileField));
    }
    const auto of_type = encoding_of_type(part->content_type);
    if (!of_type) {
        return unsupported_type(part->content_type);
    }
    encoding_ = *of_type;
    filename_ = *part->filename;
    return {};
}

Result<size_t> UploadBody::read_raw(std::span<char> buffer) {
    RH_ASSIGN(const size_t got, exchange_.read_body(buffer));
    content_digest_.take_sent({buffer.data(), got});
    return got;
}

Result<size_t> UploadBody::read(std::span<char> buffer) {
    if (ended_) {
        return 0;
    }
    RH_ASSIGN(const size_t got,
              multipart_ ? multipart_->read(buffer) : exchange_.read_body(buffer));
    if (got > 0) {
        if (file_hash_) {
            file_hash_->feed({buffer.data(), got});
        }
        return got;
    }
    RH_TRY(finish());
    return 0;
}

Result<void> UploadBody::finish() {
    if (multipart_) {
        RH_ASSIGN(const auto part, multipart_->next_part());
        if (part && part->filename) {
            return fail(ErrorKind::invalid_request, "several_files",
                        "The form has more than one file; send each in a request of its own.");
        }
        if (part) {
            return unexpected_field(part->name);
        }
        RH_TRY(content_digest_.check());
    }
    ended_ = true;
    if (file_hash_) {
        file_sha256_ = receive::hex(file_hash_->finish());
    }
    return {};
}

}  // namespace rh::api
