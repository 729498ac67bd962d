#include "reconcile/key_stream.h"

#include <bit>
#include <cstring>
#include <utility>

namespace rh::reconcile {
namespace {

static_assert(std::endian::native == std::endian::little, "RowBinary is little endian");

// Above any real count; a length beyond it means that the stream is not what it should be.
constexpr uint64_t kLengthMax = uint64_t{1} << 32;

std::unexpected<Error> bad_stream(std::string_view problem) {
    return fail(ErrorKind::internal, "bad_stream",
                "ClickHouse's answer cannot be used: " + std::string(problem) + ".");
}

}  // namespace

Result<bool> KeyStream::need(size_t bytes) {
    while (view_.size() < bytes && !ended_) {
        rest_.assign(std::string(view_));
        RH_ASSIGN(const std::string_view piece, pieces_());
        ended_ = piece.empty();
        if (rest_.empty()) {
            view_ = piece;  // the usual case: no copy
        } else {
            rest_.append(piece);
            view_ = rest_;
        }
    }
    if (view_.size() < bytes && !view_.empty()) {
        return bad_stream("it ends inside a row");
    }
    return view_.size() >= bytes;
}

Result<void> KeyStream::read(void* to, size_t bytes) {
    RH_ASSIGN(const bool there, need(bytes));
    if (!there) {
        return bad_stream("it ends inside a row");
    }
    std::memcpy(to, view_.data(), bytes);
    view_.remove_prefix(bytes);
    return {};
}

Result<uint64_t> KeyStream::read_length() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = 0;
        RH_TRY(read(&byte, 1));
        value |= uint64_t{byte & 0x7FU} << shift;
        if ((byte & 0x80) == 0) {
            if (value > kLengthMax) {
                break;
            }
            return value;
        }
    }
    return bad_stream("a length is out of range");
}

Result<void> KeyStream::read_string(std::string& to) {
    RH_ASSIGN(const uint64_t bytes, read_length());
    to.resize(bytes);
    return bytes == 0 ? Result<void>() : read(to.data(), bytes);
}

Result<void> KeyStream::read_totals(model::Totals& to) {
    RH_TRY(read(&to.rows, sizeof to.rows));
    for (auto& sum : to.sums) {
        RH_TRY(read(&sum.micros, sizeof sum.micros));
    }
    return {};
}

Result<void> KeyStream::read_columns(KeyRow& row) {
    row.kind = KeyRow::Kind::key;
    if (columns_.kind) {
        uint8_t kind = 0;
        RH_TRY(read(&kind, 1));
        if (kind > static_cast<uint8_t>(KeyRow::Kind::refused_valid)) {
            return bad_stream("a row has an unknown kind");
        }
        row.kind = static_cast<KeyRow::Kind>(kind);
    }
    RH_TRY(read_string(row.key.player));
    RH_TRY(read(&row.key.game, sizeof row.key.game));
    RH_TRY(read(&row.key.hour, sizeof row.key.hour));
    RH_TRY(read_totals(row.figures));
    row.marks.clear();
    if (columns_.marks) {
        RH_ASSIGN(const uint64_t count, read_length());
        row.marks.resize(count);
        for (RowMark& mark : row.marks) {
            RH_TRY(read(&mark.content, sizeof mark.content));
            RH_TRY(read(&mark.ms, sizeof mark.ms));
        }
    }
    row.examples.clear();
    if (columns_.examples) {
        RH_ASSIGN(const uint64_t count, read_length());
        for (uint64_t i = 0; i < count; ++i) {
            Example example;
            RH_TRY(read(&example.row, sizeof example.row));
            RH_TRY(read_string(example.text));
            row.examples.push_back(std::move(example));
        }
    }
    row.others = {};
    if (columns_.others) {
        RH_TRY(read_totals(row.others));
    }
    row.digests.resize(columns_.digests);
    for (uint64_t& digest : row.digests) {
        RH_TRY(read(&digest, sizeof digest));
    }
    return {};
}

Result<bool> KeyStream::next(KeyRow& row) {
    RH_ASSIGN(const bool there, need(1));
    if (!there) {
        return false;
    }
    RH_TRY(read_columns(row));
    if (row.kind == KeyRow::Kind::key) {
        if (begun_ && last_ >= row.key) {
            return bad_stream("its rows are not in the order of player, game and hour");
        }
        begun_ = true;
        last_ = row.key;
    }
    return true;
}

}  // namespace rh::reconcile
