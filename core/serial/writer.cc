#include <manta/serial/writer.h>

#include <map>
#include <set>
#include <typeindex>
#include <unordered_map>
#include <unordered_set>

#include <manta/error.h>

#include "core/serial/references.h"

namespace manta::serial {

// What only some values need: shared and polymorphic pointers, virtual bases, versions, deferments.
struct Writer::Tables {
  // Keyed by type too: a struct and its first member have one address. The pointers are kept, so that no address is
  // used again while its number is known.
  std::map<std::pair<const void*, std::type_index>, std::uint32_t> shared;
  std::unordered_map<const void*, std::uint32_t> polymorphic_shared;
  std::vector<std::shared_ptr<const void>> kept;
  std::map<std::string, std::uint32_t, std::less<>> polymorphic_names;
  std::set<std::pair<const void*, std::size_t>> virtual_bases;
  std::unordered_set<std::size_t> versions;
  std::vector<std::function<void()>> deferred;
};

void Writer::put_ref(manta::detail::EntryHead* entry) {
  manta::detail::WireRef wire;
  if (entry != nullptr) {
    wire = references().export_ref(entry);
    refs_.push_back(entry);
    manta::detail::retain(entry);
  }
  put_raw(&wire.object.high, sizeof wire.object.high);
  put_raw(&wire.object.low, sizeof wire.object.low);
  put_raw(&wire.owner.value, sizeof wire.owner.value);
}

void Writer::drop() {
  drop_buffers();  // before what they may lie in
  drop_kept();
  for (manta::detail::EntryHead* entry : std::exchange(refs_, {})) references().release(entry);
  delete std::exchange(tables_, nullptr);
}

void Writer::drop_kept() {
  if (const auto destroy = std::exchange(destroy_, nullptr)) destroy(kept_);
}

void Writer::too_deep() {
  throw Error(ErrorCode::invalid_argument,
              "a value nests deeper than " + std::to_string(kMaxDepth) +
                  " pointers, containers and classes; serialise long chains as a sequence");
}

void Writer::refuse_valueless() {
  throw Error(ErrorCode::invalid_argument, "a std::variant that lost its value to an exception cannot be serialised");
}

Writer::Tables& Writer::tables() {
  if (tables_ == nullptr) tables_ = new Tables;
  return *tables_;
}

std::pair<std::uint32_t, bool> Writer::number_shared(std::shared_ptr<const void> pointer, const std::type_info& type) {
  Tables& t = tables();
  const auto next = static_cast<std::uint32_t>(t.shared.size() + 1);
  const auto [place, is_new] = t.shared.try_emplace({pointer.get(), type}, next);
  if (is_new) t.kept.push_back(std::move(pointer));
  return {place->second, is_new};
}

std::uint32_t Writer::registerSharedPointer(const std::shared_ptr<const void>& pointer) {
  if (pointer == nullptr) return 0;
  Tables& t = tables();
  const auto next = static_cast<std::uint32_t>(t.polymorphic_shared.size() + 1);
  const auto [place, is_new] = t.polymorphic_shared.try_emplace(pointer.get(), next);
  if (!is_new) return place->second;
  t.kept.push_back(pointer);
  return next | cereal::detail::msb_32bit;
}

std::uint32_t Writer::registerPolymorphicType(const char* name) {
  Tables& t = tables();
  const auto next = static_cast<std::uint32_t>(t.polymorphic_names.size() + 1);
  const auto [place, is_new] = t.polymorphic_names.try_emplace(name, next);
  return is_new ? next | cereal::detail::msb_32bit : place->second;
}

bool Writer::first_virtual_base(const void* base, std::size_t type_hash) {
  return tables().virtual_bases.emplace(base, type_hash).second;
}

bool Writer::first_version(std::size_t type_hash) { return tables().versions.insert(type_hash).second; }

void Writer::defer(std::function<void()> write) { tables().deferred.push_back(std::move(write)); }

void Writer::serializeDeferments() {
  for (const auto& write : std::exchange(tables().deferred, {})) write();
}

}  // namespace manta::serial
