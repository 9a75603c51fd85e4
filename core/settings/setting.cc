#include <manta/detail/setting.h>

#include <manta/error.h>

#include "core/settings/read.h"

namespace manta::detail {
namespace {

const settings::Setting& row(std::string_view variable, settings::Type type) {
  const settings::Setting* found = settings::find(variable);
  if (found == nullptr || found->type != type) {
    throw Error(ErrorCode::internal, "core/settings/table.h has no setting " + std::string(variable) + " of this type");
  }
  return *found;
}

}  // namespace

std::string text_setting(std::string_view variable) {
  return settings::text_value(row(variable, settings::Type::text));
}

std::optional<std::int64_t> whole_setting(std::string_view variable) {
  return settings::whole_value(row(variable, settings::Type::whole));
}

}  // namespace manta::detail
