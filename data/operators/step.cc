#include <cxxabi.h>

#include <cstdlib>
#include <typeinfo>

#include <manta/data/detail/step.h>
#include <manta/data/row.h>
#include <manta/error.h>

namespace manta::data::detail {

namespace {

// Filled while static variables are initialised, and by dlopen; read afterwards.
std::vector<StepEntry>& table() {
  static std::vector<StepEntry> entries;
  return entries;
}

}  // namespace

std::uint32_t add_step(const StepEntry& entry) {
  table().push_back(entry);
  return static_cast<std::uint32_t>(table().size() - 1);
}

std::unique_ptr<Kernel> make_kernel(const Step& step) {
  if (step.kind >= table().size() || table()[step.kind].name() != step.name) {
    throw Error(ErrorCode::internal, "data: this process does not know the step \"" + step.name +
                                         "\": it runs another program than the one that made the plan; start all nodes "
                                         "with the same executable");
  }
  serial::Reader reader(step.state, step.framed);
  return table()[step.kind].make(reader);
}

void throw_state_refs(std::string_view name) {
  throw Error(ErrorCode::invalid_argument, "data: the arguments of step \"" + std::string(name) +
                                               "\" hold a manta::Ref; a step's arguments are kept as bytes: get the "
                                               "value first, or give a file's name");
}

void throw_null(std::int64_t row, std::string_view column) {
  throw RowFailure(row, "column \"" + std::string(column) +
                            "\" is null here; make the field a std::optional, or leave such rows out first: "
                            "filter(col(\"" +
                            std::string(column) + "\").is_not_null())");
}

std::string current_message() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  std::string text = "an exception of no known type";
  if (type != nullptr) {
    int status = 0;
    char* name = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
    text = status == 0 ? name : type->name();
    std::free(name);
  }
  try {
    throw;
  } catch (const std::exception& error) {
    return text + ": " + error.what();
  } catch (const std::string& message) {
    return text + ": " + message;
  } catch (const char* message) {
    return text + ": " + message;
  } catch (...) {
    return text;
  }
}

}  // namespace manta::data::detail
