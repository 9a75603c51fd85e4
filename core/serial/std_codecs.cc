#include <manta/serial/std_codecs.h>

#include <future>
#include <ios>
#include <optional>

#include <manta/serialize.h>

namespace manta::serial {

namespace detail {

const std::error_category* category_of(std::string_view name) {
  for (const std::error_category* each :
       {&std::generic_category(), &std::system_category(), &std::iostream_category(), &std::future_category()}) {
    if (name == each->name()) return each;
  }
  return nullptr;
}

void refuse_category(const char* name) {
  throw Error(ErrorCode::invalid_argument,
              std::string("an error code of category \"") + name +
                  "\" cannot be serialised: another process does not have the category; send its value() and its "
                  "category's name(), or its message()");
}

}  // namespace detail

void Codec<Error>::save(Writer& writer, const Error& error) {
  writer(error.code(), error.message(), error.task() != nullptr);
  if (error.task() != nullptr) writer(*error.task());
}

void Codec<Error>::load(Reader& reader, Error& error) {
  ErrorCode code = ErrorCode::internal;
  std::string message;
  bool has_failure = false;
  reader(code, message, has_failure);
  if (code > ErrorCode::internal) code = ErrorCode::internal;
  if (has_failure) {
    TaskFailure failure;
    reader(failure);
    error = Error(std::move(failure), std::move(message));
  } else {
    error = Error(code, std::move(message));
  }
}

}  // namespace manta::serial
