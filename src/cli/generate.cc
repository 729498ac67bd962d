// `roundhouse generate`: a file of game rounds from a seed.
#include <algorithm>
#include <optional>
#include <tuple>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/generator.h"
#include "cli/output.h"
#include "cli/removed_by_signal.h"
#include "cli/text.h"
#include "io/file.h"
#include "model/money.h"

namespace rh::cli {
namespace {

struct Arguments {
    GeneratorOptions generator;
    std::string encoding = "utf-16be";
    std::string delimiter = ",";
    std::string line_end = "lf";
    std::string bad_share = "0";
    std::vector<std::string> bad_kinds;
    std::string out;
    bool force = false;
};

std::unexpected<Error> usage(std::string message) {
    return fail(ErrorKind::invalid_request, "usage", std::move(message));
}

// "0.01" → 10,000 of a million, without floating point.
std::optional<uint32_t> parse_share(const std::string& text) {
    const auto share = model::parse_money_sum(text);
    if (!share || share->micros < 0 || share->micros > model::kMicrosPerUnit) {
        return std::nullopt;
    }
    return static_cast<uint32_t>(share->micros);
}

std::optional<model::RejectCode> parse_bad_kind(std::string_view text) {
    const auto& known = bad_kinds_known();
    const auto found = std::ranges::find(known, text, [](auto code) { return model::name(code); });
    return found == known.end() ? std::nullopt : std::optional(*found);
}

Result<GeneratorOptions> generator_options(const Arguments& arguments) {
    GeneratorOptions options = arguments.generator;
    const auto delimiter = parse_delimiter(arguments.delimiter);
    if (!delimiter) {
        return usage("--delimiter must be one of , ; | or tab.");
    }
    options.delimiter = *delimiter;
    options.crlf = arguments.line_end == "crlf";
    const auto share = parse_share(arguments.bad_share);
    if (!share) {
        return usage("--bad-share must be a decimal number from 0 to 1, like 0.01.");
    }
    options.bad_per_million = *share;
    for (const std::string& kind : arguments.bad_kinds) {
        const auto code = parse_bad_kind(kind);
        if (!code) {
            std::string names;
            for (const auto known : bad_kinds_known()) {
                names += fmt::format("{}{}", names.empty() ? "" : ", ", model::name(known));
            }
            return usage(fmt::format("--bad-kinds knows {}; not \"{}\".", names, kind));
        }
        options.bad_kinds.push_back(*code);
    }
    return options;
}

// Writes everything to `write`; the count of bytes is the answer.
template <class Write>
Result<uint64_t> write_rows(Generator& generator, OutputEncoding encoding, Write write) {
    uint64_t bytes = 0;
    std::string text;
    std::string encoded(byte_order_mark(encoding));
    for (; generator.next(text); text.clear(), encoded.clear()) {
        encode(text, encoding, encoded);
        RH_TRY(write(encoded));
        bytes += encoded.size();
    }
    return bytes;
}

Result<int> generate(const Arguments& arguments, bool json) {
    RH_ASSIGN(const GeneratorOptions options, generator_options(arguments));
    const auto encoding = parse_output_encoding(arguments.encoding).value();
    const bool to_stdout = arguments.out.empty() || arguments.out == "-";
    if (to_stdout && (json || stdout_is_terminal())) {
        return usage(
            json ? "--json needs --out FILE, since the rows go to standard output otherwise."
                 : "Name a file with --out, or send standard output into a pipe.");
    }
    RH_TRY(to_stdout ? Result<void>() : check_free(arguments.out, arguments.force));
    const int64_t started = monotonic_ms();
    Generator generator(options);
    uint64_t bytes = 0;
    if (to_stdout) {
        RH_ASSIGN(bytes, write_rows(generator, encoding, write_out));
    } else {
        const std::string staged = arguments.out + ".part";
        const RemovedBySignal removed(staged);
        RH_ASSIGN(io::File file, io::File::create(staged));
        const auto written = write_rows(
            generator, encoding, [&](std::string_view piece) { return file.write_all(piece); });
        if (!written) {
            std::ignore = io::remove_file(staged);  // why it was not written is the error
            return std::unexpected(written.error());
        }
        bytes = *written;
        RH_TRY(file.close());
        RH_TRY(io::rename_durably(staged, arguments.out));
    }
    if (json) {
        RH_TRY(write_out(fmt::format(R"({{"rows":{},"bad_rows":{},"bytes":{},"seed":{}}})"
                                     "\n",
                                     options.rows, generator.bad_rows(), bytes, options.seed)));
    } else {
        const double seconds = static_cast<double>(monotonic_ms() - started) / 1000;
        say(fmt::format("{} ({} bad), {} in {:.1f} s", counted(options.rows, "row"),
                        with_commas(generator.bad_rows()), byte_size(bytes), seconds));
    }
    return kExitOk;
}

}  // namespace

void add_generate(CLI::App& program, Invocation& invocation) {
    CLI::App& command = add_command(
        program, invocation, "generate",
        "Make a file of game rounds from a seed; the same options give the same bytes everywhere.",
        {"roundhouse generate --out rounds.csv     # 2,101,934 rows, UTF-16 big-endian",
         "roundhouse generate --rows 200000 --encoding utf-8 --bad-share 0.01 --out rounds.csv",
         "roundhouse generate --rows 1000 --encoding utf-8 | roundhouse upload -"});
    auto arguments = std::make_shared<Arguments>();
    GeneratorOptions& options = arguments->generator;
    command.add_option("--rows", options.rows, "Rows, without the header")
        ->capture_default_str()
        ->check(CLI::Range(uint64_t{0}, uint64_t{1} << 40));
    command.add_option("--seed", options.seed, "Another seed gives another file")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    command.add_option("--encoding", arguments->encoding, "Encoding of the file")
        ->capture_default_str()
        ->check(CLI::IsMember({"utf-8", "utf-8-bom", "utf-16le", "utf-16be", "utf-16le-bom",
                               "utf-16be-bom", "windows-1252"}));
    command.add_option("--delimiter", arguments->delimiter, ", ; | or tab")->capture_default_str();
    command.add_option("--line-end", arguments->line_end, "lf or crlf")
        ->capture_default_str()
        ->check(CLI::IsMember({"lf", "crlf"}));
    command.add_option("--bad-share", arguments->bad_share, "Share of rows that break a rule")
        ->capture_default_str();
    command.add_option("--bad-kinds", arguments->bad_kinds, "Reject codes of the bad rows")
        ->delimiter(',');
    command.add_option("--players", options.players, "Players; few of them play most rounds")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000'000));
    command.add_option("--games", options.games, "Games")
        ->capture_default_str()
        ->check(CLI::Range(1, 90'000));
    command.add_option("--days", options.days, "Days from 2019-10-01 on")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000));
    command.add_option("-o,--out", arguments->out, "File to write; standard output without it");
    command.add_flag("--force", arguments->force, "Replace the file if it is there");
    command.callback([&invocation, arguments] {
        invocation.action = [&invocation, arguments] {
            return generate(*arguments, invocation.json);
        };
    });
}

}  // namespace rh::cli
