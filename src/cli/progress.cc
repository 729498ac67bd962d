#include "cli/progress.h"

#include <algorithm>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/harmless.h"
#include "cli/output.h"
#include "cli/text.h"

namespace rh::cli {
namespace {

constexpr int64_t kRedrawMs = 100;
constexpr size_t kBarWidthMax = 40;
constexpr size_t kBarWidthMin = 10;

void to_stderr(std::string_view text) {
    // There is nowhere to report a failure of stderr to.
    [[maybe_unused]] const ssize_t written = ::write(2, text.data(), text.size());
}

size_t terminal_width() {
    winsize size{};
    return ::ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string amount(uint64_t value, bool in_bytes) {
    return in_bytes ? byte_size(value) : with_commas(value) + " rows";
}

}  // namespace

std::string progress_line(const ProgressState& state, size_t width) {
    const std::string head = fmt::format("{}  {:<10}", state.what, state.stage);
    if (state.done == 0 && state.of == 0) {  // nothing is counted: only that it still goes on
        return fmt::format("{}  {:.0f} s", head, state.seconds).substr(0, width);
    }
    std::string tail = amount(state.done, state.in_bytes);
    if (state.of != 0) {
        const uint64_t percent = std::min<uint64_t>(state.done * 100 / state.of, 100);
        tail = fmt::format("{:3} %  {} of {}", percent, tail, amount(state.of, state.in_bytes));
    }
    if (state.seconds >= 0.5) {
        const auto rate = static_cast<uint64_t>(static_cast<double>(state.done) / state.seconds);
        tail += fmt::format("  {}/s", amount(rate, state.in_bytes));
    }
    std::string line = fmt::format("{}  {}", head, tail);
    if (state.of != 0 && line.size() + kBarWidthMin + 4 <= width) {
        const size_t bar = std::min(width - line.size() - 4, kBarWidthMax);
        const size_t full = std::min<size_t>(bar * std::min(state.done, state.of) / state.of, bar);
        const std::string head_of_bar = full == bar || full == 0 ? "" : ">";
        line = fmt::format("{}  [{}{}{}]  {}", head, std::string(full - head_of_bar.size(), '='),
                           head_of_bar, std::string(bar - full, ' '), tail);
    }
    return line.substr(0, width);
}

Progress::Progress(std::string_view what)
    : what_(harmless(what)), terminal_(stderr_is_terminal()) {}

Progress::~Progress() {
    if (drawn_) {
        to_stderr("\r\x1b[K");
    }
}

void Progress::show(std::string_view stage, uint64_t done, uint64_t of, bool in_bytes) {
    const int64_t now = monotonic_ms();
    const std::string shown = harmless(stage);  // may be a sentence of the server
    const bool new_stage = shown != stage_;
    if (new_stage) {
        stage_ = shown;
        stage_began_ms_ = now;
        if (!terminal_) {
            say(fmt::format("{}: {}", what_, shown));
        }
    }
    if (!terminal_ || (!new_stage && now - drawn_ms_ < kRedrawMs)) {
        return;
    }
    drawn_ms_ = now;
    drawn_ = true;
    const double seconds = static_cast<double>(now - stage_began_ms_) / 1000;
    to_stderr(fmt::format("\r{}\x1b[K", progress_line({what_, shown, done, of, in_bytes, seconds},
                                                      terminal_width() - 1)));
}

}  // namespace rh::cli
