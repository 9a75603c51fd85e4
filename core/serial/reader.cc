#include <manta/serial/reader.h>

#include <set>
#include <unordered_map>

#include "core/serial/references.h"

namespace manta::serial {

struct Reader::Tables {
  struct Shared {
    std::shared_ptr<void> pointer;
    const std::type_info* type;
  };
  std::vector<Shared> shared;  // by number - 1
  std::unordered_map<std::uint32_t, std::shared_ptr<void>> polymorphic_shared;
  std::unordered_map<std::uint32_t, std::string> polymorphic_names;
  std::set<std::pair<const void*, std::size_t>> virtual_bases;
  std::unordered_map<std::size_t, std::uint32_t> versions;
  std::vector<std::function<void()>> deferred;
};

manta::detail::EntryHead* Reader::get_ref() {
  manta::detail::WireRef wire;
  get_raw(&wire.object.high, sizeof wire.object.high);
  get_raw(&wire.object.low, sizeof wire.object.low);
  get_raw(&wire.owner.value, sizeof wire.owner.value);
  if (!wire.object) return nullptr;
  ++refs_;
  return references().import_ref(wire);
}

void Reader::fail_deep() const { fail("nesting deeper than " + std::to_string(kMaxDepth)); }

void Reader::drop() { delete std::exchange(tables_, nullptr); }

Reader::Tables& Reader::tables() {
  if (tables_ == nullptr) tables_ = new Tables;
  return *tables_;
}

std::shared_ptr<void> Reader::find_shared(std::uint64_t number, const std::type_info& type) {
  const auto& shared = tables().shared;
  if (number == shared.size() + 1) return nullptr;
  if (number > shared.size()) fail("shared pointer number " + std::to_string(number));
  const Tables::Shared& found = shared[number - 1];
  if (*found.type != type) fail(std::string("a shared pointer to another type than ") + type.name());
  return found.pointer;
}

void Reader::add_shared(std::shared_ptr<void> pointer, const std::type_info& type) {
  tables().shared.push_back({std::move(pointer), &type});
}

std::shared_ptr<void> Reader::getSharedPointer(std::uint32_t id) {
  if (id == 0) return nullptr;
  const auto found = tables().polymorphic_shared.find(id);
  if (found == tables().polymorphic_shared.end()) fail("polymorphic pointer number " + std::to_string(id));
  return found->second;
}

void Reader::registerSharedPointer(std::uint32_t id, std::shared_ptr<void> pointer) {
  tables().polymorphic_shared[id & ~cereal::detail::msb_32bit] = std::move(pointer);
}

std::string Reader::getPolymorphicName(std::uint32_t id) {
  const auto found = tables().polymorphic_names.find(id);
  if (found == tables().polymorphic_names.end()) fail("polymorphic type number " + std::to_string(id));
  return found->second;
}

void Reader::registerPolymorphicName(std::uint32_t id, const std::string& name) {
  tables().polymorphic_names.emplace(id & ~cereal::detail::msb_32bit, name);
}

bool Reader::first_virtual_base(const void* base, std::size_t type_hash) {
  return tables().virtual_bases.emplace(base, type_hash).second;
}

const std::uint32_t* Reader::find_version(std::size_t type_hash) {
  const auto found = tables().versions.find(type_hash);
  return found == tables().versions.end() ? nullptr : &found->second;
}

void Reader::add_version(std::size_t type_hash, std::uint32_t version) { tables().versions[type_hash] = version; }

void Reader::defer(std::function<void()> read) { tables().deferred.push_back(std::move(read)); }

void Reader::serializeDeferments() {
  for (const auto& read : std::exchange(tables().deferred, {})) read();
}

}  // namespace manta::serial
