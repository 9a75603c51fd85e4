// What a process keeps of each function that its program names, and what an execution of one is given. Not for users:
// everything here may change.
#pragma once

#include <cstdint>
#include <string_view>

#include <manta/detail/coroutine_call.h>
#include <manta/detail/entry.h>
#include <manta/detail/stream_api.h>
#include <manta/serial/reader.h>
#include <manta/serial/writer.h>

namespace manta::detail {

/// An object of the user's class, in the worker that hosts it.
struct ActorInstance {
  void* object = nullptr;
  const void* type = nullptr;               ///< ClassTag of its class
  void (*destroy)(void* object) = nullptr;  ///< may throw
  void (*throw_pointer)(void* object) =
      nullptr;              // as a pointer to its class, which a handler of a base's pointer catches
  bool coroutines = false;  ///< the program calls methods of it that return Task
};

/// The arguments of one execution. Parameter i (injected ones not counted) is decoded from values, or, if bit i of
/// ref_mask is set, from the next of references, each of which holds one value.
struct Arguments {
  serial::Reader* values = nullptr;
  std::uint32_t ref_mask = 0;
  serial::Reader* references = nullptr;
  const ValueView* views = nullptr;    ///< the same as references
  ActorInstance* actor = nullptr;      ///< constructors fill it, methods run on it
  ItemSink* items = nullptr;           ///< of a generator
  CoroutineSlot* coroutine = nullptr;  ///< null: coroutines run to their end
};

/// What a worker needs of a function. Lives as long as its module.
struct FunctionEntry {
  const void* tag;  ///< identity; addresses of code are none, linkers fold equal functions
  /// Decodes, calls, encodes the result. Throws what the function throws, and Error for arguments that do not decode.
  void (*invoke)(Arguments& arguments, serial::Writer& result);
  std::string_view (*name)();  ///< its label: "square", "ns::train_fold"
};

/// The table of one module. Here are only its address and its size; the rest is in core/client/function_table.cc.
class ModuleTable {
 public:
  constexpr ModuleTable() = default;
  ~ModuleTable();  ///< at dlclose: its functions are unknown from then on
  ModuleTable(const ModuleTable&) = delete;
  ModuleTable& operator=(const ModuleTable&) = delete;
  /// Any thread. Throws Error(exhausted) beyond 2^32 functions or 512 modules.
  FunctionId add(const FunctionEntry& entry);

 private:
  std::uint32_t count_ = 0;
  std::uint32_t module_ = 0;  // hash of the build id; 0 until the first entry
};

}  // namespace manta::detail
