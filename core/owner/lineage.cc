#include "core/owner/lineage.h"

#include <utility>

namespace manta::owner {

bool Lineage::keep_arguments(Entry& entry) {
  const bool repeatable = entry.max_retries < 0 || entry.attempt < entry.max_retries;
  if (!repeatable || entry.kind != Kind::task) return false;
  EntryExtra& extra = entry.more();
  extra.lineage = std::make_unique<EntryExtra::Lineage>();
  extra.lineage->arguments = std::move(entry.value);
  extra.lineage->references = std::exchange(extra.references, {});
  extra.lineage->contained = std::exchange(extra.contained, {});
  return true;
}

void Lineage::restore(Entry& entry) {
  const auto lineage = std::move(entry.extra->lineage);
  entry.value = std::move(lineage->arguments);
  entry.extra->references = std::move(lineage->references);
  entry.extra->contained = std::move(lineage->contained);
}

void Lineage::drop(Entry& entry) {
  if (!entry.extra || !entry.extra->lineage) return;
  const auto lineage = std::move(entry.extra->lineage);
  objects_.free_value(lineage->arguments);
  objects_.drop_holds(lineage->references);
  objects_.drop_holds(lineage->contained);
}

}  // namespace manta::owner
