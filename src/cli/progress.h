// How far something is, on stderr: a bar that is drawn over itself on a terminal, one plain line a
// stage elsewhere. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rh::cli {

struct ProgressState {
    std::string_view what;   // "rounds.csv"
    std::string_view stage;  // "sending", "validating", …
    uint64_t done = 0;       // bytes, or rows
    uint64_t of = 0;         // 0: unknown
    bool in_bytes = true;
    double seconds = 0;  // since the stage began
};

// "rounds.csv  sending     [=======>      ]  52 %  117.2 MB of 224.1 MB  310.0 MB/s", at most
// `width` characters; without `of` no bar.
std::string progress_line(const ProgressState& state, size_t width);

class Progress {
  public:
    explicit Progress(std::string_view what);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress();  // takes the bar away

    void show(std::string_view stage, uint64_t done, uint64_t of, bool in_bytes);

  private:
    std::string what_;
    std::string stage_;
    bool terminal_;
    bool drawn_ = false;
    int64_t stage_began_ms_ = 0;
    int64_t drawn_ms_ = 0;
};

}  // namespace rh::cli
