#include "tests/core/api/fake_runtime.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include <manta/function.h>
#include <manta/serialize.h>

#include "core/client/function_table.h"
#include "core/serial/references.h"

namespace manta::testing {
namespace {

// An encoded value at an address that is a multiple of 64, as the store gives it.
struct Encoded {
  std::shared_ptr<std::vector<std::byte>> memory;
  std::span<const std::byte> bytes;
  bool framed = false;
  std::vector<detail::EntryHead*> held;

  explicit Encoded(const serial::Writer& writer) : framed(writer.framed()) {
    const std::size_t size = writer.encoded_size();
    memory = std::make_shared<std::vector<std::byte>>(size + 64);
    const auto address = reinterpret_cast<std::uintptr_t>(memory->data());
    std::byte* start = memory->data() + (64 - address % 64);
    writer.encode_into(start);
    bytes = {start, size};
    held.assign(writer.refs().begin(), writer.refs().end());
    for (auto* entry : held) detail::retain(entry);
  }
  ~Encoded() {
    for (auto* entry : held) detail::release(entry);
  }
  Encoded(const Encoded&) = delete;
  Encoded& operator=(const Encoded&) = delete;
};

struct Entry : detail::EntryHead {
  ObjectId id;
  std::unique_ptr<Encoded> value;
  std::optional<Error> error;
  std::function<void()> task;  // what will resolve it
};

struct World {
  std::map<ObjectId, Entry*> entries;
  std::uint64_t made = 0;
  std::vector<Entry*> kept;
  std::vector<Entry*> completed;  // in order of resolution
  bool holding = false;
  SubmittedTask last;
  std::size_t submitted = 0;
  std::size_t waited = 0;
  std::vector<Asked> asked;
};

World& world() {
  static World instance;
  return instance;
}

Entry* make_entry() {
  auto* entry = new Entry;
  entry->id = ObjectId{1, 2}.child(++world().made);
  entry->refs = 1;
  world().entries[entry->id] = entry;
  return entry;
}

void resolve(Entry* entry) {
  world().completed.push_back(entry);
  entry->resolved.store(true, std::memory_order_release);
}

void make_ready(Entry* entry) {
  if (entry->resolved) return;
  const auto task = std::exchange(entry->task, nullptr);
  task();
}

// One task as a worker would run it.
void execute(Entry* result, detail::FunctionId id, const Encoded& values, std::uint32_t ref_mask,
             const std::vector<Entry*>& references) {
  serial::Writer writer;
  try {
    const detail::FunctionEntry* function = detail::find_function(id);
    if (function == nullptr) throw detail::unknown_function(id);
    serial::Reader reader(values.bytes, values.framed, values.memory);
    std::vector<serial::Reader> readers;
    std::vector<detail::ValueView> views;
    for (Entry* entry : references) {
      make_ready(entry);
      if (entry->error) throw *entry->error;
      readers.emplace_back(entry->value->bytes, entry->value->framed, entry->value->memory);
      views.push_back({entry->value->bytes, entry->value->framed, entry->value->memory, {}});
    }
    detail::Arguments arguments{&reader, ref_mask, readers.data(), views.data()};
    try {
      function->invoke(arguments, writer);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& exception) {
      throw Error(TaskFailure{.type = "std::exception",
                              .what = exception.what(),
                              .function = std::string(function->name()),
                              .node = "here",
                              .process = 1,
                              .attempt = 1,
                              .trace = {}});
    }
    result->value = std::make_unique<Encoded>(writer);
  } catch (const Error& error) {
    result->error = error;
  }
  resolve(result);
}

}  // namespace

const SubmittedTask& last_task() { return world().last; }
std::size_t tasks_submitted() { return world().submitted; }
std::size_t live_entries() { return world().entries.size(); }
std::size_t waits() { return world().waited; }
const std::vector<Asked>& asked() { return world().asked; }

HoldTasks::HoldTasks() {
  world().holding = true;
  world().kept.clear();
}
HoldTasks::~HoldTasks() { world().holding = false; }
void HoldTasks::run(std::size_t index) { make_ready(world().kept.at(index)); }

}  // namespace manta::testing

namespace manta::detail {

using testing::world;
using FakeEntry = testing::Entry;

void last_reference_gone(EntryHead* head) noexcept {
  auto* entry = static_cast<FakeEntry*>(head);
  world().entries.erase(entry->id);
  std::erase(world().completed, entry);
  std::erase(world().kept, entry);
  delete entry;
}

namespace {

struct FakeReferences final : serial::References {
  WireRef export_ref(EntryHead* head) override { return {static_cast<FakeEntry*>(head)->id, ClientId{7}}; }
  EntryHead* import_ref(const WireRef& ref) override {
    FakeEntry* entry = world().entries.at(ref.object);
    retain(entry);
    return entry;
  }
  void release(EntryHead* entry) noexcept override { detail::release(entry); }
};

FakeReferences g_references;
const serial::UseReferences g_used(g_references);

}  // namespace

EntryHead* submit(const TaskCall& call) {
  world().last = {call.function, std::string(call.options.name), call.options.num_cpus, call.options.max_retries,
                  call.ref_mask, call.references.size(),         call.values.framed(),  call.values.refs().size()};
  ++world().submitted;
  FakeEntry* result = testing::make_entry();
  const auto values = std::make_shared<testing::Encoded>(call.values);
  // Like an owner, a task that has not run holds its references (and here its result).
  const auto keep = [](EntryHead* head) {
    retain(head);
    return std::shared_ptr<EntryHead>(head, [](EntryHead* held) { release(held); });
  };
  std::vector<std::shared_ptr<EntryHead>> holds;
  std::vector<FakeEntry*> references;
  for (EntryHead* head : call.references) {
    holds.push_back(keep(head));
    references.push_back(static_cast<FakeEntry*>(head));
  }
  result->task = [result, function = call.function, values, mask = call.ref_mask, references, holds] {
    testing::execute(result, function, *values, mask, references);
  };
  if (world().holding) {
    world().kept.push_back(result);
  } else {
    testing::make_ready(result);
  }
  return result;
}

EntryHead* put(const serial::Writer& value) {
  FakeEntry* entry = testing::make_entry();
  entry->value = std::make_unique<testing::Encoded>(value);
  testing::resolve(entry);
  return entry;
}

void set_label(EntryHead&, std::string) {}

bool is_borrowed(const EntryHead* head) { return static_cast<const FakeEntry*>(head)->task != nullptr; }

void ask_for(std::span<EntryHead* const> entries) { world().asked.push_back({world().waited, entries.size()}); }

bool lies_elsewhere(EntryHead*) { return false; }
void bring(std::span<EntryHead* const>) {}

std::string why_unresolved(EntryHead*) { return {}; }

bool wait_resolved(EntryHead* head, Deadline deadline) {
  ++world().waited;
  if (deadline != Deadline::max()) return head->resolved;  // a held task is not run before any deadline
  testing::make_ready(static_cast<FakeEntry*>(head));
  return true;
}

std::size_t wait_any(std::span<EntryHead* const> entries, std::size_t count, Deadline deadline) {
  ++world().waited;
  std::size_t ready = 0;
  for (EntryHead* head : entries) ready += head->resolved;
  // Completes the last ones first, so that order is worth a test.
  for (auto it = entries.rbegin(); it != entries.rend() && ready < count && deadline == Deadline::max(); ++it) {
    if ((*it)->resolved) continue;
    testing::make_ready(static_cast<FakeEntry*>(*it));
    ++ready;
  }
  return ready;
}

ValueView read_value(EntryHead* head) {
  auto* entry = static_cast<FakeEntry*>(head);
  if (entry->error) throw_error(*entry->error);
  return {entry->value->bytes, entry->value->framed, entry->value->memory, {}};
}

std::shared_ptr<const void> find_shared(const ObjectId&, const void*) { return nullptr; }
std::shared_ptr<const void> keep_shared(const ObjectId&, const void*, std::shared_ptr<const void> value, std::size_t) {
  return value;
}

struct CompletionQueue::Impl {
  std::vector<FakeEntry*> entries;
  std::vector<bool> reported;
};
CompletionQueue::CompletionQueue(std::span<EntryHead* const> entries) : impl_(std::make_unique<Impl>()) {
  for (EntryHead* head : entries) {
    retain(head);
    impl_->entries.push_back(static_cast<FakeEntry*>(head));
  }
  impl_->reported.resize(entries.size());
}
CompletionQueue::~CompletionQueue() {
  for (FakeEntry* entry : impl_->entries) release(entry);
}
std::size_t CompletionQueue::next() {
  ++world().waited;
  const auto take = [this](std::size_t index) {
    impl_->reported[index] = true;
    return index;
  };
  for (FakeEntry* done : world().completed) {
    for (std::size_t i = 0; i < impl_->entries.size(); ++i) {
      if (impl_->entries[i] == done && !impl_->reported[i]) return take(i);
    }
  }
  for (std::size_t i = impl_->entries.size(); i-- > 0;) {  // nothing is done: the last one is next
    if (impl_->reported[i]) continue;
    testing::make_ready(impl_->entries[i]);
    return take(i);
  }
  throw Error(ErrorCode::internal, "next() was called too often");
}

}  // namespace manta::detail
