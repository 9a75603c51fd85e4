// Names and numbers as text.
#pragma once

#include <string>
#include <string_view>

namespace manta::report {

/// As a string of JSON, in quotes. What is not UTF-8 in it is replaced by U+FFFD.
std::string json_string(std::string_view text);

/// The same text, with U+FFFD for what is not UTF-8.
std::string as_utf8(std::string_view text);

/// A line of JSON in which NaN, Infinity and -Infinity, as Python writes them, are strings: then a JSON parser takes
/// it.
std::string with_quoted_nan(std::string_view line);

/// The shortest text that reads back to the same double; integers without a point; `nan`, `infinity`.
std::string as_number(double value, const char* nan = "NaN", const char* infinity = "Infinity");

/// As a cell of a CSV file's line (RFC 4180): in quotes where it must be, without line breaks.
std::string csv_cell(std::string_view text);

}  // namespace manta::report
