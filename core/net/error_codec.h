// Errors on the wire: an aggregate that serial::Writer takes.
#pragma once

#include <cstdint>
#include <string>

#include <manta/error.h>

namespace manta::net {

struct WireError {
  std::uint8_t code = 0;
  std::string message;
  bool has_failure = false;
  std::string type, what, function, node, trace;
  std::int64_t process = 0;
  std::uint32_t attempt = 0;
};

inline WireError to_wire(const Error& error) {
  WireError wire;
  wire.code = static_cast<std::uint8_t>(error.code());
  wire.message = error.message();
  if (const TaskFailure* f = error.task()) {
    wire.has_failure = true;
    wire.type = f->type;
    wire.what = f->what;
    wire.function = f->function;
    wire.node = f->node;
    wire.trace = f->trace;
    wire.process = f->process;
    wire.attempt = f->attempt;
  }
  return wire;
}

inline Error from_wire(WireError wire) {
  if (wire.has_failure) {
    return Error(TaskFailure{std::move(wire.type), std::move(wire.what), std::move(wire.function), std::move(wire.node),
                             wire.process, wire.attempt, std::move(wire.trace)},
                 std::move(wire.message));
  }
  const auto last = static_cast<std::uint8_t>(ErrorCode::internal);
  return Error(static_cast<ErrorCode>(wire.code > last ? last : wire.code), std::move(wire.message));
}

}  // namespace manta::net
