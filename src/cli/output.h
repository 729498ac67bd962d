// What a command writes: data to stdout, messages to stderr, and how an Error looks to a person
// and to a script. One thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace rh::cli {

// All of it to stdout. Error internal output_closed if the reader is gone, or what write() says.
Result<void> write_out(std::string_view bytes);
// Error conflict file_exists if `path` is there and may not be replaced.
Result<void> check_free(const std::string& path, bool force);
// "roundhouse: …" and a line end, to stderr; further lines of it begin with two blanks.
void say(std::string_view message);

// 0 is never given: 2 for what the caller must change, 5 for a service that does not answer,
// else 1.
int exit_code_of(const Error& error);
// Says the error on stderr; with `json` its problem object also goes to stdout.
int report(const Error& error, bool json, std::string_view filename = {});

// {"type","title","status","detail","code"}, and "trace_id" if it has one, as the API sends it.
// `filename` is that of the file that it is about; empty: it is about none.
std::string problem_json(const Error& error, std::string_view filename = {});

bool stderr_is_terminal();
bool stdout_is_terminal();
// Terminal, and NO_COLOR is not set.
bool stdout_has_color();

}  // namespace rh::cli
