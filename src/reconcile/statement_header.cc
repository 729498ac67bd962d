#include "reconcile/statement_header.h"

#include <string_view>

#include "io/file.h"
#include "reconcile/records.h"

namespace rh::reconcile {
namespace {

constexpr size_t kPieceBytes = 64 * 1024;

// The beginning of the file as UTF-8.
struct Beginning {
    std::string text;
    bool whole = false;  // it is all of the file
};

Result<Beginning> read_beginning(const std::string& path, Charset charset) {
    RH_ASSIGN(auto file, io::File::open_read(path));
    RH_ASSIGN(auto decoder, Decoder::open(charset));
    Beginning beginning;
    std::string piece(kPieceBytes, '\0');
    size_t bytes = 0;
    while (bytes < kHeaderBytesMax) {
        RH_ASSIGN(const size_t got, file.read(piece));
        if (got == 0) {
            beginning.text += decoder.finish();
            beginning.whole = true;
            return beginning;
        }
        bytes += got;
        RH_ASSIGN(const std::string_view text,
                  decoder.feed(std::string_view(piece).substr(0, got)));
        beginning.text += text;
    }
    return beginning;
}

}  // namespace

Result<char> read_statement_header(const std::string& path, Charset charset,
                                   std::optional<char> delimiter) {
    RH_ASSIGN(const Beginning beginning, read_beginning(path, charset));
    if (!delimiter) {
        // Without any known column the comma gives the message that names the first missing one.
        delimiter = find_delimiter(beginning.text).value_or(',');
    }
    RecordScanner scanner(
        *delimiter, [] { return Result<std::optional<LineRange>>(std::nullopt); },
        [](std::string_view) { return Result<void>(); });
    RH_TRY(scanner.feed(beginning.text));
    if (!scanner.counts().header && !beginning.whole) {
        return fail(ErrorKind::invalid_content, "header_unreadable",
                    "The first line has no end in the first MiB of the statement, so it is no "
                    "header. Check encoding, delimiter and quotes.");
    }
    if (beginning.whole) {
        RH_TRY(scanner.finish());
        if (scanner.counts().records == 0) {
            return fail(ErrorKind::invalid_content, "no_rows",
                        "The statement has a header and no row, so there is nothing to compare.");
        }
    }
    return *delimiter;
}

}  // namespace rh::reconcile
