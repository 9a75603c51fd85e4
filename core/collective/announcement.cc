#include "core/collective/announcement.h"

#include <cstddef>
#include <iterator>
#include <string_view>

namespace manta::collective {

std::string describe(const Announcement& announcement) {
  static constexpr std::string_view kNames[] = {"join",   "all_reduce", "reduce",         "broadcast",  "all_gather",
                                                "gather", "scatter",    "reduce_scatter", "all_to_all", "barrier",
                                                "split",  "send",       "receive"};
  const auto operation = static_cast<std::size_t>(announcement.operation);
  if (operation >= std::size(kNames)) return "an unknown operation";
  std::string text(kNames[operation]);
  const Operation kind = announcement.operation;
  if (kind == Operation::join || kind == Operation::barrier || kind == Operation::split) return text;
  text += " of " + std::to_string(announcement.bytes) + " bytes";
  if (kind == Operation::all_reduce || kind == Operation::reduce || kind == Operation::reduce_scatter) {
    text += " (" + std::string(to_string(announcement.type)) + ", ";
    text += std::string(to_string(announcement.reduction)) + ")";
  }
  if (kind == Operation::broadcast || kind == Operation::scatter) {
    text += " from rank " + std::to_string(announcement.root);
  } else if (kind == Operation::reduce || kind == Operation::gather || kind == Operation::send) {
    text += " to rank " + std::to_string(announcement.root);
  } else if (kind == Operation::receive) {
    text += " from rank " + std::to_string(announcement.root);
  }
  return text;
}

}  // namespace manta::collective
