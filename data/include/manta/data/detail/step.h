// Steps: C++ code that makes blocks out of blocks, as it travels to workers. Not for users.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/data/block.h>
#include <manta/function.h>
#include <manta/serialize.h>

namespace manta::data::detail {

/// Thrown by a kernel where the user's code threw for one row of its input.
class RowFailure : public std::exception {
 public:
  RowFailure(std::int64_t row, std::string what) : row_(row), what_(std::move(what)) {}
  std::int64_t row() const { return row_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::int64_t row_;
  std::string what_;
};

/// Where rows go whose processing failed, if they do not end the plan.
class BadRows {
 public:
  virtual ~BadRows() = default;
  virtual void add(const Block& input, std::int64_t row, const std::string& what) = 0;
};

/// Makes a block out of a block. In a task it is made for each block; in an actor once.
///
/// Threading: one thread at a time. Errors: RowFailure where bad is null, and what the user's code throws where it is
/// given a whole block.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual Block run(const Block& input, BadRows* bad) = 0;
};

/// What a process keeps of each kind of step that its program names. Lives as long as the program.
struct StepEntry {
  std::string_view (*name)();
  std::unique_ptr<Kernel> (*make)(serial::Reader& state);
};
/// Called while static variables are initialised, in the order that the linker fixed: the same in each process.
std::uint32_t add_step(const StepEntry& entry);

/// A step of a plan: which kernel, and what it is made from.
struct Step {
  std::uint32_t kind = 0;
  std::string name;
  std::vector<std::byte> state;
  bool framed = false;
};

/// Throws Error(internal) where this process has no such step: it runs another program.
std::unique_ptr<Kernel> make_kernel(const Step& step);
[[noreturn]] void throw_state_refs(std::string_view name);

/// The step's kernel K is made by K(state...) from values of the types State.
template <class K, class File>
struct RegisteredStep {
  static std::string_view name() { return K::name(); }
  static std::unique_ptr<Kernel> make(serial::Reader& state) {
    auto values = serial::decode<typename K::State>(state);
    return std::make_unique<K>(std::move(values));
  }
  static const std::uint32_t kind;
};
template <class K, class File>
const std::uint32_t RegisteredStep<K, File>::kind = add_step({&name, &make});

template <class K, class File>
Step step_of(const typename K::State& state) {
  serial::Writer writer;
  writer(state);
  if (!writer.refs().empty()) throw_state_refs(K::name());
  Step step{RegisteredStep<K, File>::kind, std::string(K::name()), {}, writer.framed()};
  step.state.resize(writer.encoded_size());
  if (!step.state.empty()) writer.encode_into(step.state.data());
  return step;
}

/// The message of the exception that is being handled, with its type where it has no text.
std::string current_message();

}  // namespace manta::data::detail
