#include "aggregates/reader.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

#include "aggregates/answers.h"
#include "aggregates/sql.h"
#include "aggregates/walk.h"

namespace rh::aggregates {
namespace {

bool is_in(const std::vector<size_t>& shards, size_t shard) {
    return std::ranges::find(shards, shard) != shards.end();
}

// At most `rows_max` rows of one shard, added up by ClickHouse.
Result<Page> summed_page(const clickhouse::Client& client, const Query& query, uint64_t version,
                         const std::optional<Key>& after, uint64_t rows_max) {
    const std::vector<KeyField> fields = key_fields(query);
    std::vector<Key> ends;
    if (!fields.empty() && is_walkable(query)) {
        RH_TRY(read_rows(ask(client, find_page_end(query, version, after, rows_max)),
                         [&](BinaryRow& in) {
                             Key key;
                             read_key(in, fields, key);
                             if (in.ok()) {
                                 ends.push_back(std::move(key));
                             }
                         }));
    }
    // With fewer rows than a page has, there is no end to stop at; without a walk, the row after
    // the page says that there is more.
    const std::optional<Key> last = ends.empty() ? std::nullopt : std::optional(ends.front());
    Page page;
    RH_TRY(read_rows(ask(client, sum_page(query, version, after, last, rows_max + 1)),
                     [&](BinaryRow& in) {
                         Row row;
                         read_row(in, fields, row);
                         if (in.ok()) {
                             page.rows.push_back(std::move(row));
                         }
                     }));
    if (last && (page.rows.size() != rows_max || page.rows.back().key != *last)) {
        return page_changed();
    }
    page.more = ends.size() > 1;
    if (page.rows.size() > rows_max) {
        page.more = true;
        page.rows.pop_back();
    }
    return page;
}

// The same from the rollup's rows in their order, added up here: one statement in place of two, of
// which each takes ClickHouse longer to prepare than to answer. Nothing if a key has so many rows
// that ClickHouse should add them up.
Result<std::optional<Page>> walked_page(const clickhouse::Client& client, const Query& query,
                                        uint64_t version, const std::optional<Key>& after,
                                        uint64_t rows_max) {
    const std::vector<KeyField> fields = key_fields(query);
    const uint64_t limit = 2 * (rows_max + 1);
    Page page;
    std::vector<Row>& rows = page.rows;
    while (true) {
        const size_t whole = rows.size();
        uint64_t taken = 0;
        const std::optional<Key> begin = rows.empty() ? after : std::optional(rows.back().key);
        Row row;
        RH_TRY(read_rows(ask(client, walk_rows(query, version, begin, limit)), [&](BinaryRow& in) {
            read_row(in, fields, row);
            if (!in.ok()) {
                return;
            }
            ++taken;
            if (rows.size() > whole && rows.back().key == row.key) {
                rows.back().add(row);
            } else if (rows.size() <= rows_max) {  // one more says that there is more
                rows.push_back(row);
            }
        }));
        page.more = rows.size() > rows_max;
        if (page.more) {
            rows.pop_back();
        }
        if (page.more || taken < limit) {
            return page;
        }
        rows.pop_back();  // not all of it may have been read
        if (rows.size() == whole) {
            return std::nullopt;
        }
    }
}

Result<Page> page_of(const clickhouse::Client& client, const Query& query, uint64_t version,
                     const std::optional<Key>& after, uint64_t rows_max) {
    // A longer period has the rows of many hours.
    if (query.granularity == Granularity::hour && is_walkable(query)) {
        RH_ASSIGN(std::optional<Page> page, walked_page(client, query, version, after, rows_max));
        if (page) {
            return std::move(*page);
        }
    }
    return summed_page(client, query, version, after, rows_max);
}

ShardWalk::Questions questions_to(const clickhouse::Client& client, const Query& query,
                                  uint64_t version) {
    return {.rows =
                [&client, &query, version](const std::optional<Key>& after, uint64_t rows_max) {
                    return ask(client, walk_rows(query, version, after, rows_max));
                },
            .sum = [&client, &query,
                    version](const std::optional<Key>& after) -> Result<std::optional<Row>> {
                RH_ASSIGN(Page page, summed_page(client, query, version, after, 1));
                return page.rows.empty() ? std::nullopt
                                         : std::optional(std::move(page.rows.front()));
            }};
}

// One server gathers the keys of all shards, in no order: on disk, where they need much memory.
const clickhouse::Settings kDistributedSettings = {
    {"optimize_aggregation_in_order", "0"},
    {"max_bytes_before_external_group_by", "400000000"},
    {"max_bytes_ratio_before_external_group_by", "0"},
};

// A page of which each shard knows its own share. Whatever shard had more than `rows_max` rows
// gave so many, so up to the last row that stays none is missing.
Page merged(std::vector<Page> pages, const Query& query, uint64_t rows_max) {
    Page all;
    for (Page& page : pages) {
        all.more = all.more || page.more;
        std::ranges::move(page.rows, std::back_inserter(all.rows));
    }
    std::ranges::sort(all.rows, [&, fields = key_fields(query)](const Row& a, const Row& b) {
        return comes_before(query, fields, a.key, b.key);
    });
    size_t kept = 0;
    for (size_t i = 0; i < all.rows.size(); ++i) {
        Row& row = all.rows[i];
        if (kept > 0 && all.rows[kept - 1].key == row.key) {
            all.rows[kept - 1].add(row);
        } else if (kept == rows_max) {
            all.more = true;
            break;
        } else if (kept++ != i) {
            all.rows[kept - 1] = std::move(row);
        }
    }
    all.rows.resize(kept);
    return all;
}

// What the shards that answered gave.
template <class Part>
struct Gathered {
    std::vector<Part> parts;
    std::vector<size_t> missing;  // shards, ascending
};

// Asks all shards of `reach` at once.
template <class Ask, class Part = typename std::invoke_result_t<Ask, size_t>::value_type>
Result<Gathered<Part>> gather(const clickhouse::Store& store, const Reach& reach, Ask ask) {
    auto answers = store.on_every_shard([&](size_t shard) -> Result<std::optional<Part>> {
        if (is_in(reach.without, shard)) {
            return std::nullopt;
        }
        return ask(shard);
    });
    Gathered<Part> gathered;
    std::optional<Error> silence;
    for (size_t shard = 0; shard < answers.size(); ++shard) {
        auto& answer = answers[shard];
        if (answer && *answer) {
            gathered.parts.push_back(std::move(**answer));
            continue;
        }
        if (!answer && (!reach.partial || answer.error().code != "shard_unavailable")) {
            return std::unexpected(std::move(answer).error());
        }
        gathered.missing.push_back(shard);
        if (!answer) {
            silence = std::move(answer).error();
        }
    }
    if (silence && gathered.parts.empty()) {
        return std::unexpected(std::move(*silence));
    }
    return gathered;
}

// The rows of all shards, each of which knows its own share.
class WalkedRows final : public Rows {
  public:
    struct Shard {
        std::unique_ptr<ShardWalk> walk;
        const Row* head;  // nullptr: it has no more
    };
    WalkedRows(const Query& query, Gathered<Shard> shards)
        : Rows(std::move(shards.missing)),
          query_(query),
          fields_(key_fields(query)),
          shards_(std::move(shards.parts)) {}

    Result<const Row*> next() override {
        const Row* first = nullptr;
        for (const Shard& shard : shards_) {
            if (shard.head != nullptr &&
                (first == nullptr || comes_before(query_, fields_, shard.head->key, first->key))) {
                first = shard.head;
            }
        }
        if (first == nullptr) {
            return nullptr;
        }
        sum_.key = first->key;
        sum_.rounds = 0;
        sum_.sums = {};
        for (Shard& shard : shards_) {
            if (shard.head != nullptr && shard.head->key == sum_.key) {
                sum_.add(*shard.head);
                RH_ASSIGN(shard.head, shard.walk->next());
            }
        }
        return &sum_;
    }

  private:
    const Query& query_;
    const std::vector<KeyField> fields_;
    std::vector<Shard> shards_;
    Row sum_;
};

// The rows of all pages of a query that is not walkable.
class PagedRows final : public Rows {
  public:
    PagedRows(const Reader& reader, const Query& query, uint64_t version, Page first)
        : Rows(first.missing),
          reader_(reader),
          query_(query),
          version_(version),
          page_(std::move(first)) {}

    Result<const Row*> next() override {
        if (at_ == page_.rows.size() && page_.more) {
            const Key last = page_.rows.back().key;
            RH_ASSIGN(page_, reader_.page(query_, version_, last, kRowsMax,
                                          {.without = missing(), .partial = false}));
            at_ = 0;
        }
        return at_ < page_.rows.size() ? &page_.rows[at_++] : nullptr;
    }

    static constexpr uint64_t kRowsMax = 20'000;  // a few MiB

  private:
    const Reader reader_;
    const Query& query_;
    const uint64_t version_;
    Page page_;
    size_t at_ = 0;  // of page_
};

}  // namespace

Result<std::unique_ptr<Rows>> Reader::rows(const Query& query, uint64_t version,
                                           const std::optional<Key>& after, bool partial) const {
    const Reach reach{.without = {}, .partial = partial};
    const std::vector<KeyField> fields = key_fields(query);
    if (fields.empty() || !is_walkable(query)) {
        RH_ASSIGN(Page first, page(query, version, after, PagedRows::kRowsMax, reach));
        return std::make_unique<PagedRows>(*this, query, version, std::move(first));
    }
    RH_ASSIGN(auto shards, gather(store_, reach, [&](size_t shard) -> Result<WalkedRows::Shard> {
                  auto walk = std::make_unique<ShardWalk>(
                      questions_to(store_.reader(shard), query, version), fields, after);
                  RH_ASSIGN(const Row* head, walk->next());
                  return WalkedRows::Shard{std::move(walk), head};
              }));
    return std::make_unique<WalkedRows>(query, std::move(shards));
}

Result<Page> Reader::page(const Query& query, uint64_t version, const std::optional<Key>& after,
                          uint64_t rows_max, const Reach& reach) const {
    if (store_.shards() == 1) {
        return page_of(store_.reader(0), query, version, after, rows_max);
    }
    RH_ASSIGN(auto pages, gather(store_, reach, [&](size_t shard) {
                  return page_of(store_.reader(shard), query, version, after, rows_max);
              }));
    Page page = merged(std::move(pages.parts), query, rows_max);
    page.missing = std::move(pages.missing);
    return page;
}

Result<uint64_t> Reader::count(const Query& query, uint64_t version) const {
    if (key_fields(query).empty()) {
        return 1;
    }
    uint64_t rows = 0;
    Statement counting = count_rows(query, version, store_.all(rollup_of(query)));
    if (store_.is_cluster()) {
        counting.settings = kDistributedSettings;
    }
    RH_TRY(read_rows(rows_of(store_.stream(counting.sql, counting.parameters, counting.settings,
                                           clickhouse::Store::User::reader)),
                     [&](BinaryRow& in) {
                         const auto counted = in.fixed<uint64_t>();
                         rows = in.ok() ? counted : rows;
                     }));
    return rows;
}

}  // namespace rh::aggregates
