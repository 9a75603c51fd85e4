// Finds numbers of a request that do not fit their C++ type. nlohmann::json converts with static_cast: 3000000000
// becomes a negative int, 1.5 the int 1, 1e39 an infinite float. Converting back and comparing finds such values.
#include <cmath>
#include <string>

#include <manta/serve/detail/replica.h>

namespace manta::serve::detail {

namespace {

using Json = nlohmann::json;
__extension__ using Wide = __int128;

constexpr double kTwoTo31 = 2147483648.0;
constexpr double kTwoTo64 = 18446744073709551616.0;

Wide wide(const Json& number) {
  return number.is_number_unsigned() ? Wide{number.get<std::uint64_t>()} : Wide{number.get<std::int64_t>()};
}

// Whether `sent`, cast to an integer of 8, 16, 32 or 64 bits that it does not fit, becomes `taken`.
bool wrapped(Wide sent, Wide taken) {
  for (int bits = 8; bits <= 64; bits *= 2) {
    const Wide size = Wide{1} << bits;
    if ((sent - taken) % size != 0) continue;
    const auto within = [&](Wide value, Wide low) { return value >= low && value < low + size; };
    for (const Wide low : {Wide{0}, -size / 2}) {
      if (within(taken, low) && !within(sent, low)) return true;
    }
  }
  return false;
}

// What is wrong with a number's conversion; empty: nothing.
std::string fault(const Json& sent, const Json& taken) {
  if (sent.is_number_integer()) {
    return taken.is_number_integer() && wrapped(wide(sent), wide(taken)) ? "is out of range" : "";
  }
  const double value = sent.get<double>();
  if (taken.is_number_float())
    return std::isfinite(value) && !std::isfinite(taken.get<double>()) ? "is out of range" : "";
  if (std::isnan(value)) return "is no integer";
  if (std::abs(value) >= kTwoTo64) return "is out of range";
  const auto whole = static_cast<Wide>(std::trunc(value));
  if (whole == wide(taken)) return value == std::trunc(value) ? "" : "is no integer";
  // Not the result of an integer cast that fits; below 32 bits the type may have converted it on purpose.
  return std::abs(value) >= kTwoTo31 || wrapped(whole, wide(taken)) ? "is out of range" : "";
}

}  // namespace

void check_numbers(const Json& sent, const Json& taken, const std::string& at) {
  if (sent.is_number() && taken.is_number()) {
    const std::string wrong = fault(sent, taken);
    if (!wrong.empty())
      throw HttpError(400, "the JSON is not what is expected here: " + write_json(sent) +
                               (at.empty() ? "" : " at " + at) + " " + wrong);
  } else if (sent.is_array() && taken.is_array() && sent.size() == taken.size()) {
    for (std::size_t i = 0; i < sent.size(); ++i) check_numbers(sent[i], taken[i], at + "/" + std::to_string(i));
  } else if (sent.is_object() && taken.is_object()) {
    for (auto it = sent.begin(); it != sent.end(); ++it) {
      if (const auto same = taken.find(it.key()); same != taken.end()) check_numbers(*it, *same, at + "/" + it.key());
    }
  }
}

}  // namespace manta::serve::detail
