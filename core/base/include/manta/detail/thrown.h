/// What user code threw, in words. Not for users.
#pragma once

#include <string>

namespace manta::detail {

struct Thrown {
  std::string type;  // demangled, for example "std::out_of_range"
  /// what(), or the text or number itself; then "; caused by TYPE: text" for each nested exception. Empty: unknown.
  std::string text;
};

/// The exception that is being handled: call it inside a catch block. Of any type.
Thrown describe_thrown();
/// The same in one text, never empty.
std::string thrown_text();
/// "; caused by TYPE: text" for each exception nested in the one that is being handled; empty: none is.
std::string causes_of_thrown();

}  // namespace manta::detail
