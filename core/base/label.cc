#include <manta/detail/label.h>

#include <cctype>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/mutex.h"

namespace manta::detail {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Whether the text before `at` ends in the word `operator`, whose symbols are no brackets.
bool after_operator(std::string_view text, std::size_t at) {
  constexpr std::string_view kOperator = "operator";
  const std::string_view before = text.substr(0, at);
  return before.ends_with(kOperator) &&
         (before.size() == kOperator.size() || !is_word(before[before.size() - kOperator.size() - 1]));
}

// The end of an operator's symbol that starts at `at`: "()", "->*", "<=>" and so on.
std::size_t end_of_symbol(std::string_view text, std::size_t at) {
  if (text.substr(at, 2) == "()" || text.substr(at, 2) == "[]") return at + 2;
  while (at < text.size() && std::string_view("+-*/%^&|~!=<>,").find(text[at]) != std::string_view::npos) ++at;
  return at;
}

// Calls visit(position) for each character outside brackets, and passes operators' symbols over; stops at true.
template <class Visit>
void at_depth_zero(std::string_view text, Visit visit) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (after_operator(text, i)) {
      const std::size_t end = end_of_symbol(text, i);
      if (end != i) {
        i = end;
        continue;
      }
    }
    const char c = text[i];
    if (c == '>' && i > 0 && text[i - 1] == '-') {  // an arrow
    } else if (c == '<' || c == '(' || c == '[' || c == '{') {
      if (depth++ == 0 && visit(i)) return;
      ++i;
      continue;
    } else if (c == '>' || c == ')' || c == ']' || c == '}') {
      --depth;
    }
    if (depth == 0 && visit(i)) return;
    ++i;
  }
}

std::size_t find_at_depth_zero(std::string_view text, std::string_view what) {
  std::size_t found = std::string_view::npos;
  at_depth_zero(text, [&](std::size_t i) {
    if (text.substr(i, what.size()) != what) return false;
    found = i;
    return true;
  });
  return found;
}

// The parts of a qualified name; each with its template arguments and parameters.
std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = find_at_depth_zero(name, "::");
    parts.push_back(name.substr(0, end));
    if (end == std::string_view::npos) return parts;
    name.remove_prefix(end + 2);
  }
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

bool is_anonymous(std::string_view part) {
  return part == "{anonymous}" || part == "(anonymous namespace)" || part == "<unnamed>";
}
bool is_lambda(std::string_view part) {
  return part.starts_with("<lambda") || part.starts_with("(lambda") || part.starts_with("(anonymous class)");
}

// "main()", "f(int) [with T = int]": a function that encloses what follows.
bool is_enclosing(std::string_view part) {
  if (is_lambda(part)) return true;
  const std::size_t with = part.find(" [with");
  if (with != std::string_view::npos) part = part.substr(0, with);
  while (part.ends_with(" const") || part.ends_with(" noexcept")) part = part.substr(0, part.rfind(' '));
  return part.ends_with(')') && !is_anonymous(part) && !part.ends_with("operator()");
}

std::string clean(std::string_view name);

// "fit<a::b<int>, 3>" with its arguments cleaned.
std::string clean_part(std::string_view part) {
  if (part.starts_with("__conv_op")) return "conversion operator";
  std::size_t open = std::string_view::npos;
  at_depth_zero(part, [&](std::size_t i) {
    if (part[i] != '<') return false;
    open = i;
    return true;
  });
  if (open == std::string_view::npos || !part.ends_with('>')) return std::string(part);
  std::string text(part.substr(0, open + 1));
  std::string_view rest = part.substr(open + 1, part.size() - open - 2);
  while (rest.ends_with(' ')) rest.remove_suffix(1);
  for (;;) {
    const std::size_t end = find_at_depth_zero(rest, ", ");
    text += clean(rest.substr(0, end));
    if (end == std::string_view::npos) return text + ">";
    text += ", ";
    rest.remove_prefix(end + 2);
  }
}

std::string without_parameters(std::string_view part) {
  const std::size_t with = part.find(" [with");
  if (with != std::string_view::npos) part = part.substr(0, with);
  const std::size_t open = find_at_depth_zero(part, "(");
  return clean_part(part.substr(0, open));
}

std::string join(const std::vector<std::string_view>& parts, std::size_t from, std::size_t end) {
  std::string text;
  for (std::size_t i = from; i < end; ++i) {
    if (is_anonymous(parts[i]) || parts[i] == "__cxx11" || parts[i] == "__1") continue;
    if (!text.empty()) text += "::";
    text += i + 1 == end ? without_parameters(parts[i]) : clean_part(parts[i]);
  }
  return text;
}

// "<lambda(int)>" (g++), "(lambda at dir/file.cc:12:3)" (clang), inside the parts before it.
std::string lambda_label(const std::vector<std::string_view>& parts, std::size_t index) {
  std::string_view part = parts[index];
  if (part.starts_with("(lambda at ")) {
    part = part.substr(11, part.size() - 12);
    part = part.substr(0, part.rfind(':'));
    return "lambda at " + std::string(part.substr(part.rfind('/') + 1));
  }
  std::string text = "lambda";
  if (part.starts_with("<lambda(") && part.ends_with(")>")) {
    std::string_view parameters = part.substr(8, part.size() - 10);
    text += "(";
    while (!parameters.empty()) {
      const std::size_t end = std::min(find_at_depth_zero(parameters, ", "), parameters.size());
      text += clean(parameters.substr(0, end));
      parameters.remove_prefix(std::min(end + 2, parameters.size()));
      if (!parameters.empty()) text += ", ";
    }
    text += ")";
  }
  std::size_t outer = index;  // the outermost function: lambdas within lambdas are in it too
  while (outer > 0 && is_lambda(parts[outer - 1])) --outer;
  const std::string function = join(parts, 0, outer);
  return function.empty() ? text : text + " in " + function;
}

// One name, or a type as it stands among template arguments.
std::string clean(std::string_view name) {
  constexpr std::string_view kClosure = "<lambda closure object>";  // g++'s words before a lambda
  if (name.starts_with(kClosure)) name.remove_prefix(kClosure.size());
  if (name.starts_with('&')) name.remove_prefix(1);
  // Qualifiers and declarators of a type are no part of its last name.
  std::string_view before;
  if (name.starts_with("const ")) before = name.substr(0, 6);
  name.remove_prefix(before.size());
  std::string after;
  while (!name.empty() && (name.back() == '&' || name.back() == '*' || name.back() == ' ') &&
         !name.ends_with("operator&") && !name.ends_with("operator*") && !name.ends_with("operator->*") &&
         !name.ends_with("operator&&")) {
    if (name.back() != ' ') after.insert(after.begin(), name.back());
    name.remove_suffix(1);
  }
  const std::vector<std::string_view> parts = parts_of(name);
  if (is_lambda(parts.back())) return std::string(before) + lambda_label(parts, parts.size() - 1);
  std::size_t from = 0;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (is_enclosing(parts[i])) from = i + 1;
  }
  std::string text(before);
  for (std::size_t i = from; i < parts.size(); ++i) {
    if (is_anonymous(parts[i]) || parts[i] == "__cxx11" || parts[i] == "__1") continue;
    if (text.size() > before.size()) text += "::";
    text += clean_part(parts[i]);
  }
  return text + after;
}

// Without the value of a function object: "Obj()", "Par{3, 2.5e+0}", "TObj<int>{}".
std::string_view without_value(std::string_view name) {
  if (name.ends_with("operator()")) return name;
  if (name.ends_with("()")) return name.substr(0, name.size() - 2);
  if (!name.ends_with('}')) return name;
  std::size_t open = std::string_view::npos;  // the last one: "{anonymous}::Par{3}"
  at_depth_zero(name, [&](std::size_t i) {
    if (name[i] == '{') open = i;
    return false;
  });
  return open == std::string_view::npos || open == 0 || is_anonymous(name.substr(open)) ? name : name.substr(0, open);
}

std::string_view argument_in(std::string_view pretty) {
  const std::size_t start = pretty.find("F = ");
  if (start == std::string_view::npos) return pretty;
  std::string_view name = pretty.substr(start + 4);
  std::size_t end = name.rfind("; File = ");
  if (end == std::string_view::npos) end = name.rfind(", File = ");
  if (end == std::string_view::npos && name.ends_with(']')) end = name.size() - 1;
  return name.substr(0, end);
}

}  // namespace

std::string label_in(std::string_view pretty) {
  std::string text = clean(without_value(argument_in(pretty)));
  replace_all(text, "std::basic_string<char>", "std::string");
  replace_all(text, "std::basic_string_view<char>", "std::string_view");
  return text;
}

std::string_view label_of(std::string_view pretty) {
  struct Labels {
    Mutex mutex;
    std::unordered_map<std::string, std::string> made MANTA_GUARDED_BY(mutex);  // its nodes stay where they are
  };
  static Labels& labels = *new Labels;  // kept for ever: threads may ask while the program ends
  const MutexLock guard(labels.mutex);
  const auto [at, is_new] = labels.made.try_emplace(std::string(pretty));
  if (is_new) at->second = label_in(pretty);
  return at->second;
}

}  // namespace manta::detail
