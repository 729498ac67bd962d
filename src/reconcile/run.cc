#include "reconcile/run.h"

#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/plural.h"
#include "base/without_exceptions.h"
#include "io/file.h"
#include "reconcile/agreement.h"
#include "reconcile/compare.h"
#include "reconcile/engine.h"
#include "reconcile/findings.h"
#include "reconcile/key_stream.h"
#include "reconcile/records.h"
#include "reconcile/rollups.h"
#include "reconcile/space.h"
#include "reconcile/stored.h"
#include "uploads/original.h"
#include "uploads/reject_file.h"

namespace rh::reconcile {
namespace {

constexpr size_t kPieceBytes = 256 * 1024;
constexpr size_t kRejectPage = 1000;

Result<void> check_stopping(const RunContext& context) {
    if (context.stopping()) {
        return fail(ErrorKind::unavailable, std::string(kInterrupted),
                    "The server was stopped while it reconciled; it runs again at the next start.",
                    Verdict::retry);
    }
    return {};
}

// Everything that reading one original needs: where its bytes come from, and how to read them.
struct Original {
    std::function<Result<Pieces>()> open;  // from the first byte
    std::function<Result<RecordScanner::Ranges>()> rejects;
    Charset charset = Charset::utf8;
    CsvRules rules;
};

Result<Pieces> file_pieces(const std::string& path) {
    RH_ASSIGN(auto opened, io::File::open_read(path));
    const auto file = std::make_shared<io::File>(std::move(opened));
    const auto buffer = std::make_shared<std::string>(kPieceBytes, '\0');
    return [file, buffer]() -> Result<std::string_view> {
        RH_ASSIGN(const size_t got, file->read(*buffer));
        return std::string_view(*buffer).substr(0, got);
    };
}

Result<Pieces> upload_pieces(const std::string& path) {
    RH_ASSIGN(auto opened, uploads::OriginalReader::open(path));
    const auto reader = std::make_shared<uploads::OriginalReader>(std::move(opened));
    return [reader] { return reader->next(); };
}

struct RejectPages {
    uploads::RejectReader reader;
    std::vector<uploads::StoredReject> page = {};
    size_t at = 0;
};

Result<RecordScanner::Ranges> upload_rejects(const std::string& path) {
    RH_ASSIGN(auto reader, uploads::RejectReader::open(path, 0));
    const auto pages = std::make_shared<RejectPages>(RejectPages{std::move(reader)});
    return [pages]() -> Result<std::optional<LineRange>> {
        if (pages->at == pages->page.size()) {
            RH_TRY(pages->reader.next(kRejectPage, pages->page));
            pages->at = 0;
            if (pages->page.empty()) {
                return std::nullopt;
            }
        }
        const auto& reject = pages->page[pages->at++].reject;
        return LineRange{reject.line, reject.line_last};
    };
}

Result<RecordScanner::Ranges> no_rejects() {
    return [] { return Result<std::optional<LineRange>>(std::nullopt); };
}

Charset charset_of(const uploads::Request& request) {
    using Encoding = decltype(request.encoding);
    switch (request.encoding) {
        case Encoding::utf8:
            return Charset::utf8;
        case Encoding::utf16le:
            return Charset::utf16le;
        case Encoding::utf16be:
            return Charset::utf16be;
        case Encoding::windows1252:
            return Charset::windows1252;
    }
    return Charset::utf8;
}

// Reads the original once through scanner and engine, which answers into a file of `sql`.
struct Reading {
    RecordCounts counts;
    std::vector<BadRecord> malformed;
    std::optional<LineRange> unmatched;
};

Result<Reading> read_original(const RunContext& context, const std::string& scratch,
                              const Original& original, const std::string& sql) {
    Reading reading;
    RH_TRY(io::remove_tree(scratch));
    RH_TRY(io::make_directories(scratch));
    const EngineQuery query{context.program, context.libchdb, scratch, sql};
    const auto feed = [&](const Sink& sink) -> Result<void> {
        RH_ASSIGN(auto pieces, original.open());
        RH_ASSIGN(auto rejects, original.rejects());
        RH_ASSIGN(auto decoder, Decoder::open(original.charset));
        RecordScanner scanner(original.rules.delimiter, std::move(rejects), sink);
        while (true) {
            RH_TRY(check_stopping(context));
            RH_ASSIGN(const std::string_view piece, pieces());
            if (piece.empty()) {
                break;
            }
            RH_ASSIGN(const std::string_view text, decoder.feed(piece));
            RH_TRY(scanner.feed(text));
        }
        RH_TRY(scanner.feed(decoder.finish()));
        RH_TRY(scanner.finish());
        reading = {scanner.counts(), scanner.examples(), scanner.unmatched_range()};
        return {};
    };
    RH_TRY(run_engine(query, feed, [&] { return check_stopping(context); }));
    RH_TRY(io::remove_tree(scratch));
    return reading;
}

Result<Original> upload_original(const RunContext& context, const uploads::Upload& upload) {
    Original original;
    original.open = [path = context.layout.original(upload.id)] { return upload_pieces(path); };
    original.rejects = [path = context.layout.rejects(upload.id)] { return upload_rejects(path); };
    original.charset = charset_of(upload.request);
    original.rules.delimiter = upload.request.csv.delimiter;
    original.rules.timezone_offset_minutes = upload.request.csv.timezone_offset_minutes;
    original.rules.allow_negative = upload.request.csv.allow_negative;
    original.rules.empty_amount_is_invalid = upload.request.csv.empty_amount_is_reject;
    return original;
}

Original statement_original(const std::string& directory, const StatementOptions& options) {
    const std::string path = fmt::format("{}/{}", directory, kStatementFile);
    Original original;
    original.open = [path] { return file_pieces(path); };
    original.rejects = no_rejects;
    original.charset = options.charset.value_or(Charset::utf8);
    original.rules.delimiter = options.delimiter.value_or(',');
    original.rules.timezone_offset_minutes = options.timezone_offset_minutes;
    original.rules.allow_negative = options.allow_negative;
    original.rules.empty_amount_is_invalid = options.empty_amount_is_invalid;
    return original;
}

// What a statement itself covers, of valid rows and of others.
struct Extent {
    uint64_t rows = 0;  // valid ones
    int64_t from_ms = 0, to_ms = 0;
    uint64_t untimed = 0;  // rows whose time cannot be read
    std::vector<std::string> providers;
    uint64_t unnamed = 0;  // rows whose provider cannot be read
};

Result<Extent> read_extent(const std::string& file) {
    RH_ASSIGN(const std::string text, io::read_file(file));
    boost::system::error_code error;
    const auto value = boost::json::parse(text, error);
    const auto* object = error ? nullptr : value.if_object();
    bool good = object != nullptr;
    const auto number = [&]<class Number>(std::string_view name, Number& to) {
        const auto* member = good ? object->if_contains(name) : nullptr;
        good = member != nullptr && member->is_number();
        if (good) {
            to = member->to_number<Number>(error);
        }
    };
    Extent extent;
    number("rows", extent.rows);
    number("from_ms", extent.from_ms);
    number("to_ms", extent.to_ms);
    number("untimed", extent.untimed);
    number("unnamed", extent.unnamed);
    const auto* providers = good ? object->if_contains("providers") : nullptr;
    if (providers == nullptr || !providers->is_array() || error) {
        return fail(
            ErrorKind::internal, "engine_failed",
            fmt::format("The engine's answer about the statement cannot be read: {}", text));
    }
    for (const auto& provider : providers->as_array()) {
        extent.providers.emplace_back(provider.is_string() ? provider.as_string() : "");
    }
    return extent;
}

// Completes the scope by what the statement covers; how many rows, of those that were read, may
// cover more than that. nullopt: nothing had to be completed.
Result<std::optional<uint64_t>> complete_scope(const Extent& extent, Scope& scope) {
    std::optional<uint64_t> unplaced;
    if (!scope.from_ms || !scope.to_ms) {
        unplaced = extent.untimed;
    }
    scope.from_ms = scope.from_ms.value_or(extent.from_ms);
    scope.to_ms = scope.to_ms.value_or(extent.to_ms);
    if (scope.providers.empty()) {
        unplaced = std::max(unplaced.value_or(0), extent.unnamed);
        scope.providers = extent.providers;
    }
    size_t name_bytes = 0;
    for (const auto& provider : scope.providers) {
        name_bytes += provider.size();
    }
    if (scope.providers.size() > kProvidersMax || name_bytes > kProviderNamesBytesMax) {
        return fail(ErrorKind::invalid_content, "too_many_providers",
                    fmt::format("The statement names more than {} providers, or their names have "
                                "more than {} bytes in all. Check the column, or "
                                "name the providers to compare in the query (provider=…).",
                                kProvidersMax, kProviderNamesBytesMax));
    }
    return unplaced;
}

void warn(Reconciliation& r, bool if_true, std::string code, uint64_t count, std::string detail) {
    if (if_true) {
        r.warnings.push_back({std::move(code), std::move(detail), count});
    }
}

// Line balance and control totals of an upload. Each break is a warning and a mismatch.
bool check_balance(const uploads::Upload& upload, const Reading& reading,
                   const CompareResult& compared, Reconciliation& r) {
    const size_t before = r.warnings.size();
    const auto& counts = reading.counts;
    warn(r, r.rows != upload.rows, "line_balance", counts.records,
         fmt::format("This reading of the file has {} records ({} valid, {} refused) and {} blank "
                     "lines; the upload's report has {} ({} accepted, {} refused) and {}.",
                     r.rows.read, r.rows.accepted, r.rows.rejected, r.rows.blank, upload.rows.read,
                     upload.rows.accepted, upload.rows.rejected, upload.rows.blank));
    warn(r, reading.unmatched.has_value(), "line_balance",
         reading.unmatched ? reading.unmatched->first : 0,
         fmt::format("A refused row of the report begins at line {}, where this reading sees no "
                     "record begin.",
                     reading.unmatched ? reading.unmatched->first : 0));
    warn(r, compared.invalid + counts.malformed > 0, "accepted_rows_unreadable",
         compared.invalid + counts.malformed,
         fmt::format("{} not valid in this reading; see rejected_examples.",
                     counted(compared.invalid + counts.malformed, "accepted row")));
    warn(r, compared.refused_valid > 0, "rejected_rows_valid", compared.refused_valid,
         fmt::format("{} valid in this reading, so compared as if accepted; see rejected_examples.",
                     counted(compared.refused_valid, "refused row")));
    warn(r, compared.original != upload.totals, "control_totals", compared.original.rows,
         "Rows or sums of the file are not the control totals of the upload's report.");
    return r.warnings.size() == before;
}

void take_examples(const Reading& reading, const CompareResult& compared, Reconciliation& r) {
    for (const auto& bad : reading.malformed) {
        r.rejected_examples.push_back({bad.row, fmt::format("{} {}", bad.problem, bad.text)});
    }
    for (const auto& example : compared.examples) {
        r.rejected_examples.push_back(
            {example.row, example.text.empty()
                              ? "Refused, but valid in this reading."
                              : fmt::format("Not valid: {}", example_of(example.text))});
    }
    if (r.rejected_examples.size() > kBadExamplesMax) {
        r.rejected_examples.resize(kBadExamplesMax);
    }
}

Result<CompareResult> compare_sides(const RunContext& context, const std::string& directory,
                                    const std::string& keys_file, const StoredSelection& selection,
                                    const HashKey& key, bool is_statement) {
    RH_ASSIGN(auto pieces, file_pieces(keys_file));
    KeyStream original({.kind = true, .marks = true, .examples = true}, std::move(pieces));
    RH_ASSIGN(auto stored, open_stored(context.store, selection, key));
    RH_ASSIGN(auto aggregated, open_aggregated(context.store, selection));
    RH_ASSIGN(auto findings,
              FindingsWriter::create(fmt::format("{}/{}", directory, kFindingsFile)));
    BrokenGames broken;
    RH_ASSIGN(auto result, compare(
                               [&](KeyRow& row) -> Result<bool> {
                                   RH_TRY(check_stopping(context));
                                   return original.next(row);
                               },
                               [&](KeyRow& row) { return stored.next(row); },
                               [&](KeyRow& row) { return aggregated.next(row); },
                               {.original_may_repeat = is_statement},
                               [&](const Discrepancy& found) {
                                   if (found.break_class != BreakClass::aggregate_stale) {
                                       broken.add(found.key.game);
                                   }
                                   return findings.add(found);
                               }));
    RH_TRY(check_stopping(context));
    RH_ASSIGN(const uint64_t of_rollups,
              compare_rollups(context.store, selection, broken,
                              [&](const Discrepancy& found) { return findings.add(found); }));
    result.discrepancies += of_rollups;
    RH_TRY(findings.finish());
    RH_TRY(io::remove_file(keys_file));
    return result;
}

struct Compared {
    Reading reading;
    CompareResult result;
};

// The original through the engine while ClickHouse adds up what it keeps; nullopt if they do not
// agree, and each key has to be looked at.
Result<std::optional<Compared>> compare_digests(const RunContext& context,
                                                const std::string& directory,
                                                const Original& original,
                                                const StoredSelection& selection,
                                                const Scope& scope) {
    const std::string file = fmt::format("{}/{}", directory, kKeysFile);
    const HashKey key = draw_hash_key();
    Result<StoredDigests> stored;
    Result<Reading> reading;
    {
        const std::jthread asking([&] {
            stored = without_exceptions(
                [&] { return read_stored_digests(context.store, selection, key); });
        });
        reading = read_original(context, fmt::format("{}/{}", directory, kScratchDirectory),
                                original, digest_sql(original.rules, scope, key, file));
    }
    RH_TRY(reading);
    RH_TRY(stored);
    RH_TRY(check_stopping(context));
    RH_ASSIGN(auto pieces, file_pieces(file));
    RH_ASSIGN(auto digest, read_original_digest(KeyStream(
                               {.kind = true, .examples = true, .digests = 1}, std::move(pieces))));
    RH_TRY(io::remove_file(file));
    if (!agree(digest, *stored)) {
        return std::nullopt;
    }
    digest.result.stored = stored->stored;
    digest.result.aggregated = stored->aggregated;
    RH_ASSIGN(auto findings,
              FindingsWriter::create(fmt::format("{}/{}", directory, kFindingsFile)));
    if (!stored->has_games) {
        RH_ASSIGN(digest.result.discrepancies,
                  compare_games(context.store, selection, {},
                                [&](const Discrepancy& found) { return findings.add(found); }));
    }
    RH_TRY(findings.finish());
    return Compared{std::move(*reading), std::move(digest.result)};
}

Result<Compared> compare_keys(const RunContext& context, const std::string& directory,
                              const Original& original, const StoredSelection& selection,
                              const Reconciliation& r) {
    const std::string file = fmt::format("{}/{}", directory, kKeysFile);
    const HashKey key = draw_hash_key();
    RH_ASSIGN(auto reading,
              read_original(context, fmt::format("{}/{}", directory, kScratchDirectory), original,
                            keys_sql(original.rules, r.scope, key, file)));
    RH_ASSIGN(auto result,
              compare_sides(context, directory, file, selection, key, r.statement.has_value()));
    return Compared{std::move(reading), std::move(result)};
}

Result<void> compare_all(const RunContext& context, const std::string& directory,
                         Reconciliation& r) {
    const std::string scratch = fmt::format("{}/{}", directory, kScratchDirectory);
    RH_ASSIGN(r.version, context.ledger.current_version());
    r.warnings.clear();
    r.rejected_examples.clear();

    Original original;
    StoredSelection selection;
    std::optional<uploads::Upload> upload;
    std::optional<uint64_t> unplaced;
    if (r.upload_id) {
        RH_ASSIGN(upload, context.ledger.find(*r.upload_id));
        if (!upload) {
            return fail(ErrorKind::not_found, "upload_not_found", "The upload is gone.");
        }
        RH_ASSIGN(original, upload_original(context, *upload));
        selection.upload_id = r.upload_id;
    } else {
        original = statement_original(directory, *r.statement);
        const std::string extent_file = fmt::format("{}/{}", directory, kExtentFile);
        RH_TRY(read_original(context, scratch, original, extent_sql(original.rules, extent_file)));
        RH_ASSIGN(const auto extent, read_extent(extent_file));
        RH_TRY(io::remove_file(extent_file));
        RH_ASSIGN(unplaced, complete_scope(extent, r.scope));
        if (extent.rows == 0) {
            return fail(ErrorKind::invalid_content, "no_rows",
                        "No row of the statement is valid, so there is nothing to compare. Check "
                        "its encoding, delimiter and columns.");
        }
        selection.version = r.version;
        selection.scope = r.scope;
    }
    RH_ASSIGN(auto both, compare_digests(context, directory, original, selection, r.scope));
    if (!both) {
        RH_ASSIGN(both, compare_keys(context, directory, original, selection, r));
    }
    const auto& [reading, compared] = *both;
    if (r.statement && compared.original.rows == 0 && compared.stored.rows == 0 &&
        compared.aggregated.rows == 0) {
        return fail(ErrorKind::invalid_content, "nothing_in_scope",
                    fmt::format("No row of the statement lies in the scope ({} outside of it), and "
                                "nothing is stored in it, so nothing was compared. Check from, to, "
                                "game_id and provider; a provider's name must be spelled as in the "
                                "files.",
                                counted(compared.out_of_scope, "row")));
    }
    r.original = compared.original;
    r.stored = compared.stored;
    r.aggregated = compared.aggregated;
    r.discrepancies = compared.discrepancies;
    r.rows.accepted = compared.original.rows + compared.out_of_scope;
    r.rows.rejected =
        reading.counts.dropped + reading.counts.malformed + compared.refused + compared.invalid;
    r.rows.read = reading.counts.records;
    r.rows.blank = reading.counts.blank;
    take_examples(reading, compared, r);
    bool balanced = r.rows.read == r.rows.accepted + r.rows.rejected;
    warn(r, !balanced, "line_balance", r.rows.read,
         fmt::format("The file has {} records, but the engine answered for {}.", r.rows.read,
                     r.rows.accepted + r.rows.rejected));
    warn(r, compared.out_of_scope > 0, "rows_out_of_scope", compared.out_of_scope,
         fmt::format("{} of the statement outside of the scope: not compared.",
                     counted(compared.out_of_scope, "row")));
    warn(r, r.statement && r.rows.rejected > 0, "rows_rejected", r.rows.rejected,
         fmt::format("{} of the statement not valid: not compared; see rejected_examples. Negative "
                     "amounts are valid with allow_negative=true.",
                     counted(r.rows.rejected, "row")));
    if (unplaced) {  // records with too few or too many fields have no place either
        *unplaced += reading.counts.malformed + reading.counts.dropped;
    }
    warn(r, unplaced.value_or(0) > 0, "scope_uncertain", unplaced.value_or(0),
         fmt::format("{} of the statement without a time or a provider that can be read: if they "
                     "are of other hours or providers than the rest, what is stored there was not "
                     "compared. Name from, to and provider to be sure.",
                     counted(unplaced.value_or(0), "row")));
    if (upload) {
        warn(r, upload->voided_version.has_value(), "upload_voided",
             upload->voided_version.value_or(0),
             fmt::format("The upload was voided: from version {} on none of its rows is in the "
                         "figures. What was compared is what is kept of it.",
                         upload->voided_version.value_or(0)));
        balanced = check_balance(*upload, reading, compared, r) && balanced;
    }
    r.matched =
        balanced && r.discrepancies == 0 && r.original == r.stored && r.stored == r.aggregated;
    return {};
}

}  // namespace

Result<void> run(const RunContext& context, const std::string& directory, Reconciliation& r) {
    SpaceWatch space(directory);
    RunContext watched = context;
    watched.stopping = [&] {
        space.look();
        return context.stopping();
    };
    auto ran = compare_all(watched, directory, r);
    if (!ran && ran.error().kind == ErrorKind::internal && space.ran_full()) {
        return space.full(ran.error().message);
    }
    // What the engine does not answer for is no row that was missed, then.
    if (ran && r.rows.read != r.rows.accepted + r.rows.rejected && space.ran_full()) {
        return space.full("The engine's answer is cut.");
    }
    return ran;
}

}  // namespace rh::reconcile
