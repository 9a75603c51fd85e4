#include <manta/detail/thrown.h>

#include <cxxabi.h>

#include <concepts>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <typeinfo>

#include <manta/detail/exceptions.h>

namespace manta::detail {
namespace {

constexpr int kMostCauses = 16;  // a chain may be a ring

std::string type_of_thrown() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "unknown";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> demangled(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free);
  std::string name = status == 0 ? demangled.get() : type->name();
  constexpr std::string_view kNested = "std::_Nested_exception<";  // what std::throw_with_nested throws
  if (name.starts_with(kNested) && name.ends_with('>')) {
    name = name.substr(kNested.size(), name.size() - kNested.size() - 1);
    while (name.ends_with(' ')) name.pop_back();
  }
  if (name.starts_with("std::__cxx11::basic_string<char,")) return "std::string";
  if (name.starts_with("std::basic_string_view<char,")) return "std::string_view";
  if (name == "char const*") return "const char*";
  return name;
}

// Calls use(value) if the exception that is being handled is one of the types; false: it is of another.
template <class Use>
bool with_thrown(Use) {
  return false;
}
template <class T, class... Others, class Use>
bool with_thrown(Use use) {
  try {
    throw;
  } catch (const T& value) {
    use(value);
    return true;
  } catch (...) {
  }
  if constexpr (sizeof...(Others) > 0) {
    return with_thrown<Others...>(use);
  } else {
    return false;
  }
}

std::string from_pointer(const char* text) { return text == nullptr ? "" : text; }

// Its own, without what is nested in it.
std::string text_of_thrown() {
  std::string text;
  const auto to_text = [&](const auto& value) {
    using T = std::decay_t<decltype(value)>;
    if constexpr (std::is_base_of_v<std::exception, T>) {
      text = message_of(value);
    } else if constexpr (std::is_same_v<T, const char*> || std::is_same_v<T, char*>) {
      text = from_pointer(value);
    } else if constexpr (std::is_convertible_v<T, std::string_view>) {
      text = value;
    } else if constexpr (std::is_same_v<T, bool>) {
      text = value ? "true" : "false";
    } else if constexpr (std::is_same_v<T, char>) {
      text = std::string(1, value);
    } else if constexpr (std::is_same_v<T, std::error_code> || std::is_same_v<T, std::error_condition>) {
      text = std::string(value.category().name()) + ":" + std::to_string(value.value()) + ": " + value.message();
    } else {
      text = std::to_string(value);
    }
  };
  (void)with_thrown<std::exception, const char*, char*, std::string, std::string_view, bool, char, int, unsigned, long,
                    unsigned long, long long, unsigned long long, short, unsigned short, signed char, unsigned char,
                    float, double, long double, std::errc, std::error_code, std::error_condition>(
      [&](const auto& value) {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::errc>) {
          to_text(std::make_error_code(value));
        } else {
          to_text(value);
        }
      });
  return text;
}

// What the exception that is being handled was thrown because of; null: it does not say.
std::exception_ptr cause_of_thrown() {
  std::exception_ptr cause;
  (void)with_thrown<std::nested_exception>([&](const std::nested_exception& nested) { cause = nested.nested_ptr(); });
  return cause;
}

std::string joined(const std::string& type, const std::string& text) {
  return text.empty() ? type : type + ": " + text;
}

}  // namespace

std::string causes_of_thrown() {
  std::string causes;
  std::exception_ptr cause = cause_of_thrown();
  for (int depth = 0; cause != nullptr && depth < kMostCauses; ++depth) {
    try {
      std::rethrow_exception(cause);
    } catch (...) {
      causes += "; caused by " + joined(type_of_thrown(), text_of_thrown());
      cause = cause_of_thrown();
    }
  }
  return causes;
}

Thrown describe_thrown() { return {type_of_thrown(), text_of_thrown() + causes_of_thrown()}; }

std::string thrown_text() {
  const Thrown thrown = describe_thrown();
  return thrown.text.empty() ? "an exception of type " + thrown.type : thrown.text;
}

}  // namespace manta::detail
